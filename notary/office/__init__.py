"""Verbs, one family a file."""
