"""The life of a case: states, acts and the table of moves. Everything that decides a state lives here. PURE.

Sources: 公证法 (Notarization Law) and 公证程序规则 (Procedure Rules, 2020), by article; `own` is our product choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    NOT_ACCEPTED = "not_accepted"
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    INTERVIEW = "interview"
    SUSPENDED = "suspended"
    DRAFTING = "drafting"
    APPROVAL = "approval"
    APPROVED = "approved"
    ISSUED = "issued"
    DELIVERED = "delivered"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    TERMINATED = "terminated"
    UNDER_REVIEW = "under_review"
    UPHELD = "upheld"
    CORRECTED = "corrected"
    REVOKED = "revoked"


class Role(StrEnum):
    APPLICANT = "applicant"
    CLERK = "clerk"
    OPERATOR = "operator"
    ASSISTANT = "assistant"
    NOTARY = "notary"
    APPROVER = "approver"
    ADMIN = "admin"
    BANK = "bank"
    SYSTEM = "system"


STAFF = frozenset({Role.CLERK, Role.OPERATOR, Role.ASSISTANT, Role.NOTARY, Role.APPROVER, Role.ADMIN})


class Act(StrEnum):
    SUBMIT = "submit"
    RETURN = "return"
    ACCEPT = "accept"
    DECLINE = "decline"
    SCHEDULE = "schedule"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    MISS = "miss"
    OPEN = "open"
    SUSPEND = "suspend"
    RESUME = "resume"
    BREAK_OFF = "break-off"
    CLOSE = "close"
    PROPOSE = "propose"
    SEND_BACK = "send-back"
    APPROVE = "approve"
    VOID = "void"
    ISSUE = "issue"
    DELIVER = "deliver"
    WITHDRAW = "withdraw"
    REFUSE = "refuse"
    TERMINATE = "terminate"
    QUESTION = "question"
    UPHOLD = "uphold"
    CORRECT = "correct"
    REVOKE = "revoke"


class Need(StrEnum):
    """A fact about the case that must hold before an act; `office/needs.py` finds out which do."""

    FIELDS = "fields"
    MATERIALS = "materials"
    DECLARED = "declared"
    REASON = "reason"
    REMOTE = "remote"
    NO_CONFLICT = "no-conflict"
    CARD_CONFIRMED = "card-confirmed"
    SLOT = "slot"
    NOTICE_SIGNED = "notice-signed"
    DEVICE = "device"
    RECORDER = "recorder"
    CONSENT = "consent"
    IDENTITY = "identity"
    ANSWERED = "answered"
    SHOWN = "shown"
    SIGNED = "signed"
    MINUTES = "minutes"
    RECORDING = "recording"
    FINDINGS = "findings"
    DRAFT = "draft"
    OTHER_PERSON = "other-person"
    SECOND_PERSON = "second-person"
    DEED = "deed"
    RECEIPTS = "receipts"


@dataclass(frozen=True)
class Move:
    to: State
    by: frozenset[Role]
    needs: tuple[Need, ...] = ()
    source: str = "own"


def _move(to: State, by: str, *needs: Need, source: str = "own") -> Move:
    return Move(to, frozenset(Role(name) for name in by.split()), needs, source)


S, A, N = State, Act, Need

MOVES: dict[tuple[State, Act], Move] = {
    (S.DRAFT, A.SUBMIT): _move(S.SUBMITTED, "applicant operator clerk", N.FIELDS, N.MATERIALS, N.DECLARED, source="规则17"),
    (S.RETURNED, A.SUBMIT): _move(S.SUBMITTED, "applicant operator clerk", N.FIELDS, N.MATERIALS, N.DECLARED, source="规则17"),
    (S.SUBMITTED, A.RETURN): _move(S.RETURNED, "assistant notary", N.REASON, source="规则18"),
    (S.SUBMITTED, A.ACCEPT): _move(S.ACCEPTED, "notary", N.REMOTE, N.DECLARED, N.NO_CONFLICT, N.CARD_CONFIRMED, source="规则19, 21; 公证法23; own"),
    (S.SUBMITTED, A.DECLINE): _move(S.NOT_ACCEPTED, "notary", N.REASON, source="规则19"),
    (S.ACCEPTED, A.SCHEDULE): _move(S.SCHEDULED, "applicant assistant notary operator", N.SLOT),
    (S.SCHEDULED, A.RESCHEDULE): _move(S.SCHEDULED, "applicant assistant notary operator", N.SLOT),
    (S.SCHEDULED, A.CANCEL): _move(S.ACCEPTED, "applicant assistant notary operator"),
    (S.SCHEDULED, A.MISS): _move(S.ACCEPTED, "notary assistant system"),
    (S.SCHEDULED, A.OPEN): _move(S.INTERVIEW, "notary", N.NO_CONFLICT, N.DEVICE, N.RECORDER, source="公证法23; own"),
    (S.INTERVIEW, A.SUSPEND): _move(S.SUSPENDED, "notary system", N.REASON),
    (S.SUSPENDED, A.RESUME): _move(S.INTERVIEW, "notary", N.RECORDER),
    (S.SUSPENDED, A.BREAK_OFF): _move(S.ACCEPTED, "notary system", N.REASON),
    (S.INTERVIEW, A.BREAK_OFF): _move(S.ACCEPTED, "notary system", N.REASON),
    (S.INTERVIEW, A.CLOSE): _move(
        S.DRAFTING, "notary",
        N.CONSENT, N.IDENTITY, N.NOTICE_SIGNED, N.ANSWERED, N.SHOWN, N.SIGNED, N.MINUTES, N.RECORDING,
        source="规则23, 27, 29; 公证法27",
    ),
    (S.DRAFTING, A.PROPOSE): _move(S.APPROVAL, "notary", N.DRAFT, N.FINDINGS, N.RECORDING, source="规则23, 40"),
    (S.APPROVAL, A.SEND_BACK): _move(S.DRAFTING, "approver", N.REASON, N.OTHER_PERSON, source="规则40"),
    (S.APPROVAL, A.APPROVE): _move(S.APPROVED, "approver", N.OTHER_PERSON, N.FINDINGS, N.RECORDING, source="规则40; 公证法32"),
    (S.APPROVED, A.VOID): _move(S.DRAFTING, "notary approver system", N.REASON),
    (S.APPROVED, A.ISSUE): _move(S.ISSUED, "system", N.DEED, N.RECORDING, source="规则42; 公证法32"),
    (S.ISSUED, A.DELIVER): _move(S.DELIVERED, "system assistant", N.RECEIPTS, source="规则46"),
    (S.SUBMITTED, A.WITHDRAW): _move(S.WITHDRAWN, "applicant"),
    (S.RETURNED, A.WITHDRAW): _move(S.WITHDRAWN, "applicant"),
    (S.DRAFT, A.WITHDRAW): _move(S.WITHDRAWN, "applicant"),
    **{
        (state, A.WITHDRAW): _move(S.TERMINATED, "applicant", source="规则50")
        for state in (S.ACCEPTED, S.SCHEDULED, S.SUSPENDED, S.DRAFTING, S.APPROVAL, S.APPROVED)
    },
    **{
        (state, A.REFUSE): _move(S.REFUSED, "approver", N.REASON, N.SECOND_PERSON, source="公证法31; 规则48")
        for state in (S.ACCEPTED, S.SCHEDULED, S.SUSPENDED, S.DRAFTING, S.APPROVAL, S.APPROVED)
    },
    **{
        (state, A.TERMINATE): _move(S.TERMINATED, "approver", N.REASON, N.SECOND_PERSON, source="规则50, 51")
        for state in (S.ACCEPTED, S.SCHEDULED, S.SUSPENDED, S.DRAFTING, S.APPROVAL, S.APPROVED)
    },
    **{
        (state, A.QUESTION): _move(S.UNDER_REVIEW, "notary", N.REASON, N.OTHER_PERSON, source="规则61")
        for state in (S.ISSUED, S.DELIVERED, S.UPHELD, S.CORRECTED)
    },
    (S.UNDER_REVIEW, A.UPHOLD): _move(S.UPHELD, "approver", N.REASON, N.OTHER_PERSON, source="规则63"),
    (S.UNDER_REVIEW, A.CORRECT): _move(S.CORRECTED, "approver", N.REASON, N.OTHER_PERSON, source="规则63"),
    (S.UNDER_REVIEW, A.REVOKE): _move(S.REVOKED, "approver", N.REASON, N.OTHER_PERSON, source="公证法39; 规则63"),
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What `decide` looks at: where the case stands and which needs are met."""

    state: State
    met: frozenset[Need] = frozenset()


class Undecided(Exception):
    """The act is not to be: no such move, not this role, or needs unmet. Nothing happened."""


class NoSuchMove(Undecided):
    def __init__(self, state: State, act: Act) -> None:
        super().__init__(f"{act} is no move from {state}")
        self.state, self.act = state, act


class WrongRole(Undecided):
    def __init__(self, act: Act, role: Role) -> None:
        super().__init__(f"{role} may not {act}")
        self.act, self.role = act, role


class Unmet(Undecided):
    def __init__(self, needs: tuple[Need, ...]) -> None:
        super().__init__("unmet: " + ", ".join(needs))
        self.needs = needs


def decide(facts: Facts, act: Act, by: Role) -> Move:
    """The move that `act` makes, or why not.

    Raises NoSuchMove (no row in the table), WrongRole, Unmet (names every need that is missing).
    """
    move = MOVES.get((facts.state, act))
    if move is None:
        raise NoSuchMove(facts.state, act)
    if by not in move.by:
        raise WrongRole(act, by)
    if unmet := tuple(need for need in move.needs if need not in facts.met):
        raise Unmet(unmet)
    return move


def acts_of(state: State, by: Role) -> tuple[Act, ...]:
    """The acts that `by` finds in `state`, whether their needs are met or not, in the table's order."""
    return tuple(act for (at, act), move in MOVES.items() if at == state and by in move.by)


def drawing() -> str:
    """The table as a Mermaid state diagram, for docs/lifecycle.md."""
    rows = [f"    {at} --> {move.to}: {act} ({', '.join(sorted(move.by))})" for (at, act), move in MOVES.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> draft", *rows])
