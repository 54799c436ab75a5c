"""A name as a pointer writes it: points of x, y and milliseconds."""

STROKES = [[[20 + n * 9, 60 + (n % 5) * 12, n * 16] for n in range(40)]]
