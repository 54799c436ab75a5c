"""The interview room: rooms, legs, recording. Knows nothing of cases."""
