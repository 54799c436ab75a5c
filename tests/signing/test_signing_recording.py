"""A recording proves itself from the files of an evidence bundle, and whatever was changed in it is named."""

import hashlib
import io
import json
import zipfile

import pytest

from signing import recording
from signing.recording import FOLDER, START, BadRecording

FRAGMENTS = {"0001-notary": [b"head", b"one", b"two"], "0002-applicant": [b"head", b"three"]}


def line(prev, number, kind, **fields):
    body = {"n": number, "at": f"2026-11-25T08:00:{number:02d}.000Z", "kind": kind, **fields, "prev": prev}
    raw = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return body | {"hash": hashlib.sha256(raw).hexdigest()}


def journal(fragments=FRAGMENTS):
    lines = []

    def add(kind, **fields):
        lines.append(line(lines[-1]["hash"] if lines else START, len(lines), kind, **fields))

    add("room", room="r", version=1)
    for name, pieces in fragments.items():
        add("open", segment=name)
        for index, piece in enumerate(pieces):
            add("fragment", segment=name, index=index, bytes=len(piece), sha256=hashlib.sha256(piece).hexdigest())
    add("mark", phase="identity", seconds=1.5)
    for name, pieces in fragments.items():
        whole = hashlib.sha256(b"".join(pieces)).hexdigest()
        add("close", segment=name, fragments=len(pieces), sha256=whole)
    add("end", cause="closed")
    return lines


def files(lines=None, fragments=FRAGMENTS):
    lines = lines or journal(fragments)
    marks = [{name: one[name] for name in ("at", "phase", "seconds")} for one in lines if one["kind"] == "mark"]
    manifest = {
        "complete": True, "intact": True, "problems": [], "gaps": [], "drops": [], "marks": marks,
        "journal": {"lines": len(lines), "head": lines[-1]["hash"]},
        "segments": [
            {"segment": name, "fragments": len(pieces), "sha256": hashlib.sha256(b"".join(pieces)).hexdigest()}
            for name, pieces in fragments.items()
        ],
    }  # fmt: skip
    raw = b"".join(json.dumps(one, sort_keys=True, separators=(",", ":")).encode() + b"\n" for one in lines)
    found = {"manifest.json": json.dumps(manifest).encode(), "journal.jsonl": raw}
    return found | {f"{name}.webm": b"".join(pieces) for name, pieces in fragments.items()}


def checked(found):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, data in found.items():
            zipped.writestr(FOLDER + name, data)
    with zipfile.ZipFile(out) as zipped:
        return recording.check(zipped)


@pytest.mark.req("I03", "D04")
def test_a_whole_recording_is_whole():
    assert checked(files()) == "recording of 2 segments and 12 journal lines, no gap"


def changed(found, name, old, new):
    assert old in found[name]
    return found | {name: found[name].replace(old, new, 1)}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: changed(f, "0001-notary.webm", b"one", b"ONE"), "fragment 1 is not the one in the journal"),
        (lambda f: f | {"0001-notary.webm": f["0001-notary.webm"] + b"x"}, "something follows its last fragment"),
        (lambda f: f | {"0002-applicant.webm": b""}, "fragment 0 is not the one"),
        (lambda f: changed(f, "journal.jsonl", b'"identity"', b'"inquiry"'), "does not follow from the line before"),
        (lambda f: f | {"journal.jsonl": f["journal.jsonl"].rsplit(b"\n", 2)[0] + b"\n"}, "does not end where"),
        (lambda f: changed(f, "manifest.json", b"identity", b"inquiry"), "other marks"),
        (lambda f: changed(f, "manifest.json", b'"complete": true', b'"complete": false'), "not whole"),
        (lambda f: changed(f, "manifest.json", b"0002-applicant", b"0003-applicant"), "other segments"),
    ],
)
def test_what_was_changed_is_named(spoil, says):
    with pytest.raises(BadRecording, match=says):
        checked(spoil(files()))


def test_h264_lies_beside_as_matroska_and_manifest_and_journal_agree_on_it():
    lines = []
    for one in journal():
        told = {name: value for name, value in one.items() if name not in ("n", "kind", "hash", "prev", "at")}
        told |= {"codec": "H264"} if one["kind"] == "open" and one["segment"] == "0001-notary" else {}
        lines.append(line(lines[-1]["hash"] if lines else START, len(lines), one["kind"], **told))
    found = files(lines)
    manifest = json.loads(found["manifest.json"])
    with pytest.raises(BadRecording, match="other codecs"):
        checked(found)
    manifest["segments"][0]["codec"] = "H264"
    found["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(KeyError):
        checked(found)
    found["0001-notary.mkv"] = found.pop("0001-notary.webm")
    assert checked(found) == "recording of 2 segments and 12 journal lines, no gap"


def test_a_journal_reckoned_anew_over_other_media_is_not_the_sealed_one():
    """Whoever can reckon hashes can chain anything: but not to the head that the manifest, and so the deed, names."""
    other = FRAGMENTS | {"0001-notary": [b"head", b"lie", b"two"]}
    with pytest.raises(BadRecording, match="does not end where"):
        checked(files() | {"journal.jsonl": files(fragments=other)["journal.jsonl"]})
