"""The staff's door: password, then TOTP; enrolment by a one-time link; passkeys; people and recovery."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pyotp
import segno
import sqlalchemy as sa
import webauthn
from flask import Blueprint, Response, jsonify, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from werkzeug.wrappers import Response as AnyResponse

from notary import ledger, words
from notary.errors import BadInput, NotAllowed, NotFound
from notary.ledger import Actor
from notary.lifecycle import STAFF, Role
from notary.models import Office, Passkey, Person, Recovery
from notary.office import doors, keeping
from notary.office import staff as people
from notary.office.activating import words_of
from notary.portal import passkeys as passkey
from notary.portal.doors import (
    PUBLIC,
    actor,
    address,
    clear_login,
    cookie_name,
    only,
    own_path,
    parts,
    set_login,
    visitor,
)
from notary.seal.activation import enrol_challenge
from notary.seal.refusals import NotEnrolled, SealError
from notary.terms import role_words

staff = Blueprint("staff", __name__, url_prefix="/staff")


@staff.get("/login")
@only(PUBLIC)
def login() -> str:
    return render_template("staff/login.html", next=request.args.get("next", ""), errors={})


@staff.post("/login")
@only(PUBLIC)
def login_post() -> AnyResponse | tuple[str, int]:
    now = parts().clock()
    with parts().db() as db:
        try:
            person = doors.check_password(
                db, request.form.get("login", "").strip(), request.form.get("password", ""), address(), now
            )
        except doors.Wrong as wrong:
            db.commit()
            page = render_template("staff/login.html", next=request.form.get("next", ""), errors=wrong.fields)
            return page, wrong.status
        token = doors.open_login(db, now, person=person, stage="totp")
        db.commit()
    return set_login(redirect(url_for("staff.totp", next=request.form.get("next") or None), 303), token)


@staff.get("/totp")
@only(PUBLIC)
def totp() -> AnyResponse | str:
    if visitor().person is None:
        return redirect(url_for("staff.login"), 303)
    return render_template("staff/totp.html", next=request.args.get("next", ""), errors={})


@staff.post("/totp")
@only(PUBLIC)
def totp_post() -> AnyResponse | tuple[str, int]:
    who = visitor()
    if who.person is None:
        return redirect(url_for("staff.login"), 303)
    now = parts().clock()
    with parts().db() as db:
        try:
            doors.check_totp(db, who.person, request.form.get("code", ""), parts().settings.storage_key, now)
        except doors.Wrong as wrong:
            db.commit()
            page = render_template("staff/totp.html", next=request.form.get("next", ""), errors=wrong.fields)
            return page, wrong.status
        doors.end_login(db, request.cookies.get(cookie_name(), ""), now)
        token = doors.open_login(db, now, person=who.person)
        ledger.append(db, "login.opened", doors.actor_of(who.person), now)
        db.commit()
    home = url_for("staff.home")
    return set_login(redirect(own_path(request.form.get("next"), home), 303), token)


@staff.post("/logout")
@only(PUBLIC)
def logout() -> AnyResponse:
    with parts().db.begin() as db:
        doors.end_login(db, request.cookies.get(cookie_name(), ""), parts().clock())
    return clear_login(redirect(url_for("staff.login"), 303))


# enrolment


@staff.get("/enrol/<token>")
@only(PUBLIC)
def enrol(token: str) -> str:
    with parts().db() as db:
        _link, person = people.person_of_link(db, token, parts().clock())
    session["totp"] = session.get("totp") or pyotp.random_base32()
    return _enrol_page(token, person, {})


@staff.post("/enrol/<token>")
@only(PUBLIC)
def enrol_post(token: str) -> AnyResponse | tuple[str, int]:
    now = parts().clock()
    secret = session.get("totp")
    if not secret:
        return redirect(url_for("staff.enrol", token=token), 303)
    with parts().db() as db:
        _link, person = people.person_of_link(db, token, now)
        try:
            if request.form.get("password") != request.form.get("again"):
                raise BadInput({"again": _("两次输入的密码不一样。")})
            person = people.enrol(
                db, token, request.form.get("password", ""), secret, request.form.get("code", ""),
                parts().settings.storage_key, now,
            )  # fmt: skip
        except BadInput as wrong:
            db.rollback()
            return _enrol_page(token, person, wrong.fields), wrong.status
        session.pop("totp", None)
        login_token = doors.open_login(db, now, person=person)
        db.commit()
    wants_passkey = person.role in (Role.NOTARY, Role.APPROVER)
    return set_login(redirect(url_for("staff.passkeys" if wants_passkey else "staff.home"), 303), login_token)


def _enrol_page(token: str, person: Person, errors: dict[str, str]) -> str:
    secret = session["totp"]
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.login, issuer_name="Yuanzheng")
    picture = segno.make(uri, error="m").svg_data_uri(scale=5, border=2)
    return render_template("staff/enrol.html", token=token, person=person, secret=secret, qr=picture, errors=errors)


# passkeys


@staff.get("/passkeys")
@only(STAFF)
def passkeys() -> str:
    me = actor()
    with parts().db() as db:
        keys = db.scalars(sa.select(Passkey).where(Passkey.person_id == me.id)).all()
    return render_template("staff/passkeys.html", keys=keys, signs=me.role == Role.NOTARY, first=not _at_seal(me))


def _at_seal(me: Actor) -> list[str]:
    """The notary's passkeys that the seal knows; empty for everybody else, and while the seal is away."""
    try:
        return parts().seal.passkeys(str(me.id)) if me.role == Role.NOTARY else []
    except SealError:
        return []


@staff.post("/passkeys/options")
@only(STAFF)
def passkey_options() -> Response:
    """For navigator.credentials.create(). A notary's challenge is the seal's own, so that one answer serves both.

    `also`: what a passkey that the seal knows already must sign to let the new one in.
    """
    me = actor()
    with parts().db.begin() as db:
        known = db.scalars(sa.select(Passkey).where(Passkey.person_id == me.id)).all()
        person = db.get_one(Person, me.id)
        options = webauthn.generate_registration_options(
            rp_id=parts().settings.rp_id,
            rp_name="Yuanzheng",
            challenge=_seal_challenge(me) if me.role == Role.NOTARY else None,
            user_id=person.id.bytes,
            user_name=person.login,
            user_display_name=person.name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=key.credential_id) for key in known],
        )
        passkey.keep_challenge(db, options.challenge)
    made = json.loads(webauthn.options_to_json(options))
    if before := _at_seal(me):
        proof = enrol_challenge(str(me.id), options.challenge)
        made["also"] = {
            "challenge": bytes_to_base64url(proof), "rpId": parts().settings.rp_id, "userVerification": "required",
            "allowCredentials": [{"type": "public-key", "id": one} for one in before],
        }  # fmt: skip
    return jsonify(made)


def _seal_challenge(me: Actor) -> bytes:
    try:
        return parts().seal.begin_enrolment(str(me.id))
    except SealError as error:
        raise words_of(error) from error


@staff.post("/passkeys")
@only(STAFF)
def passkey_add() -> AnyResponse:
    """Body: {credential, code?, assertion?}; the last two are a notary's proof to the seal, which judges it itself."""
    me, now, given = actor(), parts().clock(), passkey.body()
    with parts().db.begin() as db:
        challenge = passkey.take_challenge(db)
        try:
            proof = webauthn.verify_registration_response(
                credential=given["credential"],
                expected_challenge=challenge,
                expected_rp_id=parts().settings.rp_id,
                expected_origin=parts().settings.base_url,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as bad:
            raise BadInput({"passkey": _("通行密钥没有登记成功。请再试一次。")}) from bad
        db.add(
            Passkey(
                person_id=me.id,  # type: ignore[arg-type]
                credential_id=proof.credential_id,
                public_key=proof.credential_public_key,
                sign_count=proof.sign_count,
                created_at=now,
            )
        )
        ledger.append(db, "passkey.added", me, now, credential=bytes_to_base64url(proof.credential_id))
        if me.role == Role.NOTARY:  # last, so that a refusal of ours leaves nothing at the seal
            _enrol_at_seal(me, given)
    return jsonify({"next": url_for("staff.home")})


def _enrol_at_seal(me: Actor, given: dict[str, Any]) -> None:
    if isinstance(given.get("assertion"), dict):
        proof: dict[str, Any] = {"assertion": given["assertion"]}
    else:
        proof = {"code": str(given.get("code", "")).strip()}
        if not proof["code"]:
            raise BadInput({"code": _("请填登记码。它在签名机的屏幕上，管理员会告诉您。")})
    try:
        parts().seal.finish_enrolment(str(me.id), given["credential"], proof)
    except NotEnrolled as no:
        raise BadInput({"code": _("签名机没有接受：登记码不对、用过或过期了。请核对后再试。")}) from no
    except SealError as error:
        raise words_of(error) from error


# people


@staff.get("/")
@only(STAFF)
def home() -> AnyResponse | str:
    me = actor()
    with parts().db() as db:
        told = key_alarms(db, me.role)
    return render_template("staff/home.html", me=me, rooms=rooms_for(me.role), alarms=told)


def key_alarms(db: Session, role: Role) -> list[tuple[str, bool]]:
    """(words, whether it is over) of every certificate and list that ends soon, for those who can have it changed."""
    if role not in (Role.OPERATOR, Role.ADMIN):
        return []
    now, english = parts().clock(), words.chosen_locale() == "en"
    names = {str(one.id): one.name_en if english else one.name for one in db.scalars(sa.select(Person))}
    return [
        (keeping.alarm_words(one, now, names.get(one.item.who, "")), one.item.ends <= now) for one in keeping.alarms(db)
    ]


def rooms_for(role: Role) -> list[tuple[str, str, str]]:
    """The tiles of the first page: (address, title, what it is for)."""
    rooms = []
    if role in (Role.OPERATOR, Role.ASSISTANT, Role.NOTARY):
        rooms.append((url_for("desk.queue"), _("案子"), _("谁在等、等什么、最晚哪天")))
    if role in (Role.OPERATOR, Role.ASSISTANT):
        rooms.append((url_for("tickets.every"), _("电话单"), _("谁要我们打电话，谁打来了")))
    if role == Role.ADMIN:
        rooms.append((url_for("banks.every"), _("银行"), _("名单、接口密钥、通知地址")))
    if role in (Role.ADMIN, Role.OPERATOR):
        rooms.append((url_for("operating.page"), _("视频服务"), _("几场视频、网络和磁盘怎样")))
    rooms.append((url_for("staff.passkeys"), _("通行密钥"), _("登记指纹、面容或安全钥匙")))
    if role in (Role.ADMIN, Role.OPERATOR, Role.APPROVER, Role.NOTARY):
        rooms.append((url_for("staff.list_people"), _("人员"), _("谁在岗、第二步丢了怎么恢复")))
    if role in (Role.NOTARY, Role.APPROVER, Role.ASSISTANT, Role.ADMIN):
        rooms.append((url_for("deeds.every"), _("公证书"), _("起草、审批、签发、送达、复查")))
        rooms.append((url_for("figures.today"), _("今天"), _("受理、出证、等候、满意度")))
        rooms.append((url_for("assessments.page"), _("人脸评估"), _("能不能用机器比对，用了多少")))
    if role == Role.NOTARY:
        rooms.append((url_for("issuing.waiting"), _("等您签发"), _("批准了、还没有签名盖章的")))
    return rooms


@staff.get("/people")
@only(Role.ADMIN, Role.OPERATOR, Role.APPROVER, Role.NOTARY)
def list_people() -> str:
    with parts().db() as db:
        everybody = db.scalars(sa.select(Person).order_by(Person.role, Person.login)).all()
        waiting = db.scalars(sa.select(Recovery).where(Recovery.agreed_at.is_(None)).order_by(Recovery.asked_at)).all()
    by_id = {person.id: person for person in everybody}
    return render_template(
        "staff/people.html",
        people=everybody,
        waiting=waiting,
        by_id=by_id,
        me=actor(),
        errors={},
        roles=[(str(one), role_words(one)) for one in sorted(STAFF)],
    )


@staff.post("/people/<uuid:person_id>/disable")
@only(Role.ADMIN)
def disable(person_id: UUID) -> AnyResponse:
    me = actor()
    if person_id == me.id:
        raise NotAllowed(_("不能停用自己。请另一位管理员来做。"))
    with parts().db.begin() as db:
        person = db.get(Person, person_id)
        if person is None:
            raise NotFound
        doors.disable(db, person, me, parts().clock())
    return redirect(url_for("staff.list_people"), 303)


@staff.post("/people")
@only(Role.ADMIN)
def add() -> AnyResponse:
    form = request.form
    now = parts().clock()
    role = form.get("role", "")
    if role not in {str(one) for one in STAFF}:
        raise BadInput({"role": _("请选一个岗位。")})
    if not form.get("login", "").strip() or not form.get("name", "").strip():
        raise BadInput({"login": _("用户名和姓名都要填。")})
    with parts().db.begin() as db:
        newcomer = people.Newcomer(
            Role(role), form["login"].strip(), form["name"].strip(), form.get("name_en", "").strip(),
            form.get("id_number", "").strip().upper(), ("*",) if role == Role.NOTARY else (),
        )  # fmt: skip
        person = people.add_person(db, db.scalars(sa.select(Office)).one(), newcomer, actor(), now)
        link = people.enrolment_link(db, person, now)
    return _show_link(person, link)


@staff.post("/people/<uuid:person_id>/recover")
@only(Role.ADMIN, Role.OPERATOR, Role.APPROVER, Role.NOTARY)
def recover(person_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        people.ask_recovery(db, person_id, request.form.get("reason", ""), actor(), parts().clock())
    return redirect(url_for("staff.list_people"), 303)


@staff.post("/recoveries/<uuid:recovery_id>/agree")
@only(Role.ADMIN, Role.OPERATOR, Role.APPROVER, Role.NOTARY)
def agree(recovery_id: UUID) -> AnyResponse:
    with parts().db.begin() as db:
        link = people.agree_recovery(db, recovery_id, actor(), parts().clock())
        recovery = db.get_one(Recovery, recovery_id)
        person = db.get_one(Person, recovery.person_id)
    return _show_link(person, link)


def _show_link(person: Person, token: str) -> AnyResponse:
    url = parts().settings.base_url + url_for("staff.enrol", token=token)
    return Response(render_template("staff/link.html", person=person, url=url), mimetype="text/html")
