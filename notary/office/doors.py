"""Who comes in and how: staff by password and TOTP, applicants by phone and code, banks by key.

A door opens a `Login`, kept here, so that one switch shuts it. Whoever must not come in learns nothing about
who exists: wrong name and wrong password cost the same work and get the same words.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

import phonenumbers
import pyotp
import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput, NotFound, TooMany
from notary.ledger import Actor
from notary.lifecycle import Role
from notary.models import Applicant, Bank, BankCertificate, Code, CodePurpose, Link, LinkPurpose, Login, Person
from notary.office import limits, messages
from storage.vault import decrypt, encrypt

CODE_LIFE = timedelta(minutes=10)
CODE_TRIES = 5
STAFF_IDLE = timedelta(minutes=30)
STAFF_DAY = timedelta(hours=12)
APPLICANT_DAY = timedelta(hours=12)
PASSWORD_LEAST = 12

hasher = PasswordHasher()
NOBODY = hasher.hash(secrets.token_urlsafe(16))
"""What an unknown name is compared with, so that it costs the same."""


def token_hash(token: str) -> str:
    """Tokens carry 256 random bits, so a plain hash is enough to keep them."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_urlsafe() -> str:
    """A new token for a link: 256 random bits."""
    return secrets.token_urlsafe(32)


def phone_of(raw: str) -> str:
    """E.164 of what was typed; a number without country code is a Chinese one. Raises BadInput."""
    try:
        number = phonenumbers.parse(raw.strip(), "CN")
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise BadInput({"phone": _("这个电话号码不对。请再看一遍；国外号码前面加 + 和国家代码。")})
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


# links


def make_link(
    db: Session,
    purpose: LinkPurpose,
    now: datetime,
    *,
    life: timedelta,
    person_id: UUID | None = None,
    subject: str = "",
) -> str:
    """A new one-time link's token; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    db.add(
        Link(
            token_hash=token_hash(token),
            purpose=purpose,
            person_id=person_id,
            subject=subject,
            expires_at=now + life,
        )
    )
    db.flush()
    return token


def find_link(db: Session, token: str, purpose: LinkPurpose, now: datetime, *, lock: bool = False) -> Link:
    """The link behind a token. Unknown, used and expired ones are not told apart. Raises NotFound."""
    query = sa.select(Link).where(Link.token_hash == token_hash(token), Link.purpose == purpose)
    link = db.scalar(query.with_for_update() if lock else query)
    if link is None or link.used_at or link.expires_at <= now:
        raise NotFound(_("这个链接已经用过，或者过期了。请再要一个新的。"))
    return link


# staff


def check_password(db: Session, login: str, password: str, address: str, now: datetime) -> Person:
    """The person whose name and password these are. Raises TooMany, BadInput."""
    limits.refuse_if_spent(db, "login", login, now)
    limits.refuse_if_spent(db, "login", address, now)
    person = db.scalar(sa.select(Person).where(Person.login == login))
    usable = person is not None and person.disabled_at is None and bool(person.password_hash)
    try:
        hasher.verify(person.password_hash if person and usable else NOBODY, password)
        right = usable
    except VerificationError:
        right = False
    if not right or person is None:
        limits.count(db, "login", login, now)
        limits.count(db, "login", address, now)
        raise Wrong({"password": _("用户名或密码不对。")})
    return person


class Wrong(BadInput):
    """A wrong password or code: the try is counted, so the transaction must still be committed."""

    code = "wrong"


def totp_secret(person: Person, storage_key: bytes) -> str | None:
    if person.totp_secret is None:
        return None
    return decrypt(storage_key, person.totp_secret, f"totp:{person.id}".encode()).decode()


def check_totp(db: Session, person: Person, code: str, storage_key: bytes, now: datetime) -> None:
    """Takes one TOTP code (RFC 6238, 30 s, one step of tolerance) once. Raises TooMany, Wrong."""
    limits.refuse_if_spent(db, "totp", str(person.id), now)
    secret = totp_secret(person, storage_key)
    step = _matching_step(secret, code, now) if secret else None
    locked = db.scalar(sa.select(Person).where(Person.id == person.id).with_for_update())
    if step is None or locked is None or step <= locked.totp_last:
        limits.count(db, "totp", str(person.id), now)
        raise Wrong({"code": _("这 6 位数字不对，或者刚刚用过。等它换成下一组再输。")})
    locked.totp_last = step


def _matching_step(secret: str, code: str, now: datetime) -> int | None:
    digits = "".join(code.split())
    totp = pyotp.TOTP(secret)
    current = int(now.timestamp()) // totp.interval
    for step in (current, current - 1, current + 1):
        if hmac.compare_digest(totp.generate_otp(step), digits):
            return step
    return None


def enrol_password(person: Person, password: str) -> None:
    """Raises BadInput."""
    if len(password) < PASSWORD_LEAST:
        raise BadInput({"password": _("密码至少 %(n)d 个字。可以用一句自己记得住的话。", n=PASSWORD_LEAST)})
    if person.login.lower() in password.lower():
        raise BadInput({"password": _("密码里不要带用户名。")})
    person.password_hash = hasher.hash(password)


def enrol_totp(person: Person, secret: str, code: str, storage_key: bytes, now: datetime) -> None:
    """Keeps the secret once a code proves that the person's device holds it. Raises BadInput."""
    step = _matching_step(secret, code, now)
    if step is None:
        raise BadInput({"code": _("这 6 位数字对不上。看看手机时间准不准，等下一组再输。")})
    person.totp_secret = encrypt(storage_key, secret.encode(), f"totp:{person.id}".encode())
    person.totp_last = step


# applicants


def send_code(
    db: Session, phone: str, address: str, now: datetime, *, purpose: CodePurpose = CodePurpose.LOGIN, bound_to: str = "",
    say: str = "", case_id: UUID | None = None,
) -> None:  # fmt: skip
    """Sends a six-digit code; an older one of the same purpose stops serving. Raises TooMany."""
    limits.refuse_if_spent(db, "send", phone, now)
    limits.refuse_if_spent(db, "code", phone, now)
    limits.refuse_if_spent(db, "code", address, now)
    limits.count(db, "send", phone, now)
    older = db.scalars(
        sa.update(Code)
        .where(Code.phone == phone, Code.purpose == purpose, Code.used_at.is_(None), Code.expires_at > now)
        .values(expires_at=now)
        .returning(Code.id)
    ).all()
    messages.blank(db, sa.select(Code.id).where(Code.id.in_(older)))
    digits = f"{secrets.randbelow(1_000_000):06d}"
    row = Code(purpose=purpose, phone=phone, bound_to=bound_to, code_hash="", sent_at=now, expires_at=now + CODE_LIFE)
    row.code_hash = _code_hash(row.id, digits)
    db.add(row)
    db.flush()
    text = say or _("您的验证码是 %(code)s，10 分钟内有效。公证处的人不会向您要这个码。")
    text = text % {"code": digits} if "%(code)s" in text else text
    messages.send(db, to=phone, text=text, now=now, case_id=case_id, code_id=row.id)


def _code_hash(row_id: UUID, digits: str) -> str:
    return hashlib.scrypt(digits.encode(), salt=row_id.bytes, n=2**10, r=8, p=1).hex()


def check_code(
    db: Session, phone: str, digits: str, address: str, now: datetime, *, purpose: CodePurpose = CodePurpose.LOGIN,
    bound_to: str = "",
) -> Code:  # fmt: skip
    """Takes a code once; it is readable nowhere any more. Raises TooMany, Wrong; a wrong try is counted on the code, the phone and the address."""
    limits.refuse_if_spent(db, "code", phone, now)
    limits.refuse_if_spent(db, "code", address, now)
    row = db.scalar(
        sa.select(Code)
        .where(
            Code.phone == phone, Code.purpose == purpose, Code.bound_to == bound_to,
            Code.used_at.is_(None), Code.expires_at > now,
        )
        .order_by(Code.sent_at.desc())
        .limit(1)
        .with_for_update()
    )  # fmt: skip
    given = "".join(digits.split())
    if row is not None and row.tries >= CODE_TRIES:
        raise TooMany(_("这个验证码已经试了 %(n)d 次，不能再用。请重新要一个。", n=CODE_TRIES), after=60)
    expected = row.code_hash if row else ""
    got = _code_hash(row.id if row else UUID(int=0), given)
    if row is None or not hmac.compare_digest(expected, got):
        if row is not None:
            row.tries += 1
        limits.count(db, "code", phone, now)
        limits.count(db, "code", address, now)
        raise Wrong({"code": _("验证码不对，或者过期了。请看最新一条短信里的 6 位数字。")})
    row.used_at = now
    messages.blank(db, sa.select(Code.id).where(Code.id == row.id))
    return row


def applicant_of(db: Session, phone: str, now: datetime, locale: str = "zh") -> Applicant:
    found = db.scalar(sa.select(Applicant).where(Applicant.phone == phone))
    if found is None:
        found = Applicant(phone=phone, created_at=now, locale=locale)
        db.add(found)
        db.flush()
    return found


# logins


def open_login(
    db: Session,
    now: datetime,
    *,
    person: Person | None = None,
    applicant: Applicant | None = None,
    stage: str = "in",
) -> str:
    """A new login's token; a fresh one at every step up, so that a fixed session is worth nothing."""
    token = secrets.token_urlsafe(32)
    db.add(
        Login(
            token_hash=token_hash(token),
            person_id=person.id if person else None,
            applicant_id=applicant.id if applicant else None,
            stage=stage,
            created_at=now,
            seen_at=now,
        )
    )
    db.flush()
    return token


def find_login(db: Session, token: str, now: datetime) -> Login | None:
    login = db.scalar(sa.select(Login).where(Login.token_hash == token_hash(token), Login.ended_at.is_(None)))
    if login is None:
        return None
    if login.person_id:
        person = db.get(Person, login.person_id)
        if (
            person is None
            or person.disabled_at
            or now - login.seen_at > STAFF_IDLE
            or now - login.created_at > STAFF_DAY
        ):
            return None
    elif now - login.created_at > APPLICANT_DAY:
        return None
    return login


def end_login(db: Session, token: str, now: datetime) -> None:
    db.execute(sa.update(Login).where(Login.token_hash == token_hash(token)).values(ended_at=now))


def disable(db: Session, person: Person, by: Actor, now: datetime) -> None:
    """Shuts every door of a person at once (B11)."""
    person.disabled_at = now
    shut_all(db, person, now)
    ledger.append(db, "person.disabled", by, now, person=str(person.id))


def shut_all(db: Session, person: Person, now: datetime) -> None:
    db.execute(sa.update(Login).where(Login.person_id == person.id, Login.ended_at.is_(None)).values(ended_at=now))


# banks


def new_bank_key(bank_name: str) -> tuple[str, str]:
    """A bank's API key and the hash that is kept."""
    key = "yz_" + secrets.token_urlsafe(32)
    return key, token_hash(key)


def bank_of(db: Session, key: str, certificate: bytes | None, now: datetime) -> Bank | None:
    """Whose key this is: the one in force, or the one before while it goes on.

    A bank with registered certificates is known by key and certificate together, so a stolen key alone opens nothing;
    one statement and one digest more, whatever is missing.
    """
    shown, known = token_hash(key), hashlib.sha256(certificate or b"").hexdigest()
    rows = db.execute(
        sa.select(Bank, BankCertificate)
        .outerjoin(BankCertificate, sa.and_(BankCertificate.bank_id == Bank.id, BankCertificate.removed_at.is_(None)))
        .where(
            sa.or_(Bank.api_key_hash == shown, sa.and_(Bank.former_key_hash == shown, Bank.former_key_until > now)),
            Bank.disabled_at.is_(None),
        )
    ).all()
    for bank, wanted in rows:
        if wanted is None or (wanted.sha256 == known and wanted.not_before <= now < wanted.not_after):
            return bank
    return None


def actor_of(person: Person) -> Actor:
    return Actor(Role(person.role), person.id, person.name, person.office_id)
