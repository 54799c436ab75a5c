"""The walk and the drawn documents say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_file_and_verb_of_the_walk_is_there():
    text = (ROOT / "docs" / "walk.md").read_text()
    for named in set(re.findall(r"`((?:[\w-]+/)+[\w.-]+\.(?:py|toml))(?::(\w+))?", text)):
        path, verb = named
        found = [base / path for base in (ROOT, ROOT / "notary") if (base / path).is_file()]
        assert found, path
        if verb:
            assert re.search(rf"^\s*(?:def|class) {verb}\b|^{verb}\b", found[0].read_text(), re.MULTILINE), named


def test_what_is_drawn_from_the_code_is_drawn_anew(tmp_path):
    drawn = ["docs/lifecycle.md", "docs/requirements.md"]
    before = {name: (ROOT / name).read_text() for name in drawn}
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); import draw; print('\\0'.join(d() for d in draw.DRAWN.values()), end='')"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout

    assert list(before.values()) == said.split("\0")
