"""What fuzzing has found in the media worker, one small test each."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from webrtc_parties import Party

from storage import vault
from webrtc import journal, peer, protocol
from webrtc.errors import BadOffer, BadRequest

KEY = bytes(32)


def open_files():
    return sum(1 for _one in Path("/proc/self/fd").iterdir())


@pytest.mark.req("C01")
def test_an_offer_whose_bundle_names_a_section_that_is_not_there_leaves_no_socket_open(clips):
    peer.bind_to("127.0.0.1")

    async def ask():
        party = Party(clips["applicant"])
        offer = (await party.offer()).replace("a=mid:0\r\n", "", 1)
        await party.leave()
        before = open_files()
        one = peer.Peer()
        with pytest.raises(BadOffer):
            await one.answer(offer)
        await one.close()
        return before, open_files()

    before, after = asyncio.run(ask())
    assert after <= before


def test_an_answer_nested_without_end_is_no_answer():
    with pytest.raises(BadRequest):
        protocol.read_answer(b"[" * 100_000)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("open", {"offset": 0.0}), ("gap", {"leg": "a"}), ("no-such-kind", {}), ("end", {"cause": 7}),
        ("close", {"segment": "0001-a", "cause": "left", "last": "yesterday", "fragments": 0, "bytes": 0, "sha256": ""}),
    ],
)  # fmt: skip
def test_a_line_that_follows_and_makes_no_sense_is_named_as_a_problem(tmp_path, kind, fields):
    first = journal.chain(journal.START, 0, 0.0, "room", {"room": "r", "version": 1})
    second = journal.chain(first["hash"], 1, 1.0, kind, fields)
    (tmp_path / journal.NAME).write_bytes(journal.dump(first) + journal.dump(second))

    made = journal.manifest_of(tmp_path, KEY)
    assert not made["intact"]
    assert "line 1" in made["problems"][0]


@pytest.mark.req("D14")
def test_bytes_behind_the_last_fragment_of_a_closed_segment_are_named(tmp_path):
    plain = b"picture" * 9
    box = vault.encrypt(KEY, plain, vault.aad("r", "0001-a", 0, 0))
    digest = hashlib.sha256(plain).hexdigest()
    said = [
        ("room", {"room": "r", "version": 1}),
        ("open", {"segment": "0001-a", "offset": 0.0, "leg": "a", "role": "a", "connection": "1", "fingerprint": ""}),
        ("fragment", {"segment": "0001-a", "index": 0, "bytes": len(plain), "sha256": digest}),
        ("close", {"segment": "0001-a", "cause": "closed", "last": journal.stamp(2.0), "fragments": 1,
                   "bytes": len(plain), "sha256": digest}),
        ("end", {"cause": "closed"}),
    ]  # fmt: skip
    prev, lines = journal.START, b""
    for number, (kind, fields) in enumerate(said):
        line = journal.chain(prev, number, float(number), kind, fields)
        prev, lines = line["hash"], lines + journal.dump(line)
    (tmp_path / journal.NAME).write_bytes(lines)
    whole = len(box).to_bytes(4, "big") + box
    (tmp_path / "0001-a.rec").write_bytes(whole)
    assert journal.manifest_of(tmp_path, KEY)["intact"]
    (tmp_path / "0001-a.rec").write_bytes(whole + b"xy")
    assert "0001-a: something follows" in journal.manifest_of(tmp_path, KEY)["problems"][0]
