"""
What of a client's offer reaches the parser. PURE.

The parser behind takes time that grows faster than its input and raises whatever it likes, so sizes and
counts are bounded first. No address that a client names is ever used: the server needs none, since a
client's own checks reveal where it is (peer-reflexive candidates, RFC 8445 7.3.1.3).
"""

from webrtc.errors import BadOffer, OfferTooLarge

MAX_BYTES = 32 * 1024
MAX_CANDIDATES = 32
MAX_LINES = 2000
KINDS = ("audio", "video", "application")


def check_size(offer: str) -> None:
    """Raises OfferTooLarge over MAX_BYTES; before anything else looks at it."""
    if len(offer) > MAX_BYTES or len(offer.encode("utf-8", "replace")) > MAX_BYTES:
        raise OfferTooLarge(f"the offer is larger than {MAX_BYTES} bytes")


def clean(offer: str) -> str:
    """The offer without candidates, bounded: <= 32 kB, <= 32 candidates, one section of each kind at most.

    Raises BadOffer, OfferTooLarge.
    """
    check_size(offer)
    if not offer.isascii() or "\0" in offer:
        raise BadOffer("the offer is not plain ASCII")
    lines = offer.splitlines()
    if len(lines) > MAX_LINES:
        raise OfferTooLarge(f"the offer has more than {MAX_LINES} lines")
    if not lines or lines[0].strip() != "v=0":
        raise BadOffer("this is not an SDP offer")
    kept = []
    candidates = 0
    sections: list[str] = []
    for line in lines:
        name = line.lower().lstrip()
        if name.startswith("a=candidate"):
            candidates += 1
            if candidates > MAX_CANDIDATES:
                raise OfferTooLarge(f"the offer has more than {MAX_CANDIDATES} candidates")
            continue
        if name.startswith(("a=end-of-candidates", "a=remote-candidates", "a=ice-options")):
            continue
        if name.startswith("m="):
            sections.append(name[2:].split(" ", 1)[0])
        elif name.startswith("c="):
            line = "c=IN IP4 0.0.0.0"  # noqa: PLW2901
        kept.append(line)
    if len(sections) > 4 or any(sections.count(kind) > 1 for kind in sections):
        raise BadOffer("the offer has more than one section of a kind")
    if not {"audio", "video"} <= set(sections) or not set(sections) <= set(KINDS):
        raise BadOffer("the offer needs one audio and one video section, and at most a data channel")
    for name in ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"):
        if not any(line.startswith(name) for line in kept):
            raise BadOffer(f"the offer has no {name[2:-1]}")
    return "\r\n".join(kept) + "\r\n"
