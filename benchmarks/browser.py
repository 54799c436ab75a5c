"""
How long the verifier's second edition takes for a deed in Chromium, beside the first, and whether they agree.

    python benchmarks/browser.py [--deeds N]

One run on this machine: N deeds with numbers, names and text of their own, warm after 20, wall milliseconds, medians and
worst. Both editions judge by our rules without the words of the pages; hashing the whole file for the report is inside.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from signing import facts as facts_room
from signing import specimen
from signing.throwaway import authority
from signing.verify import Trust, examine

WARM = 20
FACTS = facts_room.read((ROOT / "signing/examples/facts.json").read_bytes())
RUN = """async (count) => {
  const { examine, trustFrom } = await import('/static/js/verifier/verify.js');
  const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
  const words = await (await fetch('/signing/words.json')).json();
  const trust = trustFrom(new TextDecoder().decode(await bytes('/made/root')));
  const took = [], said = [];
  for (let no = 0; no < count; no++) {
    const data = await bytes('/made/' + no), begin = performance.now();
    const verdict = await examine(data, trust, words);
    took.push(performance.now() - begin);
    said.push([verdict.verdict, verdict.number, verdict.sha256]);
  }
  return [took, said];
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deeds", type=int, default=200)
    count = parser.parse_args().deeds + WARM
    root = authority(FACTS["office"]["name"]).root
    trust = Trust((root,), (root,))
    deeds = [specimen.deed(specimen.vary(FACTS, no)) for no in range(1, count + 1)]
    sys.modules["pypdfium2"] = None  # type: ignore[assignment] # the reader of pages, which a browser has not
    ours, expected = [], []
    for deed in deeds:
        begin = time.perf_counter()
        verdict = examine(deed, trust)
        ours.append(1000 * (time.perf_counter() - begin))
        expected.append([verdict.verdict, verdict.number, verdict.sha256])
    took, said, version = in_browser(deeds, trust)
    print(
        f"{count - WARM} deeds, warm after {WARM}, Python {platform.python_version()}, Chromium {version}, "
        f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}"
    )
    for name, times in (("first edition (Python)", ours), ("second edition (browser)", took)):
        print(f"  {name:26} median {statistics.median(times[WARM:]):7.2f} ms   worst {max(times[WARM:]):7.2f} ms")
    print(f"  they agree on {sum(a == b for a, b in zip(said, expected, strict=True))} of {count}")
    return 0


def in_browser(deeds: list[bytes], trust: Trust) -> tuple[list[float], list[list[str]], str]:
    """-> (milliseconds, verdict with number and hash, version), in a page whose only host is this folder."""
    kinds = {".js": "text/javascript", ".json": "application/json"}

    def answer(route: object) -> None:
        path = urlsplit(route.request.url).path.lstrip("/")
        name = path.removeprefix("made/")
        if path == "":
            route.fulfill(body="<!doctype html><title>benchmark</title>", content_type="text/html")
        elif name != path:
            route.fulfill(body=trust.pem() if name == "root" else deeds[int(name)])
        else:
            file = ROOT / path
            route.fulfill(body=file.read_bytes(), content_type=kinds[file.suffix])

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.route("**/*", answer)
        page.goto("http://localhost/")
        took, said = json.loads(json.dumps(page.evaluate(RUN, len(deeds))))
        version = browser.version
        browser.close()
    return took, said, version


if __name__ == "__main__":
    sys.exit(main())
