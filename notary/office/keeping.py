"""The office's keys from the outside: which there are goes into the ledger, what ends soon stands on the desk, and what is known
of them is published as a trust bundle. No key is touched; seal says what it lives by.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger, words
from notary.calendar import OFFICE_ZONE
from notary.jobs import here, queue
from notary.ledger import SYSTEM
from notary.models import Event
from notary.parts import Parts
from notary.seal.client import Standing
from notary.seal.refusals import SealDown, SealError
from signing import trustbundle
from signing.keyfile import write_whole
from signing.stamp import clock
from signing.trust import Trust

log = logging.getLogger(__name__)
THRESHOLDS = (60, 30, 7, 0)
"""Days before an end on which the desk is told, and the day itself; each once. ours"""
DAILY = timedelta(hours=20)
"""A bundle older than this is followed by a new one. ours"""
KEY_LINES = ("key.made", "key.retired", "key.revoked", "key.ceremony")
ROOT_LIST, ISSUING_LIST, BUNDLE = "root.crl", "issuing.crl", "trust.bundle"


@dataclass(frozen=True)
class Item:
    """Something that ends. `about`: a fingerprint, or `list:` and its issuer's. `use`: a key's, or `list`."""

    about: str
    use: str
    who: str
    ends: datetime


@dataclass(frozen=True)
class Alarm:
    """`days`: the threshold that was passed last; 0: it is over."""

    item: Item
    days: int
    raised_at: datetime


def watch(parts: Parts) -> None:
    """Every hour: what changed is written down, what ends soon is told, a bundle is published daily and after a change."""
    standing, now = parts.seal.standing(), parts.clock()
    with parts.db.begin() as db:
        note(db, standing, now)
        tell(db, standing, now)
    publish(parts, standing)


# ---- the ledger


def note(db: Session, standing: Standing, now: datetime) -> None:
    """Lines for keys that are new, gone or taken back, and for the ceremony. Safe to run twice."""
    told: dict[str, dict[str, dict[str, Any]]] = {}
    for event in db.scalars(sa.select(Event).where(Event.kind.in_(KEY_LINES)).order_by(Event.seq)):
        told.setdefault(event.kind, {})[event.payload.get("fingerprint") or event.payload["sha256"]] = event.payload
    made, retired, revoked = (told.setdefault(f"key.{kind}", {}) for kind in ("made", "retired", "revoked"))
    here_now = {}
    for one in standing.certificates:
        cert = x509.load_der_x509_certificate(one.der)
        print_ = cert.fingerprint(hashes.SHA256()).hex()
        here_now[print_] = (one.use, cert.subject.rfc4514_string())
        if print_ not in made:
            made[print_] = {
                "fingerprint": print_, "use": one.use, "who": one.who, "serial": f"{cert.serial_number:x}",
                "subject": cert.subject.rfc4514_string(), "ends": cert.not_valid_after_utc.isoformat(),
            }  # fmt: skip
            ledger.append(db, "key.made", SYSTEM, now, **made[print_])
    for print_, was in made.items():
        followed = (was["use"], was["subject"]) in here_now.values()
        # an outside stamp unit that is away today is not retired; one of ours that is followed by another is
        if print_ not in here_now and print_ not in retired and (was["use"] != "tsu" or followed):
            ledger.append(db, "key.retired", SYSTEM, now, fingerprint=print_, use=was["use"])
    gone = dict(_revoked(standing))
    for print_, was in made.items():
        if (how := gone.get(was["serial"])) and print_ not in revoked:
            ledger.append(
                db, "key.revoked", SYSTEM, now, fingerprint=print_, use=was["use"], since=how[0], reason=how[1]
            )
    if standing.ceremony and standing.ceremony not in told.get("key.ceremony", {}):
        ledger.append(db, "key.ceremony", SYSTEM, now, sha256=standing.ceremony)


def _revoked(standing: Standing) -> Iterator[tuple[str, tuple[str, str]]]:
    """(serial, (since when nothing holds any more, why)) of everybody whom a list names."""
    for raw in standing.lists:
        for entry in x509.load_der_x509_crl(raw):
            since, why = entry.revocation_date_utc, "unspecified"
            for one in entry.extensions:
                if isinstance(one.value, x509.InvalidityDate):
                    since = min(since, one.value.invalidity_date_utc)
                if isinstance(one.value, x509.CRLReason):
                    why = str(one.value.reason.value)
            yield f"{entry.serial_number:x}", (since.isoformat(), why)


# ---- alarms


def items(standing: Standing) -> list[Item]:
    """What ends and is not followed: of two certificates for one use and person, the one that lasts longer counts."""
    found: dict[tuple[str, str], Item] = {}
    for one in standing.certificates:
        cert = x509.load_der_x509_certificate(one.der)
        item = Item(cert.fingerprint(hashes.SHA256()).hex(), one.use, one.who, cert.not_valid_after_utc)
        held = found.get((one.use, one.who))
        if held is None or held.ends < item.ends:
            found[one.use, one.who] = item
    for raw in standing.lists:
        crl = x509.load_der_x509_crl(raw)
        if crl.next_update_utc is not None:
            issuer = hashlib.sha256(crl.issuer.public_bytes()).hexdigest()
            found["list", issuer] = Item(f"list:{issuer}", "list", "", crl.next_update_utc)
    return list(found.values())


def passed(ends: datetime, now: datetime) -> int | None:
    """The last threshold that was passed; None while there is time."""
    return next((days for days in reversed(THRESHOLDS) if ends - now <= timedelta(days=days)), None)


def tell(db: Session, standing: Standing, now: datetime) -> None:
    """Raises each alarm once a threshold; ends those whose cause is gone."""
    stand = {one.item.about: one for one in alarms(db)}
    due = {one.about: (one, days) for one in items(standing) if (days := passed(one.ends, now)) is not None}
    for about, (item, days) in due.items():
        held = stand.get(about)
        if held is None or days < held.days or held.item.ends != item.ends:
            ledger.append(
                db,
                "alarm.raised",
                SYSTEM,
                now,
                about=about,
                use=item.use,
                who=item.who,
                ends=item.ends.isoformat(),
                days=days,
            )
    for about in stand.keys() - due.keys():
        ledger.append(db, "alarm.resolved", SYSTEM, now, about=about)


def alarms(db: Session) -> list[Alarm]:
    """Those that stand, the nearest end first."""
    found: dict[str, Alarm] = {}
    for event in db.scalars(
        sa.select(Event).where(Event.kind.in_(("alarm.raised", "alarm.resolved"))).order_by(Event.seq)
    ):
        said = event.payload
        if event.kind == "alarm.resolved":
            found.pop(said["about"], None)
            continue
        ends = datetime.fromisoformat(said["ends"])
        found[said["about"]] = Alarm(Item(said["about"], said["use"], said["who"], ends), said["days"], event.at)
    return sorted(found.values(), key=lambda one: one.item.ends)


def alarm_words(alarm: Alarm, now: datetime, name: str = "") -> str:
    """`name`: the notary's, where it is about one."""
    uses = {
        "seal": _("公证处印章的证书"), "notary": _("公证员%(name)s的签名证书", name=name), "tsu": _("时间戳服务的证书"),
        "status": _("证书状态服务的证书"), "trust": _("信任资料的证书"), "issuing": _("签发机构的证书"), "root": _("根证书"),
        "list": _("吊销清单"),
    }  # fmt: skip
    day = words.day(alarm.item.ends.astimezone(OFFICE_ZONE).date(), words.chosen_locale())
    what, left = uses[alarm.item.use], (alarm.item.ends - now).days
    if alarm.item.ends <= now:
        return _("%(what)s已经到期（%(day)s），用不了了。请马上更换。", what=what, day=day)
    return _("%(what)s还有 %(n)d 天到期（%(day)s）。请在那之前换好。", what=what, n=left, day=day)


# ---- what everybody may fetch


def folder(parts: Parts) -> Path:
    return parts.settings.under("pki")


def publish(parts: Parts, standing: Standing) -> None:
    """Bundle and lists as files; the bundle's SHA-256 goes into the ledger before anybody can fetch it.

    Whether there is something to do is read off what stands: a list that is still the old one, lines of keys behind the
    last bundle's. So whatever dies on the way, the next hour does it; the lists come last, because they ask for the bundle.
    """
    where = folder(parts)
    where.mkdir(parents=True, exist_ok=True)
    root = x509.load_pem_x509_certificate(parts.seal.public().trust_pem)
    lists = {
        where / (ROOT_LIST if x509.load_der_x509_crl(raw).issuer == root.subject else ISSUING_LIST): raw
        for raw in standing.lists
    }
    news = {path: raw for path, raw in lists.items() if not path.exists() or path.read_bytes() != raw}
    if not news and not _behind(parts):
        return
    made = parts.seal.trust_bundle(parts.settings.log_witness_keys)
    with parts.db.begin() as db:
        ledger.append(db, "trust.published", SYSTEM, parts.clock(), sha256=hashlib.sha256(made).hexdigest())
    write_whole(where / BUNDLE, made, 0o644)
    for path, raw in news.items():
        write_whole(path, raw, 0o644)


def known(parts: Parts, trust: Trust) -> trustbundle.Known | None:
    """The bundle that stands here, for the office's own verifier; None where there is none that it believes."""
    try:
        return trustbundle.read((folder(parts) / BUNDLE).read_bytes(), trust, clock())
    except OSError:
        return None
    except trustbundle.BadBundle as wrong:
        log.error("the trust bundle under pki/ is not believed: %s", wrong)
        return None


def _behind(parts: Parts) -> bool:
    """No bundle yet, a day's one, another than was logged last, or from before the last line about a key."""
    path = folder(parts) / BUNDLE
    with parts.db() as db:
        newest = sa.select(Event).order_by(Event.seq.desc()).limit(1)
        last = db.scalar(newest.where(Event.kind == "trust.published"))
        key = db.scalar(newest.where(Event.kind.in_(KEY_LINES)))
    if last is None or parts.clock() - last.at > DAILY or (key is not None and key.seq > last.seq):
        return True
    return not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != last.payload["sha256"]


@queue.periodic(cron="10 * * * *")
@queue.task(name="watch-keys", queueing_lock="watch-keys", lock="watch-keys")
def watch_keys(timestamp: int) -> None:
    """A seal that is away is asked again in an hour."""
    try:
        watch(here())
    except SealDown as away:
        log.warning("keys were not looked at: %s", away)
    except SealError as no:
        log.error("keys were not looked at: %s", no)
