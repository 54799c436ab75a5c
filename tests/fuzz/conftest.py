"""Rooms whose helpers the fuzzing borrows."""

import sys
from pathlib import Path

for room in ("webrtc", "journeys"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))
