"""What fuzzing has found in the media worker, one small test each."""

import asyncio
import hashlib
import struct
from pathlib import Path

import pytest
from test_webrtc_answer import CHROME
from webrtc_parties import Party

from storage import vault
from webrtc import answer, journal, protocol, sctp
from webrtc.errors import BadOffer, BadRequest

KEY = bytes(32)


def open_files():
    return sum(1 for _one in Path("/proc/self/fd").iterdir())


@pytest.mark.req("C01")
def test_an_offer_whose_bundle_names_a_section_that_is_not_there_leaves_no_socket_open(clips, stood):

    async def ask():
        party = Party(clips["applicant"])
        offer = (await party.offer()).replace("a=mid:0\r\n", "", 1)
        await party.leave()
        connect = stood()
        before = open_files()
        one = connect()
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


def sctp_packet(kind, body):
    return bytes(12) + struct.pack("!BBH", kind, 0, 4 + len(body)) + body


@pytest.mark.parametrize(
    "packet",
    [
        sctp_packet(sctp.INIT, bytes(16) + b"\x80\x08\x00\x00" + bytes(8)),  # held the parser, and the worker, for ever
        sctp_packet(sctp.RECONFIG, b"\x00\x0d\x00\x03" + bytes(8)),
        sctp_packet(sctp.SACK, bytes(8) + b"\x01\x00\x00\x00" + b"\x00\x01\xff\xff" * 256),  # 17 million numbers
        sctp_packet(sctp.SACK, bytes(8) + b"\x00\x09\x00\x00"),
        sctp_packet(sctp.FORWARD_TSN, bytes(7)),
        sctp_packet(sctp.DATA, bytes(12)),
        sctp_packet(10, b"")[:-1],
        b"",
    ],
)
def test_an_sctp_packet_that_asks_for_endless_work_is_not_taken(packet):
    assert not sctp.sound(packet)


def test_a_section_of_a_strange_kind_is_refused_in_words():
    with pytest.raises(BadOffer):
        answer.read(CHROME.replace("m=application", "m=aPplication"))
