"""
How many frames of the right person the gates turn away, in good light and in poor.

    python benchmarks/identity/gated.py FOLDER [MOST]

FOLDER holds photographs (*.jpg), one face each. Each becomes frames of an interview by the recipe of the tests
(`tests/identity/interview_pictures.py`: 640 x 480 VP8 at 500 kbit/s, noise of 2 grey levels), with all of the light, half,
a third, a fifth of it. Of each the last frame is looked at. 95 % Wilson intervals. Made of photographs, not of people.
"""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "identity"))

import cv2
from interview_pictures import frames

from identity.calibration import Share
from identity.errors import IdentityError
from identity.gates import gates

LIGHTS = (1.0, 0.5, 0.35, 0.2)


def main(folder: Path, most: int) -> int:
    pictures = sorted(folder.rglob("*.jpg"))[:: max(1, len(list(folder.rglob("*.jpg"))) // most)][:most]
    out, why, of = Counter(), Counter(), 0
    for path in pictures:
        image = cv2.imread(str(path))
        if image is None:
            continue
        try:
            seen = {light: gates(frames(image, count=4, light=light)[-1]) for light in LIGHTS}
        except IdentityError:
            continue
        of += 1
        for light, found in seen.items():
            out[light] += not found.good
            why.update((light, reason) for reason in found.reasons)
    for light in LIGHTS:
        low, high = Share(out[light], of).interval
        reasons = ", ".join(f"{reason} {count}" for (lit, reason), count in sorted(why.items()) if lit == light)
        print(
            f"light {light:.2f}: {out[light]} of {of} turned away [{100 * low:.1f}-{100 * high:.1f} %]: {reasons or 'none'}"
        )
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100))
