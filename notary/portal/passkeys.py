"""A passkey at work: the challenge is kept on the login, the answer is checked against the person's own keys."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import webauthn
from flask import Response, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

from notary.errors import BadInput, NotAllowed, NotPossible, Stale
from notary.ledger import Actor
from notary.models import Case, Login, Passkey
from notary.office.accepting import case_for_staff
from notary.portal.doors import parts, visitor


def keep_challenge(db: Session, challenge: bytes) -> None:
    db.execute(sa.update(Login).where(Login.id == visitor().login_id).values(challenge=challenge))


def take_challenge(db: Session) -> bytes:
    """The challenge of this login, once. Raises NotAllowed when there is none."""
    login = db.get(Login, visitor().login_id, with_for_update=True)
    if login is None or login.challenge is None:
        raise NotAllowed(_("这一步放得太久了。请再点一次。"))
    challenge, login.challenge = login.challenge, None
    return challenge


def options(db: Session, by: Actor, challenge: bytes, credentials: list[bytes] | None = None) -> Response:
    """What navigator.credentials.get() takes, for the person's own passkeys. Raises NotPossible when there is none."""
    known = credentials
    if known is None:
        known = list(db.scalars(sa.select(Passkey.credential_id).where(Passkey.person_id == by.id)))
    if not known:
        raise NotPossible(_("您还没有登记通行密钥。请先到“通行密钥”页登记一把。"))
    keep_challenge(db, challenge)
    made = webauthn.generate_authentication_options(
        rp_id=parts().settings.rp_id,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Response(webauthn.options_to_json(made), mimetype="application/json")


def bound(*what: object) -> bytes:
    """What a touch is bound to: 32 bytes over exactly these words. Other words, another challenge."""
    return hashlib.sha256("\n".join(map(str, what)).encode()).digest()


def options_for(db: Session, by: Actor, act: bytes) -> Response:
    """`options` over a fresh challenge that carries `act`."""
    return options(db, by, secrets.token_bytes(16) + act)


def check_act(db: Session, by: Actor, assertion: dict[str, Any], challenge: bytes, act: bytes) -> str:
    """`check`, for a challenge that carries `act`. Raises Stale when something else was shown, NotAllowed."""
    if challenge[16:] != act:
        raise Stale
    return check(db, by, assertion, challenge)


@contextmanager
def decision(case_id: UUID, me: Actor, given: dict[str, Any], act: bytes) -> Iterator[tuple[Session, Case]]:
    """The transaction in which a person decides about a case of his office, with his own passkey over `act`; the case is
    locked. The challenge is used up also when what follows is refused. Raises BadInput, NotAllowed, NotFound, Stale.
    """
    signed = assertion_of(given)
    with parts().db.begin() as db:
        challenge = take_challenge(db)
    with parts().db.begin() as db:
        case = case_for_staff(db, case_id, me, lock=True)
        check_act(db, me, signed, challenge, act)
        yield db, case


def assertion_of(body: Any) -> dict[str, Any]:
    """The browser's answer in a JSON body `{"assertion": {...}}`. Raises BadInput."""
    found = body.get("assertion") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        raise BadInput({"passkey": _("没有收到通行密钥的回答。请再点一次。")})
    return found


def body() -> dict[str, Any]:
    found = request.get_json(silent=True)
    return found if isinstance(found, dict) else {}


def check(db: Session, by: Actor, assertion: dict[str, Any], challenge: bytes) -> str:
    """The id of the passkey of `by` that signed `challenge`, the person having shown who he is; its counter goes on.

    Raises NotAllowed.
    """
    refused = NotAllowed(_("通行密钥没有通过。请用您自己登记的那一把，再试一次。"))
    try:
        credential_id = base64url_to_bytes(str(assertion["rawId"]))
    except (KeyError, ValueError) as bad:
        raise refused from bad
    key = db.scalar(
        sa.select(Passkey).where(Passkey.credential_id == credential_id, Passkey.person_id == by.id).with_for_update()
    )
    if key is None:
        raise refused
    try:
        done = webauthn.verify_authentication_response(
            credential=json.dumps(assertion),
            expected_challenge=challenge,
            expected_rp_id=parts().settings.rp_id,
            expected_origin=parts().settings.base_url,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as bad:
        raise refused from bad
    key.sign_count = done.new_sign_count
    return str(assertion["rawId"])
