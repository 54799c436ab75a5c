"""What the check of a phone or computer found, kept with the case, so that the desk can call before the time comes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary import ledger
from notary.errors import BadInput
from notary.ledger import Actor
from notary.models import Case, DeviceCheck

PARTS = ("camera", "microphone", "speaker", "network")
STATES = ("waiting", "passed", "failed", "skipped")
CODES = ("denied", "missing", "busy", "dark", "timeout", "silent", "wrong", "unsupported", "slow", "failed")
GOOD = {
    "camera": ("passed",), "microphone": ("passed",),
    "speaker": ("passed", "skipped", "waiting"), "network": ("passed", "skipped", "waiting", "failed:slow"),
}  # fmt: skip
"""With these an interview can begin. The network is tried for good only in the interview's own room."""
MOST_CHECKS = 100


def keep(db: Session, case: Case, results: Mapping[str, object], by: Actor, now: datetime) -> DeviceCheck:
    """Keeps one outcome a part: a state, with a code behind a colon if it failed. Nobody is stopped by it.

    Raises BadInput.
    """
    found = {part: str(results.get(part, "waiting")) for part in PARTS}
    known = {*STATES, *(f"failed:{code}" for code in CODES)}
    if not known.issuperset(found.values()):
        raise BadInput({"results": _("这个试机结果我们没看懂。请再试一次。")})
    if (db.scalar(sa.select(sa.func.count()).where(DeviceCheck.case_id == case.id)) or 0) >= MOST_CHECKS:
        raise BadInput({"results": _("试的次数太多了。请打电话给我们，一起弄好。")})
    passed = all(found[part] in good for part, good in GOOD.items())
    check = DeviceCheck(case_id=case.id, results=found, passed=passed, at=now)
    db.add(check)
    ledger.append(db, "device.checked", by, now, case_id=case.id, office_id=case.office_id, passed=passed)
    return check


def last(db: Session, case: Case) -> DeviceCheck | None:
    query = sa.select(DeviceCheck).where(DeviceCheck.case_id == case.id).order_by(DeviceCheck.at.desc()).limit(1)
    return db.scalar(query)
