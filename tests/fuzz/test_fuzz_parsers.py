"""What strangers send to the readers: packets, offers, lines, recordings, deeds, bundles, cards. Nothing ever raises
what it does not say, and no changed deed is valid.
"""

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from fuzzing import ONLY, TIMES, WORDS, Target, json_line, run, spoil_bytes, spoil_json, spoil_text

from identity import cn_card, mrz, permits
from notary import intake
from signing import body as body_room
from signing import bundle, render
from signing import facts as facts_room
from signing.verdict import Refused
from signing.verify import Trust, examine, verify
from storage import BadBox, vault
from webrtc import arrivals, h264, journal, packets, peer, protocol, sdp
from webrtc.errors import MediaError
from webrtc.streams import Frames, Incoming, Outgoing

ROOT = Path(__file__).parents[2]
KEY = bytes(range(32))
TODAY = date(2026, 11, 24)
EXAMPLE = json.loads((ROOT / "signing" / "examples" / "facts.json").read_text())


def said(words):
    """A refusal that says nothing is none."""
    assert words


# packets


def rtp_samples():
    vp8 = b"\x90\x80\x01\x50\x01\x00" + packets.KEY_START + b"\x40\x01\xf0\x00" + bytes(200)
    plain = [packets.build_rtp(96, n % 3 == 2, n, 3000 * n, 7, vp8) for n in range(5)]
    extended = (
        b"\xb0\x60\x00\x05\x00\x00\x00\x01\x00\x00\x00\x07\xbe\xde\x00\x01\x10\x01\x02\x03" + vp8 + b"\x00\x00\x03"
    )
    numbered = b"\x90\x60\x00\x06\x00\x00\x00\x01\x00\x00\x00\x07\xbe\xde\x00\x02\x22\x01\x02\x03\x41\xff\xfe\x00" + vp8
    return [*plain, extended, numbered, *h264_samples()]


def h264_samples():
    """A key frame in pieces and the next picture, in each form of payload (RFC 6184 5.6 to 5.8)."""
    sps, pps = b"\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\x88", b"\x68\xce\x3c\x80"
    both = b"\x78" + b"".join(len(one).to_bytes(2, "big") + one for one in (sps, pps))
    payloads = [
        both,
        sps,
        b"\x7c\x85\x88" + bytes(90),
        b"\x7c\x05" + bytes(90),
        b"\x7c\x45" + bytes(9),
        b"\x41\x9a" + bytes(50),
    ]
    return [packets.build_rtp(102, n > 3, 10 + n, 3000 * (n // 5), 7, one) for n, one in enumerate(payloads)]


def rtcp_samples():
    report = packets.Report(7, 10, 20, 30, 40, 50, 60)
    sender = packets.SenderReport(9, 1 << 40, 90000, 10, 2000)
    return [
        packets.build_sr(sender, b"name") + packets.build_remb(9, 800_000, [7]), packets.build_rr(9, [report] * 3),
        packets.build_nack(9, 7, [1, 2, 9, 60_000]), packets.build_pli(9, 7), b"\x81\xcb\x00\x01\x00\x00\x00\x09",
    ]  # fmt: skip


def take_packet(data):
    parsed = packets.parse_rtp(data)
    assert parsed is None or (0 <= parsed.seq < 1 << 16 and len(parsed.payload) <= len(data))
    if parsed is not None:
        packets.vp8_body(parsed.payload)
        h264.begins_key(parsed.payload)
        if (seen := arrivals.number(data, 4)) is not None:
            told = arrivals.Arrivals()
            told.note(seen, 1.0)
            assert told.message(1, 2, 2.0)
    packets.picture_size(data)
    h264.read_sps(data)
    for frame in (data, len(data).to_bytes(4, "big") + data):
        h264.picture_size(frame), h264.configuration(frame), h264.is_key(frame)
        assert len(h264.annex_b(frame)) <= len(frame)
    said = packets.parse_rtcp(data)
    assert len(said) <= len(data)


def make_stream(rng):
    samples = rtp_samples()
    return [
        (rng.random() * 4, spoil_bytes(rng, rng.choice(samples)) if rng.random() < 0.5 else rng.choice(samples))
        for _n in range(12)
    ]


def take_stream(given):
    coming, frames, units = Incoming("video"), Frames(), h264.AccessUnits()
    going, source, now = Outgoing("video", 97, 11), object(), 0.0
    for wait, data in given:
        now += wait
        rtp = packets.parse_rtp(data)
        if rtp is None:
            continue
        for one in coming.take(rtp, now) or ():
            frames.add(one)
            done = units.add(one)
            assert done is None or (h264.units(done[1]) and len(done[1]) <= 2 * h264.MAX_FRAME)
        sent = going.forward(source, rtp, now)
        assert sent is None or packets.parse_rtp(sent)
        assert len(coming.wanted(now, 0.1)) <= 127
        assert len(coming.missing) <= 3000 * len(given)
        report = coming.receiver_report(now)
        if report:
            packets.build_rr(1, [report])
    coming.flush()


class Heard:
    """A connection's guard with a receiver behind it, as `peer.Peer._guard` builds it."""

    def __init__(self):
        import aioice

        self.connection = aioice.Connection(ice_controlling=False)
        self.guard = object.__new__(peer.Peer)
        self.guard.strangers = 0
        self.guard._address, self.guard.ice = None, self.connection
        self.protocol = aioice.ice.StunProtocol(self.connection)
        self.protocol.local_candidate = aioice.Candidate("f", 1, "udp", 1, "127.0.0.1", 9, "host")
        self.protocol.transport = type("Wire", (), {"sendto": lambda *_a: None, "get_extra_info": lambda *_a: None})()
        self.connection._protocols = [self.protocol]
        self.guard._guard(self.protocol)

    def take(self, data):
        self.protocol.datagram_received(data, ("10.0.0.1", 4000))


def stun_samples():
    import aioice

    found = []
    for kind in (
        aioice.stun.Class.REQUEST,
        aioice.stun.Class.RESPONSE,
        aioice.stun.Class.ERROR,
        aioice.stun.Class.INDICATION,
    ):
        message = aioice.stun.Message(aioice.stun.Method.BINDING, kind, transaction_id=b"x" * 12)
        message.attributes["USERNAME"] = "abcd:efgh"
        message.attributes["PRIORITY"] = 1234
        message.attributes["ICE-CONTROLLING"] = 1 << 60
        message.attributes["XOR-MAPPED-ADDRESS"] = ("10.0.0.1", 4000)
        message.add_message_integrity(b"secret")
        found.append(bytes(message))
    return found


# offers and lines


def an_offer():
    from webrtc_parties import Party, make_clip

    async def make():
        party = Party(make_clip(1, 1))
        try:
            return await party.offer()
        finally:
            await party.leave()

    return asyncio.run(make())


def take_clean(offer):
    try:
        kept = sdp.clean(offer)
    except MediaError as refused:
        said(refused.words)
        return
    assert len(kept) <= sdp.MAX_BYTES + 2 * sdp.MAX_LINES
    assert not [line for line in kept.lower().splitlines() if line.lstrip().startswith("a=candidate")]


def take_offer(offer):
    """The whole way of an offer, aiortc's parser included."""

    async def answer():
        one = peer.Peer()
        try:
            await one.answer(offer)
        except MediaError as refused:
            said(refused.words)
        finally:
            await one.close()

    before = open_files()
    asyncio.run(answer())
    assert open_files() <= before


def open_files():
    return sum(1 for _one in Path("/proc/self/fd").iterdir())


REQUESTS = [
    {"do": "open_room", "room": "r-1", "key": base64.b64encode(KEY).decode(), "legs": [{"leg": "a", "role": "b"}],
     "limits": {"expected_bytes": 9, "max_bitrate": 8, "max_legs": 2}},
    {"do": "offer", "room": "r-1", "leg": "a", "sdp": "v=0\r\n", "type": "offer"},
    {"do": "offer", "room": "r-1", "leg": "a", "sdp": "v=0\r\n", "type": "offer", "restart": True},
    {"do": "send", "room": "r-1", "leg": None, "event": {"event": "turn", "turn": 1}},
    {"do": "mark", "room": "r-1", "phase": "consent"}, {"do": "status", "room": "r-1"}, {"do": "health", "room": "x"},
]  # fmt: skip
ANSWERS = [{"ok": {"legs": {}}}, {"error": {"code": "busy", "words": "no place"}}, {"ok": 1}]


def take_line(line):
    try:
        protocol.from_line(line)
    except MediaError as refused:
        said(refused.words)
    with suppress(MediaError):
        protocol.read_answer(line)


# recordings


def recording(folder):
    """A room as the archive leaves it: journal and one segment of three fragments."""
    folder.mkdir(exist_ok=True)
    plain = [b"one" * 20, b"two" * 20, b"three" * 20]
    boxes = [vault.encrypt(KEY, data, vault.aad("room", "0001-applicant", n, 0)) for n, data in enumerate(plain)]
    fields = [
        ("room", {"room": "room", "version": 1}),
        ("open", {"segment": "0001-applicant", "offset": 0.0, "leg": "applicant", "role": "applicant",
                  "connection": "1", "fingerprint": "AA"}),
        *(("fragment", {"segment": "0001-applicant", "index": n, "bytes": len(data),
                        "sha256": hashlib.sha256(data).hexdigest()}) for n, data in enumerate(plain)),
        ("gap", {"segment": "0001-applicant", "media": "audio", "leg": "applicant", "from": journal.stamp(1.0), "to": journal.stamp(4.0), "seconds": 3.0, "cause": "network"}),
        ("drop", {"segment": "0001-applicant", "fragments": 1, "bytes": 5, "cause": "disk"}),
        ("mark", {"phase": "consent", "seconds": 1.0}),
        ("close", {"segment": "0001-applicant", "cause": "left", "last": journal.stamp(5.0), "fragments": 3,
                   "bytes": sum(map(len, plain)), "sha256": hashlib.sha256(b"".join(plain)).hexdigest()}),
        ("end", {"cause": "closed"}),
    ]  # fmt: skip
    segment = b"".join(len(box).to_bytes(4, "big") + box for box in boxes)
    return fields, segment


def chained(fields):
    lines, prev = [], journal.START
    for number, (kind, more) in enumerate(fields):
        line = journal.chain(prev, number, float(number), kind, more)
        lines.append(journal.dump(line))
        prev = line["hash"]
    return b"".join(lines)


def make_recording(samples):
    fields, segment = samples
    whole = chained(fields)

    def make(rng):
        kind = rng.randrange(4)
        if kind == 0:  # somebody who can reckon hashes: a chain that holds over lines that nobody wrote
            changed = [
                (str(rng.choice((one[0], one[0], rng.choice(WORDS)))), spoil_json(rng, one[1])) for one in fields
            ]
            changed = [(k, f if isinstance(f, dict) else {}) for k, f in changed]
            try:
                return chained(changed), segment
            except (ValueError, TypeError, UnicodeError):
                return whole, segment
        if kind == 1:
            return spoil_bytes(rng, whole), segment
        if kind == 2:
            return whole, spoil_bytes(rng, segment)
        return spoil_bytes(rng, whole), spoil_bytes(rng, segment)

    return make, whole, segment


def take_recording(folder, whole, segment):
    def take(given):
        lines, data = given
        (folder / journal.NAME).write_bytes(lines)
        (folder / "0001-applicant.rec").write_bytes(data)
        made = journal.manifest_of(folder, KEY)
        assert made["intact"] == (not made["problems"])
        if made["intact"] and made["complete"]:  # else somebody changed what was recorded, and nothing says so
            assert data == segment or hashes_of(lines) != hashes_of(whole)
            assert lines == whole or chained_anew(lines)
        with suppress(BadBox):
            list(journal.fragments(folder / "0001-applicant.rec", KEY, "room"))

    return take


def hashes_of(lines):
    return [one["sha256"] for one in map(json.loads, lines.splitlines()) if "sha256" in one]


def chained_anew(lines):
    """Whoever can reckon hashes can write another journal; the seal's signature over the manifest tells it from ours."""
    return lines.endswith(b"\n") and json.loads(lines.splitlines()[-1])["kind"] == "end"


# deeds


@pytest.fixture(scope="module")
def deed():
    """(a whole deed, its body, the evidence that it names, whom to trust)."""
    from signing import pades
    from signing.throwaway import authority

    facts = json.loads(json.dumps(EXAMPLE))
    shown = hashlib.sha256(render.instrument(facts)).hexdigest()
    for one in facts["instrument"]["signatures"]:
        one["bound_to"] = shown
    listed = {"files": [{"name": "minutes.pdf", "sha256": hashlib.sha256(b"minutes").hexdigest(), "size": 7}]}
    manifest = json.dumps(listed).encode()
    facts["attachments"] = {"evidence": {"sha256": hashlib.sha256(manifest).hexdigest()}}
    body = render.deed({**facts, "test": True})
    house = authority(facts["office"]["name"])
    whole = pades.seal(
        body, house.notary(facts["notary"]["name"], facts["notary"]["id"]), house.seal, house.stamper, house.status
    )
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", manifest)
        file.writestr("minutes.pdf", b"minutes")
        file.writestr("deed.pdf", whole)
    return whole, body, zipped.getvalue(), Trust((house.root,), (house.root,)), facts


def in_words(verdict):
    assert verdict.verdict in ("invalid", "unknown")
    assert verdict.sentence["zh"]
    assert verdict.sentence["en"]
    assert verdict.reasons[0].en


def take_deed(deed):
    whole, _body, zipped, trust, _facts = deed

    def take(given):
        data, evidence = given
        verdict = examine(data, trust, bundle=evidence)
        json.dumps(verdict.json())
        if data != whole or verdict.verdict != "valid":
            in_words(verdict)
        else:
            assert same_files(evidence, zipped)

    return take


def same_files(one, other):
    """A zip may be spelled in more than one way; what it holds may not differ."""
    with zipfile.ZipFile(io.BytesIO(one)) as a, zipfile.ZipFile(io.BytesIO(other)) as b:
        return all(a.read(name) == b.read(name) for name in ("manifest.json", "minutes.pdf")) and (
            "deed.pdf" not in a.namelist() or a.read("deed.pdf") == b.read("deed.pdf")
        )


def make_deed(deed):
    whole, body, zipped, _trust, _facts = deed

    def make(rng):
        if rng.random() < 0.6:
            return spoil_bytes(rng, rng.choice((whole, whole, body)), [body, whole]), zipped
        return whole, spoil_bytes(rng, zipped, [whole])

    return make


def take_body(data):
    with suppress(body_room.BadBody):
        body_room.inside(data)


def take_facts(data):
    try:
        facts_room.read(data)
    except facts_room.BadFacts as refused:
        said(refused.problems)


def make_bundle(deed):
    """Bytes of the zip changed, or another zip packed from changed files: its own checksums are right again."""
    whole, _body, zipped, _trust, _facts = deed
    with zipfile.ZipFile(io.BytesIO(zipped)) as file:
        files = {name: file.read(name) for name in file.namelist()}

    def make(rng):
        if rng.random() < 0.6:
            return spoil_bytes(rng, zipped, [whole])
        changed = dict(files)
        name = rng.choice(list(changed))
        changed[name] = (
            json.dumps(spoil_json(rng, json.loads(files[name]))).encode()
            if name == "manifest.json" and rng.random() < 0.7
            else spoil_bytes(rng, changed[name][:3000])
        )
        if rng.random() < 0.2:
            del changed[rng.choice(list(changed))]
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            for name, data in changed.items():
                file.writestr(name, data)
        return out.getvalue()

    return make


def take_bundle(deed):
    whole, _body, zipped, _trust, facts = deed

    def take(data):
        try:
            bundle.check(data, whole, facts)
        except Refused as refused:
            said(refused.reason.zh)
        else:
            assert same_files(data, zipped)

    return take


# cards


CARDS = [
    "姓名样本甲\n性别男民族汉\n出生1968年4月21日\n住址示例省样例市江边区渡口路\n00号\n公民身份号码110101196804210018",
    "中华人民共和国\n居民身份证\n签发机关样例市公安局\n有效期限2016.04.21-2036.04.21",
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
]


def take_card(text):
    rows = text.splitlines()
    front, back = cn_card.front(rows), cn_card.back(rows)
    checks = [cn_card.front_checks(front), cn_card.back_checks(back, TODAY), cn_card.sides_checks(front, back)]
    if (found := mrz.find(rows)) is not None:
        fields = mrz.fields_of(*found)
        checks.append(mrz.checks_of(*found, TODAY))
        mrz.sound(checks[-1])
        checks.append(mrz.printed_checks(fields, rows))
    for kind in permits.KINDS:
        held = permits.fields_of(kind, rows)
        checks.append(permits.checks_of(kind, held, TODAY))
        if found is not None:
            checks.append(permits.sides_checks(held, mrz.fields_of(*found)))
    assert all(value in (True, False, None) for one in checks for value in one.values())


# the runs


READERS = (
    "packets", "streams", "stun", "offer-clean", "offer", "protocol", "recording", "deed", "body", "facts", "bundle",
    "verify", "cards", "sniff", "upload",
)  # fmt: skip
TOTAL = []
"""Inputs of this run, a number a reader."""


def test_packets_of_strangers_are_read_or_passed_over():
    samples = rtp_samples() + rtcp_samples()
    TOTAL.append(
        run(Target("packets", 60_000, lambda rng: spoil_bytes(rng, rng.choice(samples), samples), take_packet))
    )
    TOTAL.append(run(Target("streams", 4_000, make_stream, take_stream)))


def test_stun_of_strangers_raises_nothing_into_the_loop():
    async def inside():
        samples, heard = stun_samples(), Heard()
        TOTAL.append(
            run(Target("stun", 30_000, lambda rng: spoil_bytes(rng, rng.choice(samples), samples), heard.take))
        )

    asyncio.run(inside())


def test_offers_are_answered_or_refused_in_words():
    offer = an_offer()
    more = offer.replace("VP8", "XX8")
    TOTAL.append(run(Target("offer-clean", 15_000, lambda rng: spoil_text(rng, offer, [more]), take_clean)))
    peer.bind_to("127.0.0.1")
    TOTAL.append(run(Target("offer", 800, lambda rng: spoil_text(rng, offer, [more]), take_offer)))


def test_lines_to_and_from_a_media_worker_are_read_or_refused_in_words():
    TOTAL.append(run(Target("protocol", 30_000, lambda rng: json_line(rng, REQUESTS + ANSWERS), take_line)))


def test_what_a_recording_says_of_itself_is_read_or_named_as_a_problem(tmp_path):
    make, whole, segment = make_recording(recording(tmp_path / "room"))
    TOTAL.append(run(Target("recording", 4_000, make, take_recording(tmp_path / "room", whole, segment))))


@pytest.mark.req("I02")
def test_no_changed_deed_is_valid_and_every_verdict_is_in_words(deed):
    whole, body, zipped, trust, facts = deed
    assert examine(whole, trust, bundle=zipped).verdict == "valid"
    text = json.dumps(facts, ensure_ascii=False).encode()
    TOTAL.append(run(Target("deed", 250, make_deed(deed), take_deed(deed))))
    TOTAL.append(run(Target("body", 600, lambda rng: spoil_bytes(rng, body, [whole]), take_body)))
    TOTAL.append(
        run(
            Target(
                "facts",
                2_000,
                lambda rng: json_line(rng, [facts]) if rng.random() < 0.8 else spoil_bytes(rng, text),
                take_facts,
            )
        )
    )
    TOTAL.append(run(Target("bundle", 8_000, make_bundle(deed), take_bundle(deed))))

    def whole_way(data):
        in_words(verify(data, trust))

    TOTAL.append(run(Target("verify", 4, lambda rng: spoil_bytes(rng, whole) + b"\0", whole_way)))


@pytest.mark.req("B04")
def test_text_of_cards_is_read_or_left_empty():
    TOTAL.append(run(Target("cards", 12_000, lambda rng: spoil_text(rng, rng.choice(CARDS), CARDS), take_card)))


@pytest.mark.req("K06")
def test_uploads_are_drawn_anew_or_refused_in_words(tmp_path):
    from PIL import Image

    from notary.errors import BadInput

    out = io.BytesIO()
    Image.effect_noise((300, 260), 60).convert("RGB").save(out, "JPEG")
    png = io.BytesIO()
    Image.effect_noise((300, 260), 60).save(png, "PNG")
    samples = [out.getvalue(), png.getvalue(), render.instrument(EXAMPLE)]

    def take(data):
        try:
            clean = intake.clean(data, ("photo", "pdf"))
        except BadInput as refused:
            said(refused.fields["file"])
        else:
            assert clean.pages >= 1
            assert clean.data[:2] in (b"\xff\xd8", b"%P")

    TOTAL.append(
        run(
            Target(
                "sniff",
                1_500,
                lambda rng: spoil_bytes(rng, rng.choice(samples)[:600], samples),
                intake.sniff,
            )
        )
    )
    TOTAL.append(run(Target("upload", 10, lambda rng: spoil_bytes(rng, rng.choice(samples), samples), take)))


def test_an_ordinary_check_sends_a_hundred_thousand_inputs():
    if len(TOTAL) < len(READERS) or ONLY or TIMES < 1:
        pytest.skip("not every reader was fed in this run")
    print(f"fuzz: {sum(TOTAL)} inputs to readers")
    assert sum(TOTAL) >= 100_000
