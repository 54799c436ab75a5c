"""Who may call a route. Closed by default: an endpoint without an audience stops the start."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from notary.errors import LoginNeeded, NotAllowed
from notary.ledger import Actor
from notary.lifecycle import Role
from notary.models import Applicant, Bank, Person
from notary.office import doors, limits
from notary.parts import Parts
from notary.portal import nearest

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Audience:
    """The roles that may call a route; `public` lets everybody in, logged in or not, `probe` who shows METRICS_TOKEN."""

    roles: frozenset[Role]
    public: bool = False
    probe: bool = False


PUBLIC = Audience(frozenset(), public=True)
PROBE = Audience(frozenset(), probe=True)


def only(*who: Role | Audience | frozenset[Role]) -> Callable[[View], View]:
    """Names a route's audience: `@only(Role.NOTARY)`, `@only(STAFF)`, `@only(PUBLIC)`."""
    roles: set[Role] = set()
    public = probe = False
    for one in who:
        if isinstance(one, Audience):
            public, probe = public or one.public, probe or one.probe
            roles |= one.roles
        elif isinstance(one, frozenset):
            roles |= one
        else:
            roles.add(one)
    if not roles and not public and not probe:
        raise RuntimeError("a route for nobody")

    def mark(view: View) -> View:
        view.audience = Audience(frozenset(roles), public, probe)  # type: ignore[attr-defined]
        return view

    return mark


def audience_of(app: Flask, endpoint: str) -> Audience | None:
    found = getattr(app.view_functions[endpoint], "audience", None)
    return found if isinstance(found, Audience) else None


def refuse_open_routes(app: Flask) -> None:
    """Raises RuntimeError naming every route that forgot to say who may call it."""
    static = {"static"}
    open_ones = sorted(
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in static and audience_of(app, rule.endpoint) is None
    )
    if open_ones:
        raise RuntimeError(f"routes without an audience: {', '.join(open_ones)}")


def parts() -> Parts:
    found = current_app.extensions["parts"]
    assert isinstance(found, Parts)
    return found


def address() -> str:
    """Where the request came from, for limits; a reverse proxy's word counts only if the app trusts one."""
    return nearest.address(parts().settings)


def cookie_name() -> str:
    return "__Host-yz" if parts().settings.base_url.startswith("https://") else "yz"


def set_login(response: AnyResponse, token: str) -> AnyResponse:
    response.set_cookie(
        cookie_name(), token, httponly=True, samesite="Lax", path="/",
        secure=parts().settings.base_url.startswith("https://"),
    )  # fmt: skip
    return response


def clear_login(response: AnyResponse) -> AnyResponse:
    response.delete_cookie(cookie_name(), path="/")
    return response


@dataclass(frozen=True)
class Visitor:
    """Who asks: nobody, a member of the staff, an applicant, or a bank's program."""

    login_id: UUID | None = None
    person: Person | None = None
    applicant: Applicant | None = None
    bank: Bank | None = None
    stage: str = ""

    @property
    def actor(self) -> Actor | None:
        if self.person is not None and self.stage == "in":
            return doors.actor_of(self.person)
        if self.applicant is not None:
            return Actor(Role.APPLICANT, self.applicant.id)
        if self.bank is not None:
            return Actor(Role.BANK, self.bank.id, self.bank.name, self.bank.office_id)
        return None


def visitor() -> Visitor:
    """Reads the login cookie once per request."""
    if "visitor" not in g:
        g.visitor = _read_visitor()
    found = g.visitor
    assert isinstance(found, Visitor)
    return found


def _read_visitor() -> Visitor:
    if request.path.startswith("/api/"):
        return _read_bank()
    token = request.cookies.get(cookie_name())
    if not token:
        return Visitor()
    now = parts().clock()
    with parts().db.begin() as db:
        login = doors.find_login(db, token, now)
        if login is None:
            return Visitor()
        if (now - login.seen_at).total_seconds() > 20:
            login.seen_at = now
        person = db.get(Person, login.person_id) if login.person_id else None
        applicant = db.get(Applicant, login.applicant_id) if login.applicant_id else None
        return Visitor(login.id, person, applicant, None, login.stage)


def _read_bank() -> Visitor:
    """Programs show a key, and a certificate where one is registered: a cookie opens no API, so that no foreign page can use one."""
    key = request.headers.get("X-API-Key", "")
    if not key:
        return Visitor()
    certificate, now = nearest.certificate(parts().settings), parts().clock()
    with parts().db() as db:
        found = doors.bank_of(db, key, certificate, now)
        if found is None:
            limits.refuse_if_spent(db, "key", address(), now)
            limits.count(db, "key", address(), now)
            db.commit()
        return Visitor(bank=found)


def actor() -> Actor:
    """Whoever acts; only routes that are not public may ask. Raises LoginNeeded."""
    found = visitor().actor
    if found is None:
        raise LoginNeeded
    return found


def guard(app: Flask) -> None:
    """Checks each request against its route's audience before the view is called."""

    @app.before_request
    def check_audience() -> AnyResponse | None:
        if request.endpoint is None or request.endpoint == "static":
            return None
        audience = audience_of(app, request.endpoint)
        if audience is None:
            raise NotAllowed
        if audience.public or (audience.probe and _is_probe()):
            return None
        who = visitor().actor
        if who is None:
            if request.method == "GET" and not request.path.startswith("/api/"):
                door = "applicant.login" if Role.APPLICANT in audience.roles else "staff.login"
                return redirect(url_for(door, next=request.full_path.rstrip("?")), 303)
            raise LoginNeeded
        if who.role not in audience.roles:
            raise NotAllowed
        return None


def _is_probe() -> bool:
    """Whether a program shows METRICS_TOKEN. Raises LoginNeeded for another one, TooMany for many of them."""
    shown = request.authorization
    if shown is None or shown.type != "bearer":
        return False
    token = parts().settings.metrics_token
    if token and hmac.compare_digest((shown.token or "").encode(), token.encode()):
        return True
    with parts().db() as db:
        limits.refuse_if_spent(db, "key", address(), parts().clock())
        limits.count(db, "key", address(), parts().clock())
        db.commit()
    raise LoginNeeded


def own_path(target: str | None, fallback: str) -> str:
    """`target` if it is a path on this origin, else `fallback`: nobody is sent elsewhere by a link."""
    if target and target.isprintable() and target.startswith("/") and not target.startswith(("//", "/\\")):
        return target
    return fallback
