"""The second edition of the verifier, in a real browser, says of every file what the first one says."""

import dataclasses
import io
import json
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pyhanko.sign import signers
from test_signing_verify import ends
from test_vectors import vectors

from signing import archive, hanko, shape
from signing.verify import Trust, examine
from tests.looking import running_chromium

ROOT = Path(__file__).parents[2]
BASES = {}
"""What the browser may start from: the vectors' bases, and what a test made."""
KINDS = {".js": "text/javascript", ".json": "application/json", ".html": "text/html"}
RUN = """async (asked) => {
  const { examine, trustFrom } = await import('/static/js/verifier/verify.js');
  const words = await (await fetch('/signing/words.json')).json();
  const held = new Map();
  const bytes = async (path) => {
    if (!held.has(path)) held.set(path, new Uint8Array(await (await fetch(path)).arrayBuffer()));
    return held.get(path);
  };
  const out = [], begin = performance.now();
  for (const one of asked) {
    const base = await bytes('/base/' + one.base), pieces = [];
    let at = 0;
    for (const [place, gone, put] of one.edits) {
      pieces.push(base.subarray(at, place), Uint8Array.from(put.match(/../g) || [], (pair) => parseInt(pair, 16)));
      at = place + gone;
    }
    const data = new Uint8Array(await new Blob([...pieces, base.subarray(at)]).arrayBuffer());
    const root = one.trust && (await bytes(one.trust === 'made' ? '/base/made.pem' : '/tests/vectors/roots/' + one.trust + '.pem'));
    const trust = root && trustFrom(new TextDecoder().decode(root));
    const said = await examine(data, trust || null, words, Date.parse(one.now));
    const [reason] = said.reasons;
    out.push([said.verdict, reason?.code ?? null, reason?.etsi ?? null, said.remarks.map((told) => told.code), said.sha256]);
  }
  return [out, performance.now() - begin];
}"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def spoilt(deed, house, bob, trust):
    """Deeds stamped anew over long-term data with a byte changed, and what the first edition says of them."""
    dice = random.Random(20261129)
    sealed = deed[: ends(deed)[1]]
    kept = house.status.gather([bob.chain, house.seal.chain, house.stamper.unit.signer.chain])
    BASES["made.pem"] = trust.pem()
    asked, expected = [], []
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "pypdfium2", None)
        for number in range(80):
            kind = dice.choice(["certs", "ocsps", "crls"])
            items = list(getattr(kept, kind))
            place = dice.randrange(len(items))
            changed = bytearray(items[place])
            changed[dice.randrange(len(changed))] = dice.randrange(256)
            items[place : place + dice.randrange(2)] = [bytes(changed)]  # in its place, or before it
            writer = hanko.Writer(io.BytesIO(sealed))
            archive.write_dss(writer, dataclasses.replace(kept, **{kind: tuple(items)}))
            stamps = signers.PdfTimeStamper(hanko.Stamps(house.stamper), field_name=shape.STAMP_FIELD)
            BASES[f"made-{number}"] = data = stamps.timestamp_pdf(writer, "sha256").getvalue()
            root = "made" if dice.random() < 0.7 else None
            now = datetime.now(UTC)
            verdict = examine(data, trust if root else None, now=now)
            asked.append({"base": f"made-{number}", "edits": [], "trust": root, "now": now.isoformat()})
            expected.append([verdict.verdict, verdict.reasons[0].code if verdict.reasons else None])
    return asked, expected


@pytest.fixture(scope="module")
def page(spoilt):  # signing has a loop of its own, so it comes before the browser's
    """One whose only host is this folder; there is no other network."""
    BASES.update(vectors.bases())

    def answer(route):
        path = urlsplit(route.request.url).path.lstrip("/")
        if path.startswith("base/"):
            route.fulfill(body=BASES[path.removeprefix("base/")])
        elif path == "":
            route.fulfill(body="<!doctype html><title>vectors</title>", content_type="text/html")
        else:
            file = ROOT / path
            route.fulfill(body=file.read_bytes(), content_type=KINDS.get(file.suffix, "application/octet-stream"))

    with running_chromium() as browser:
        made = browser.new_context().new_page()
        made.route("**/*", answer)
        made.goto("http://localhost/")
        yield made


@pytest.mark.req("C1")
def test_both_editions_agree_on_every_vector(page):
    asked = [one for one, _ in vectors.files()]
    said, took = page.evaluate(RUN, asked)
    wrong = []
    for one, told in zip(asked, said, strict=True):
        expected = [one["expect"], one["code"], one["etsi"], one["remarks"], one["sha256"]]
        if one.get("needs") == "pages":  # a browser does not read the words of a page, and says so among its steps
            expected[:3] = ["valid", None, None]
        if told != expected:
            wrong.append((one["name"], told, expected))
    print(f"{len(asked)} vectors, {took / len(asked):.1f} ms each in the browser")

    assert wrong == []


@pytest.mark.req("C1")
def test_both_editions_agree_on_random_damage(page, monkeypatch):
    """Flips, and bytes that go, come or are exchanged, anywhere in deeds of several kinds; with and without a root."""
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    bases, known = BASES, json.loads(vectors.TOLD.read_text("utf-8"))
    dice = random.Random(20261128)
    asked, expected = [], []
    for _ in range(400):
        name = dice.choice(
            ["genuine", "renewed", "other-genuine", "rsa", "our-body-by-another-writer", "revoked-later"]
        )
        data = bases[name]
        at = dice.randrange(len(data)) if dice.random() < 0.5 else len(data) - 1 - dice.randrange(20_000)
        edit = dice.choice(
            [
                (at, 1, bytes((data[at] ^ 1 << dice.randrange(8),))),
                (at, 1, bytes((dice.choice(b"0123456789 <>[]()/%\n\rRn.-"),))),
                (at, dice.randrange(1, 5), b""),
                (at, 0, data[at : at + 3]),
            ]
        )
        trust = known[name]["trust"] if dice.random() < 0.8 else None
        one = {"base": name, "edits": [[*edit[:2], edit[2].hex()]], "trust": trust, "now": known[name]["now"]}
        roots = Trust.from_pem((vectors.ROOTS / f"{trust}.pem").read_bytes()) if trust else None
        verdict = examine(vectors.edited(data, [edit]), roots, now=datetime.fromisoformat(one["now"]))
        reason = verdict.reasons[0] if verdict.reasons else None
        asked.append(one)
        expected.append(
            [
                verdict.verdict,
                reason and reason.code,
                reason and reason.etsi,
                [r.code for r in verdict.remarks],
                verdict.sha256,
            ]
        )
    said, _ = page.evaluate(RUN, asked)
    wrong = [(one, told, wanted) for one, told, wanted in zip(asked, said, expected, strict=True) if told != wanted]

    assert wrong == []


@pytest.mark.req("C1")
def test_both_editions_agree_on_long_term_data_that_somebody_spoilt(page, spoilt):
    """Who strips the last stamp may put any certificates, answers and lists under a new one; also spoilt ones."""
    asked, expected = spoilt
    said, _ = page.evaluate(RUN, asked)
    wrong = [
        (no, one[:2], wanted) for no, (one, wanted) in enumerate(zip(said, expected, strict=True)) if one[:2] != wanted
    ]

    assert wrong == []
    assert {word for word, _ in expected} >= {"valid", "unknown"}
