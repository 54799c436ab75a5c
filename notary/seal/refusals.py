"""What seal says no with: one small tree, the same on both sides of the socket."""

from __future__ import annotations


class SealError(Exception):
    """`code` is stable; `words` are safe to show to staff; `problems`: one sentence each, where there are
    several."""

    code = "seal.error"
    words = "seal could not do this"

    def __init__(self, words: str | None = None, problems: tuple[str, ...] = ()) -> None:
        super().__init__(words or self.words)
        self.words = words or self.words
        self.problems = problems


class SealDown(SealError):
    """Nothing answered, or half an answer came. Asking again is safe: seal never signs two deeds for one
    number."""

    code = "seal.down"
    words = "the signing process does not answer"


class StampDown(SealDown):
    """No time-stamp authority answered; the activation stays good, ask again later."""

    code = "seal.stamp-down"
    words = "no time-stamp authority answered"


class StatusDown(SealDown):
    """No service said whether our certificates are still good; the activation stays good, ask again later."""

    code = "seal.status-down"
    words = "no status service answered"


class Refused(SealError):
    """Asking again will not help."""

    code = "seal.refused"


class BadRequest(Refused):
    code = "seal.bad-request"
    words = "not a request that seal knows"


class NotApproved(Refused):
    code = "seal.not-approved"
    words = "the case is not approved, or no longer"


class OtherBody(Refused):
    code = "seal.other-body"
    words = "not the body that was approved"


class NotFit(Refused):
    """Lint found something; see `problems`."""

    code = "seal.not-fit"
    words = "the body is not fit to be signed"


class CertificateRevoked(Refused):
    """A certificate of the notary, the office or a time-stamp unit was revoked; nothing is signed with it."""

    code = "seal.certificate-revoked"
    words = "a certificate was revoked"


class CertificateEnded(Refused):
    """A certificate of the notary or the office is over, or has not begun; nothing is signed with it."""

    code = "seal.certificate-ended"
    words = "a certificate is over, or has not begun"


class NotActivated(Refused):
    code = "seal.not-activated"
    words = "the notary has not activated the key for this body"


class TooMany(Refused):
    code = "seal.too-many"
    words = "too many activations; wait a minute"


class NumberUsed(Refused):
    code = "seal.number-used"
    words = "this number was signed for another body"


class NotEnrolled(Refused):
    code = "seal.not-enrolled"
    words = "no such person or passkey is enrolled at seal"


KINDS: dict[str, type[SealError]] = {
    kind.code: kind
    for kind in (
        SealError,
        SealDown,
        StampDown,
        StatusDown,
        Refused,
        BadRequest,
        NotApproved,
        OtherBody,
        NotFit,
        CertificateRevoked,
        CertificateEnded,
        NotActivated,
        TooMany,
        NumberUsed,
        NotEnrolled,
    )
}
