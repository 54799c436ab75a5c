"""The office's own people: made at the first run, let in, let out, and let in again by two persons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotAllowed, NotFound
from notary.ledger import SYSTEM, Actor
from notary.lifecycle import Role
from notary.models import Link, LinkPurpose, Office, Passkey, Person, Recovery
from notary.office import banks, doors

ENROL_LIFE = timedelta(days=7)
RECOVERY_LIFE = timedelta(hours=1)


@dataclass(frozen=True)
class Newcomer:
    role: Role
    login: str
    name: str
    name_en: str
    id_number: str = ""
    skills: tuple[str, ...] = ()


FIRST_PEOPLE = (
    Newcomer(Role.NOTARY, "chenjing", "陈静", "Chen Jing", "000000197503120023", ("*",)),
    Newcomer(Role.NOTARY, "liyuan", "李远", "Li Yuan", "000000198009080032", ("*",)),
    Newcomer(Role.ASSISTANT, "zhoumin", "周敏", "Zhou Min"),
    Newcomer(Role.APPROVER, "wangshu", "王恕", "Wang Shu"),
    Newcomer(Role.OPERATOR, "hejie", "何洁", "He Jie"),
    Newcomer(Role.ADMIN, "guanli", "管理员", "Administrator"),
)

FIRST_BANKS = (("江岸村镇银行", "Jiang’an Rural Bank"), ("样例商业银行", "Sample Commercial Bank"))


def first_run(db: Session, now: datetime) -> Office:
    """Makes the office and its first people where there is none; running it again changes nothing."""
    db.execute(sa.text("SELECT pg_advisory_xact_lock(4712)"))
    office = db.scalar(sa.select(Office).limit(1))
    if office is not None:
        return office
    office = Office(
        name="山城示例公证处", name_en="Shancheng Sample Notary Office", word="渝示",
        address="示例省样例市渡口路 00 号", phone="023-0000-0000",
    )  # fmt: skip
    db.add(office)
    db.flush()
    for one in FIRST_PEOPLE:
        add_person(db, office, one, SYSTEM, now)
    for name, name_en in FIRST_BANKS:
        banks.add(db, name, name_en, replace(SYSTEM, office_id=office.id), now)
    ledger.append(db, "office.made", SYSTEM, now, office_id=office.id, name=office.name)
    return office


def add_person(db: Session, office: Office, one: Newcomer, by: Actor, now: datetime) -> Person:
    """Raises BadInput when the user name is taken."""
    if db.scalar(sa.select(Person.id).where(Person.login == one.login)):
        raise BadInput({"login": _("这个用户名已经有人用。")})
    person = Person(
        office_id=office.id, role=one.role, login=one.login, name=one.name, name_en=one.name_en,
        id_number=one.id_number, skills=list(one.skills), created_at=now,
    )  # fmt: skip
    db.add(person)
    db.flush()
    ledger.append(db, "person.added", by, now, office_id=office.id, person=str(person.id), as_role=str(one.role))
    return person


def enrolment_link(db: Session, person: Person, now: datetime, life: timedelta = ENROL_LIFE) -> str:
    """A new one-time link with which `person` sets password and second factor; older ones stop serving."""
    db.execute(
        sa.update(Link).where(Link.person_id == person.id, Link.purpose == LinkPurpose.ENROL).values(expires_at=now)
    )
    return doors.make_link(db, LinkPurpose.ENROL, now, life=life, person_id=person.id)


def not_enrolled(db: Session) -> list[Person]:
    """People who have not set a second factor yet, in the order of the first run."""
    found = (
        sa.select(Person).where(Person.totp_secret.is_(None), Person.disabled_at.is_(None)).order_by(Person.created_at)
    )
    return list(db.scalars(found))


def notaries(db: Session) -> list[Person]:
    found = sa.select(Person).where(Person.role == Role.NOTARY, Person.disabled_at.is_(None)).order_by(Person.login)
    return list(db.scalars(found))


def person_of_link(db: Session, token: str, now: datetime, *, lock: bool = False) -> tuple[Link, Person]:
    """Raises NotFound."""
    link = doors.find_link(db, token, LinkPurpose.ENROL, now, lock=lock)
    person = db.get(Person, link.person_id)
    if person is None or person.disabled_at:
        raise NotFound
    return link, person


def enrol(db: Session, token: str, password: str, secret: str, code: str, storage_key: bytes, now: datetime) -> Person:
    """Sets password and TOTP by a link, once; every login of before is shut. Raises BadInput, NotFound."""
    link, person = person_of_link(db, token, now, lock=True)
    doors.enrol_password(person, password)
    doors.enrol_totp(person, secret, code, storage_key, now)
    link.used_at = now
    ledger.append(db, "person.enrolled", doors.actor_of(person), now, person=str(person.id))
    return person


# a lost second factor: two persons


def ask_recovery(db: Session, person_id: UUID, reason: str, by: Actor, now: datetime) -> Recovery:
    """Raises BadInput, NotAllowed, NotFound."""
    person = db.get(Person, person_id)
    if person is None:
        raise NotFound
    if by.id is None or by.id == person_id:
        raise NotAllowed(_("不能给自己恢复。请两位同事来做。"))
    if len(reason.strip()) < 4:
        raise BadInput({"reason": _("请写明怎么确认是本人、为什么丢了。")})
    recovery = Recovery(person_id=person_id, asked_by=by.id, reason=reason.strip(), asked_at=now)
    db.add(recovery)
    db.flush()
    ledger.append(db, "recovery.asked", by, now, person=str(person_id), recovery=str(recovery.id))
    return recovery


def agree_recovery(db: Session, recovery_id: UUID, by: Actor, now: datetime) -> str:
    """The second person agrees: the old factors stop, every login is shut, a new link comes out.

    Raises NotAllowed, NotFound.
    """
    recovery = db.get(Recovery, recovery_id, with_for_update=True)
    if recovery is None or recovery.agreed_at:
        raise NotFound
    if by.id is None or by.id in (recovery.person_id, recovery.asked_by):
        raise NotAllowed(_("要另一位同事同意：不能是提出的人，也不能是本人。"))
    person = db.get(Person, recovery.person_id)
    if person is None:
        raise NotFound
    recovery.agreed_by, recovery.agreed_at = by.id, now
    person.totp_secret, person.password_hash = None, ""
    db.execute(sa.delete(Passkey).where(Passkey.person_id == person.id))
    doors.shut_all(db, person, now)
    ledger.append(db, "recovery.agreed", by, now, person=str(person.id), recovery=str(recovery.id))
    return enrolment_link(db, person, now, RECOVERY_LIFE)
