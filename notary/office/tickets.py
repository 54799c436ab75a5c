"""“Please call me”, and callers on the phone: one owner, one deadline, one outcome (M04, M08)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import calendar, ledger
from notary.errors import BadInput, NotFound, NotPossible
from notary.ledger import SYSTEM, Actor
from notary.lifecycle import Role
from notary.models import Applicant, Case, Channel, Link, LinkPurpose, Office, Ticket, TicketState
from notary.office import doors, filing, limits, messages
from notary.parts import Parts
from notary.rules import rules

IN_HOURS = timedelta(minutes=5)
LINK_LIFE = timedelta(hours=24)


def ask_for_call(
    db: Session, phone: str, page: str, about: str, address: str, now: datetime, case_id: UUID | None = None
) -> Ticket:
    """A request to be called: within five minutes in office hours, else by the end of the next working day.

    Raises BadInput, TooMany.
    """
    number = doors.phone_of(phone)
    limits.refuse_if_spent(db, "send", f"call:{number}", now)
    limits.refuse_if_spent(db, "status", f"call:{address}", now)
    limits.count(db, "send", f"call:{number}", now)
    limits.count(db, "status", f"call:{address}", now)
    office = db.scalars(sa.select(Office)).one()
    ticket = Ticket(
        office_id=office.id, case_id=case_id, phone=number, page=page[:200], about=about[:500], due=due_by(now),
        opened_at=now,
    )  # fmt: skip
    db.add(ticket)
    db.flush()
    ledger.append(db, "ticket.opened", SYSTEM, now, case_id=case_id, office_id=office.id, ticket=str(ticket.id))
    return ticket


def call_back(db: Session, case: Case, phone: str, about: str, now: datetime) -> Ticket:
    """A call that the office owes somebody, on its own account. A case has one open at a time."""
    found = db.scalar(sa.select(Ticket).where(Ticket.case_id == case.id, Ticket.state == TicketState.OPEN))
    if found is not None:
        return found
    ticket = Ticket(
        office_id=case.office_id, case_id=case.id, phone=phone, about=about[:500], due=due_by(now), opened_at=now
    )
    db.add(ticket)
    db.flush()
    ledger.append(db, "ticket.opened", SYSTEM, now, case_id=case.id, office_id=case.office_id, ticket=str(ticket.id))
    return ticket


def due_by(now: datetime) -> datetime:
    hours, years = rules().profile.hours, rules().years
    if calendar.is_open(now, hours, years):
        return now + IN_HOURS
    return calendar.deadline(now, 1, hours, years)


def open_by_operator(db: Session, phone: str, name: str, matter: str, about: str, by: Actor, now: datetime) -> Ticket:
    """A caller on the line: the operator who picks up is the owner until another accepts. Raises BadInput."""
    number = doors.phone_of(phone)
    if matter and matter not in rules().matters:
        raise BadInput({"matter": _("请从列表里选一件事。")})
    if by.office_id is None or by.id is None:
        raise NotPossible
    ticket = Ticket(
        office_id=by.office_id, phone=number, name=name.strip()[:60], matter=matter, about=about.strip()[:500],
        owner_id=by.id, due=due_by(now), opened_at=now,
    )  # fmt: skip
    db.add(ticket)
    db.flush()
    ledger.append(db, "ticket.opened", by, now, office_id=by.office_id, ticket=str(ticket.id))
    return ticket


def take(db: Session, ticket_id: UUID, by: Actor, now: datetime) -> Ticket:
    """The actor becomes the owner; whoever was it before is relieved. Raises NotFound, NotPossible."""
    ticket = ticket_of(db, ticket_id, by)
    if ticket.state != TicketState.OPEN:
        raise NotPossible(_("这张单子已经办完了。"))
    if by.id is None:
        raise NotPossible
    ticket.owner_id = by.id
    ledger.append(db, "ticket.taken", by, now, office_id=by.office_id, ticket=str(ticket.id))
    return ticket


def send_link(db: Session, ticket_id: UUID, base_url: str, by: Actor, now: datetime) -> None:
    """Sends the caller a one-time link that opens the matter's application. Raises NotFound, NotPossible."""
    ticket = ticket_of(db, ticket_id, by)
    if ticket.state != TicketState.OPEN:
        raise NotPossible(_("这张单子已经办完了。"))
    if not ticket.matter:
        raise NotPossible(_("先选好办什么事，再发链接。"))
    token = doors.make_link(db, LinkPurpose.TICKET, now, life=LINK_LIFE, subject=str(ticket.id))
    messages.send(
        db, to=ticket.phone, now=now, office_id=ticket.office_id,
        text=_("办“%(matter)s”请点：%(url)s 24 小时内有效，只能您自己用。", matter=rules().matters[ticket.matter].title.zh, url=f"{base_url}/l/{token}"),
    )  # fmt: skip
    ledger.append(db, "ticket.link-sent", by, now, office_id=by.office_id, ticket=str(ticket.id))


def of_link(db: Session, token: str, address: str, now: datetime, *, lock: bool = False) -> tuple[Link, Ticket]:
    """The ticket behind a one-time link. Raises NotFound; a guess is counted on the address, so commit it. TooMany."""
    limits.refuse_if_spent(db, "link", address, now)
    try:
        link = doors.find_link(db, token, LinkPurpose.TICKET, now, lock=lock)
    except NotFound:
        limits.count(db, "link", address, now)
        raise
    return link, db.get_one(Ticket, UUID(link.subject))


def send_link_code(db: Session, ticket: Ticket, address: str, now: datetime) -> None:
    """The code goes to the phone that was called, whoever holds the link. Raises TooMany."""
    doors.send_code(db, ticket.phone, address, now, bound_to=f"ticket:{ticket.id}")


def open_case(
    db: Session, parts: Parts, link: Link, ticket: Ticket, digits: str, address: str, now: datetime, locale: str
) -> tuple[Case, Applicant]:
    """Begins the ticket's matter with the caller's phone and name. The link serves once.

    Raises Wrong (counted: commit), TooMany, NotPossible.
    """
    doors.check_code(db, ticket.phone, digits, address, now, bound_to=f"ticket:{ticket.id}")
    link.used_at = now
    applicant = doors.applicant_of(db, ticket.phone, now, locale)
    by = Actor(Role.APPLICANT, applicant.id)
    case = filing.start(
        db, parts, ticket.matter, by, now, applicant=applicant, phone=ticket.phone, locale=locale, channel=Channel.PHONE
    )
    filing.party_of(db, case).name = ticket.name
    ticket.case_id = case.id
    return case, applicant


def close(db: Session, ticket_id: UUID, outcome: str, by: Actor, now: datetime) -> None:
    """No inquiry ends without an outcome. Raises BadInput, NotFound."""
    ticket = ticket_of(db, ticket_id, by)
    if ticket.state != TicketState.OPEN:
        raise NotPossible(_("这张单子已经办完了。"))
    if len(outcome.strip()) < 2:
        raise BadInput({"outcome": _("请写一句结果。")})
    ticket.state, ticket.outcome, ticket.closed_at = TicketState.DONE, outcome.strip()[:500], now
    ticket.owner_id = ticket.owner_id or by.id
    ledger.append(db, "ticket.closed", by, now, office_id=by.office_id, ticket=str(ticket.id))


def ticket_of(db: Session, ticket_id: UUID, by: Actor) -> Ticket:
    ticket = db.get(Ticket, ticket_id, with_for_update=True)
    if ticket is None or ticket.office_id != by.office_id:
        raise NotFound
    return ticket


def set_matter(db: Session, ticket_id: UUID, matter: str, by: Actor, now: datetime) -> None:
    """What the caller wants done, once it is known. Raises BadInput, NotFound."""
    ticket = ticket_of(db, ticket_id, by)
    if not rules().open_remotely(matter):
        raise BadInput({"matter": _("请从列表里选一件事。")})
    ticket.matter = matter


def open_tickets(db: Session, by: Actor) -> list[Ticket]:
    query = sa.select(Ticket).where(Ticket.office_id == by.office_id, Ticket.state == TicketState.OPEN)
    return list(db.scalars(query.order_by(Ticket.due)))
