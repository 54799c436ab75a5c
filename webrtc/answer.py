"""
An offer read, and the one answer that we give: VP8 or H.264, and Opus, on one port, ICE-lite, DTLS server. PURE.

What is offered beyond that is left out of the answer, which is how SDP refuses (RFC 3264 6): simulcast and
other encodings (RFC 8853), retransmission streams, header extensions but the transport-wide number of pictures.
Which of the two video codecs it is, the room chooses, since pictures are passed through: `Offer.take`. Of H.264 only what
every browser has that has any (RFC 7742 6.2): constrained baseline, packetization-mode 1, level 3.1 at least.
"""

import re
from dataclasses import dataclass, field

from webrtc import arrivals, sdp
from webrtc.errors import BadOffer

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}")  # RFC 8866 9
ICE = {
    "ice-ufrag": re.compile(r"[A-Za-z0-9+/]{4,256}"),
    "ice-pwd": re.compile(r"[A-Za-z0-9+/]{22,256}"),
}  # RFC 8839 5.4
FINGERPRINT = re.compile(r"sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})", re.IGNORECASE)
ORIGIN = re.compile(r"o=(\S{1,64} \d{1,20}) \d{1,20} IN IP[46] \S{1,64}")  # RFC 8866 5.2
OPUS = "opus/48000/2"
WANTED = {"audio": {"opus": OPUS}, "video": {"VP8": "VP8/90000", "H264": "H264/90000"}}
PROTOCOLS = {"audio": "UDP/TLS/RTP/SAVPF", "video": "UDP/TLS/RTP/SAVPF", "application": "UDP/DTLS/SCTP"}
FEEDBACK = {
    "audio": (),
    "video": ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"),
}  # RFC 4585 4.2, RFC 5104 7.1
EXTENSION = re.compile(r"a=extmap:(\d{1,2})(?:/\w+)? (\S+)")  # RFC 8285 8
LEVEL = 0x1F  # 3.1: 1280 x 720 at 30 pictures a second (ITU-T H.264 table A-1)
LEAST = "x-google-min-bitrate=60"
"""Chromium's own parameter, kbit/s; others pass it over. Where two packets of a hundred are lost it comes down to 30 by itself and stays
there, so that a key frame takes seconds; 60 and speech still fit into 150 kbit/s, 100 do not (benchmarks/media/README.md)."""
PROFILE = re.compile(r"42([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)  # RFC 6184 8.1: profile_idc, -iop, level_idc
FACING = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
MAX_MESSAGE = 65536
CNAME = "yuanzheng"


@dataclass
class Format:
    """One codec of a section, under its payload type; `fmtp` is what the answer says of it."""

    pt: int
    rtpmap: str
    fmtp: str = ""
    feedback: list[str] = field(default_factory=list)
    numbered: int = 0  # id of the extension with the transport-wide number; 0: there is none


@dataclass
class Section:
    """One m= section of the offer; `formats` by codec, of which `chosen` is answered."""

    kind: str
    mid: str
    direction: str = "sendrecv"
    formats: dict[str, Format] = field(default_factory=dict)
    chosen: str = ""
    sctp_port: int = 0
    max_message: int = 0

    @property
    def format(self) -> Format:
        return self.formats[self.chosen]

    @property
    def pt(self) -> int:
        return self.format.pt if self.formats else 0


@dataclass
class Offer:
    """What we need of an offer; `session` tells one RTCPeerConnection from another (RFC 8866 5.2)."""

    session: str
    ufrag: str
    fingerprint: str
    sections: list[Section]

    def section(self, kind: str) -> Section | None:
        return next((s for s in self.sections if s.kind == kind), None)

    @property
    def codecs(self) -> tuple[str, ...]:
        """The video codecs that can be answered, preferred first; one at least."""
        section = self.section("video")
        assert section is not None  # `sdp.clean` saw to that
        return tuple(section.formats)

    def take(self, codec: str) -> None:
        """Answer with this one of `codecs`. Raises BadOffer if it is none of them."""
        section = self.section("video")
        if section is None or codec not in section.formats:
            raise BadOffer(f"the offer has no {codec}")
        section.chosen = codec


@dataclass(frozen=True)
class Ours:
    """What the answer says of us."""

    host: str
    port: int
    ufrag: str
    password: str
    fingerprint: str
    session: int
    version: int
    ssrcs: dict[str, int]


def read(offer: str) -> Offer:
    """Raises BadOffer, OfferTooLarge. One pass over at most 2,000 lines, whatever they say."""
    head: list[str] = []
    parts: list[list[str]] = []
    for line in sdp.clean(offer).split("\r\n"):
        if line.startswith("m="):
            parts.append([])
        (parts[-1] if parts else head).append(line)
    sections = [_section(part) for part in parts]
    mids = [section.mid for section in sections]
    bundle = next((line.split()[1:] for line in head if line.startswith("a=group:BUNDLE ")), [])
    if len(set(mids)) != len(mids) or sorted(bundle) != sorted(mids):
        raise BadOffer("all sections of the offer must be in one bundle, each with its own mid")
    tagged = head + parts[mids.index(bundle[0])]  # RFC 8843 7.2: the first of the bundle speaks for the transport
    origin = next((found[1] for line in head if (found := ORIGIN.fullmatch(line))), None)
    if origin is None:
        raise BadOffer("the offer has no origin")
    ice = {name: _attribute(tagged, name) for name in ICE}
    if any(not shape.fullmatch(ice[name]) for name, shape in ICE.items()):
        raise BadOffer("the offer's ICE user or password is malformed")
    prints = [line[14:].strip() for line in tagged if line.lower().startswith("a=fingerprint:")]
    fingerprint = next((found[1].upper() for text in prints if (found := FINGERPRINT.fullmatch(text))), None)
    if fingerprint is None:
        raise BadOffer("the offer has no SHA-256 fingerprint")
    if _attribute(tagged, "setup") not in ("actpass", "active"):  # RFC 8842 5.2: the other side can be client
        raise BadOffer("the offer leaves the DTLS server's part to nobody")
    return Offer(origin, ice["ice-ufrag"], fingerprint, sections)


def write(offer: Offer, ours: Ours) -> str:
    """The answer (RFC 8829 5.3.1)."""
    family = "IP6" if ":" in ours.host else "IP4"
    lines = ["v=0", f"o=- {ours.session} {ours.version} IN {family} {ours.host}", "s=-", "t=0 0"]
    lines += ["a=ice-lite"]  # RFC 8839 5.3
    lines += ["a=group:BUNDLE " + " ".join(section.mid for section in offer.sections), "a=msid-semantic:WMS *"]
    for section in offer.sections:
        kind, pt = section.kind, section.pt
        form = "webrtc-datachannel" if kind == "application" else str(pt)
        lines += [
            f"m={kind} {ours.port} {PROTOCOLS[kind]} {form}",
            f"c=IN {family} {ours.host}",
            f"a=mid:{section.mid}",
        ]
        if kind == "application":
            lines += ["a=sctp-port:5000", f"a=max-message-size:{MAX_MESSAGE}"]  # RFC 8841 5, 6
        else:
            chosen = section.format
            lines += [f"a={FACING[section.direction]}", "a=rtcp-mux", f"a=rtpmap:{pt} {chosen.rtpmap}"]
            if chosen.fmtp:
                lines += [f"a=fmtp:{pt} {chosen.fmtp}"]
            lines += [f"a=rtcp-fb:{pt} {said}" for said in FEEDBACK[kind] if said in chosen.feedback]
            if chosen.numbered:
                lines += [f"a=extmap:{chosen.numbered} {arrivals.URI}"]
            lines += [f"a=msid:far far-{kind}", f"a=ssrc:{ours.ssrcs[kind]} cname:{CNAME}"]
        lines += [f"a=ice-ufrag:{ours.ufrag}", f"a=ice-pwd:{ours.password}"]
        lines += [f"a=fingerprint:sha-256 {ours.fingerprint}", "a=setup:passive"]
        # RFC 8445 5.1.2.1: 126 << 24 | 65535 << 8 | 255 for the one host candidate
        lines += [f"a=candidate:1 1 udp 2130706431 {ours.host} {ours.port} typ host", "a=end-of-candidates"]
    return "\r\n".join(lines) + "\r\n"


def _section(lines: list[str]) -> Section:
    kind, *rest = lines[0][2:].split(" ")
    if kind not in PROTOCOLS:
        raise BadOffer("a section of the offer is of no kind that is answered")
    mid = _attribute(lines, "mid")
    if not TOKEN.fullmatch(mid):
        raise BadOffer("a section of the offer has no mid")
    if len(rest) < 3 or not rest[0].isdigit() or rest[1] != PROTOCOLS[kind]:
        raise BadOffer("a section of the offer has a form that is not answered")
    if kind == "application":
        port, size = _attribute(lines, "sctp-port"), _attribute(lines, "max-message-size") or str(MAX_MESSAGE)
        if not _number(port, 65535) or not _number(size, 1 << 40):
            raise BadOffer("the offer's data channel has no port")
        return Section(kind, mid, sctp_port=int(port), max_message=int(size) or MAX_MESSAGE)
    if "a=rtcp-mux" not in lines:
        raise BadOffer("the offer keeps RTCP on a port of its own")  # RFC 8834 4.5
    direction = next((line[2:] for line in lines if line[2:] in FACING and line.startswith("a=")), "sendrecv")
    found = Section(kind, mid, direction, _formats(kind, lines, set(rest[2:])))
    if not found.formats:
        raise BadOffer(f"the offer has no {' and no '.join(WANTED[kind])} that is recorded here")
    found.chosen = next(iter(found.formats))
    return found


def _formats(kind: str, lines: list[str], offered: set[str]) -> dict[str, Format]:
    """The first payload type of each codec that we take, in our order of preference."""
    fmtp = {pt: said for line in lines if line.startswith("a=fmtp:") for pt, _, said in [line[7:].partition(" ")]}
    found: dict[str, Format] = {}
    for line in lines:
        if not line.startswith("a=rtpmap:"):
            continue
        pt, _, said = line[9:].partition(" ")
        name = next((name for name, rtpmap in WANTED[kind].items() if rtpmap.lower() == said.lower()), "")
        # RFC 5761 4: 64 to 95 would look like RTCP
        if not name or name in found or pt not in offered or not _number(pt, 127) or 64 <= int(pt) <= 95:
            continue
        told = "minptime=10;useinbandfec=1" if name == "opus" else LEAST  # RFC 7587 7
        if name == "H264":
            if not (taken := _h264(fmtp.get(pt, ""))):
                continue
            told = f"{taken};{LEAST}"
        found[name] = Format(int(pt), WANTED[kind][name], told)
    for one in found.values():
        _extras(kind, one, lines)
    return {name: found[name] for name in WANTED[kind] if name in found}


def _h264(fmtp: str) -> str:
    """What is answered to these parameters; empty if they are not taken.

    RFC 6184 8.2.2: mode and profile are as offered; the level is what the answerer receives at most, free only where both
    sides say so, and as both parties can receive 3.1 neither need send less.
    """
    said = {name.strip().lower(): value.strip() for name, _, value in (one.partition("=") for one in fmtp.split(";"))}
    profile = PROFILE.fullmatch(said.get("profile-level-id", ""))
    # constraint_set1_flag: what conforms to Main as well is constrained baseline (RFC 6184 table 5)
    if said.get("packetization-mode") != "1" or not profile or not int(profile[1], 16) & 0x40:
        return ""
    if int(profile[2], 16) < LEVEL:
        return ""
    free = "level-asymmetry-allowed=1;" if said.get("level-asymmetry-allowed") == "1" else ""
    return f"{free}packetization-mode=1;profile-level-id=42{profile[1].lower()}{LEVEL:02x}"


def _extras(kind: str, found: Format, lines: list[str]) -> None:
    """Feedback and header extension that go with a format."""
    for line in lines:
        if line.startswith((f"a=rtcp-fb:{found.pt} ", "a=rtcp-fb:* ")):
            found.feedback.append(line.split(" ", 1)[1].strip())
        elif (extension := EXTENSION.fullmatch(line)) and extension[2] == arrivals.URI and 0 < int(extension[1]) < 15:
            found.numbered = int(extension[1])
    if kind != "video" or "transport-cc" not in found.feedback:
        found.numbered = 0
    if not found.numbered and "transport-cc" in found.feedback:
        found.feedback.remove("transport-cc")  # without the numbers there is nothing to tell


def _attribute(lines: list[str], name: str) -> str:
    start = f"a={name}:"
    return next((line[len(start) :].strip() for line in lines if line.startswith(start)), "")


def _number(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= most
