"""The staff's door: password, then TOTP; enrolment by a one-time link; passkeys; people and recovery."""

from __future__ import annotations

from uuid import UUID

import pyotp
import segno
import sqlalchemy as sa
import webauthn
from flask import Blueprint, Response, jsonify, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from werkzeug.wrappers import Response as AnyResponse

from notary import ledger
from notary.errors import BadInput, NotAllowed, NotFound
from notary.lifecycle import STAFF, Role
from notary.models import Login, Office, Passkey, Person, Recovery
from notary.office import doors
from notary.office import staff as people
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
    with parts().db() as db:
        keys = db.scalars(sa.select(Passkey).where(Passkey.person_id == actor().id)).all()
    return render_template("staff/passkeys.html", keys=keys)


@staff.post("/passkeys/options")
@only(STAFF)
def passkey_options() -> Response:
    me = actor()
    with parts().db.begin() as db:
        known = db.scalars(sa.select(Passkey).where(Passkey.person_id == me.id)).all()
        person = db.get_one(Person, me.id)
        options = webauthn.generate_registration_options(
            rp_id=parts().settings.rp_id,
            rp_name="Yuanzheng",
            user_id=person.id.bytes,
            user_name=person.login,
            user_display_name=person.name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=key.credential_id) for key in known],
        )
        _keep_challenge(db, options.challenge)
    return Response(webauthn.options_to_json(options), mimetype="application/json")


@staff.post("/passkeys")
@only(STAFF)
def passkey_add() -> AnyResponse:
    me = actor()
    now = parts().clock()
    with parts().db.begin() as db:
        challenge = take_challenge(db)
        try:
            proof = webauthn.verify_registration_response(
                credential=request.get_json(),
                expected_challenge=challenge,
                expected_rp_id=parts().settings.rp_id,
                expected_origin=parts().settings.base_url,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError) as bad:
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
    return jsonify({"next": url_for("staff.home")})


def _keep_challenge(db: sa.orm.Session, challenge: bytes) -> None:
    db.execute(sa.update(Login).where(Login.id == visitor().login_id).values(challenge=challenge))


def take_challenge(db: sa.orm.Session) -> bytes:
    """The challenge of this login, once. Raises NotAllowed when there is none."""
    login = db.get(Login, visitor().login_id, with_for_update=True)
    if login is None or login.challenge is None:
        raise NotAllowed(_("这一步放得太久了。请再点一次。"))
    challenge, login.challenge = login.challenge, None
    return challenge


# people


@staff.get("/")
@only(STAFF)
def home() -> AnyResponse | str:
    me = actor()
    return render_template("staff/home.html", me=me, rooms=rooms_for(me.role))


def rooms_for(role: Role) -> list[tuple[str, str, str]]:
    """The tiles of the first page: (address, title, what it is for)."""
    rooms = []
    if role in (Role.OPERATOR, Role.ASSISTANT, Role.NOTARY):
        rooms.append((url_for("desk.queue"), _("案子"), _("谁在等、等什么、最晚哪天")))
    if role in (Role.OPERATOR, Role.ASSISTANT):
        rooms.append((url_for("tickets.every"), _("电话单"), _("谁要我们打电话，谁打来了")))
    if role == Role.ADMIN:
        rooms.append((url_for("banks.every"), _("银行"), _("名单、接口密钥、通知地址")))
    rooms.append((url_for("staff.passkeys"), _("通行密钥"), _("登记指纹、面容或安全钥匙")))
    if role in (Role.ADMIN, Role.OPERATOR, Role.APPROVER, Role.NOTARY):
        rooms.append((url_for("staff.list_people"), _("人员"), _("谁在岗、第二步丢了怎么恢复")))
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
