"""Faces and documents: arrays in, verdict out."""
