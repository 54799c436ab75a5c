"""Bytes in, bytes out: render, lint, seal, stamp, verify. Runs without the office."""
