"""create_app(parts): blueprints, doors, refusals, headers. Nothing is open that does not say so."""

from __future__ import annotations

import structlog
from apiflask import APIFlask, HTTPError
from flask import Response, render_template, request
from flask_babel import Babel, get_locale
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from notary import jobs, terms
from notary.errors import BadInput, NotFound, Refusal, Stale, Unavailable
from notary.office.activating import words_of
from notary.parts import Parts
from notary.portal import doors
from notary.portal.problems import response_of, waiting
from notary.seal.refusals import SealError
from notary.settings import CHECKOUT

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; media-src 'self' blob: mediastream:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
LARGEST_REQUEST = 26 * 1024 * 1024
LARGEST_DEED = 31 * 1024 * 1024
"""A deed of 30 MB and the form around it."""
log = structlog.get_logger()


def create_app(parts: Parts) -> APIFlask:
    """The office's web application. Raises RuntimeError when a route has no audience."""
    from notary import words

    app = APIFlask(
        "notary", title="Yuanzheng: verification and delivery for banks", version="1", docs_path=None,
        spec_path="/api/v1/openapi.json", json_errors=False,
        template_folder=str(CHECKOUT / "templates"), static_folder=str(CHECKOUT / "static"),
    )  # fmt: skip
    app.config.update(
        SECRET_KEY=parts.settings.secret_key,
        MAX_CONTENT_LENGTH=LARGEST_REQUEST,
        MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=parts.settings.base_url.startswith("https://"),
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=True,
        OPENAPI_VERSION="3.1.0",
        BABEL_DEFAULT_LOCALE="zh",
        BABEL_TRANSLATION_DIRECTORIES=str(words.compiled()),
    )
    app.extensions["parts"] = parts
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    Babel(app, locale_selector=words.chosen_locale)
    guarded = CSRFProtect(app)
    app.before_request(_allow_deeds)
    doors.guard(app)
    app.before_request(_refuse_nul)
    _register(app, guarded)
    _refusals(app)
    app.after_request(_headers)
    app.context_processor(lambda: _for_templates(parts))
    app.add_template_filter(terms.role_words, "role")
    app.add_template_filter(terms.state_words, "state")
    app.add_template_filter(terms.act_words, "act")
    app.add_template_filter(terms.next_words, "next_step")
    app.add_template_filter(terms.care_words, "care")
    app.add_template_filter(terms.sex_words, "sex")
    app.add_template_filter(terms.document_words, "document")
    app.add_template_filter(terms.event_words, "event")
    app.add_template_filter(masked, "masked")
    doors.refuse_open_routes(app)
    jobs.load()  # a page enqueues by name
    return app


def _register(app: APIFlask, guarded: CSRFProtect) -> None:
    from notary.portal import (
        applicant,
        assessing,
        bank,
        banks,
        booking,
        console,
        copies,
        describing,
        desk,
        drafting,
        endings,
        figures,
        filing,
        here,
        issuing,
        log,
        many,
        operating,
        papers,
        pki,
        proving,
        public,
        ratings,
        recordings,
        reviews,
        room,
        staff,
        tickets,
        verify,
        vouching,
    )

    for blueprint in (
        public.public, applicant.applicant, filing.filing, papers.papers, booking.booking,
        staff.staff, desk.desk, tickets.tickets, banks.banks, drafting.deeds, issuing.issuing, recordings.recordings,
        reviews.reviews, endings.endings, copies.copies, ratings.ratings, figures.figures, verify.verify, here.here, many.many, bank.bank, log.public_log, pki.pki,
        room.room, console.console, proving.challenges, vouching.vouched, assessing.assessments, operating.operating,
    ):  # fmt: skip
        app.register_blueprint(blueprint)
    # A key or a token in the request is the authority there, never a cookie: nobody's browser can be made to use one.
    for free in (bank.bank, verify.verify, many.many, copies.by_link):
        guarded.exempt(free)
    app.security_schemes = describing.SCHEMES
    app.servers = [{"url": app.extensions["parts"].settings.base_url}]
    app.spec_processor(describing.describe)
    doors.only(doors.PUBLIC)(app.view_functions["openapi.spec"])


def _allow_deeds() -> None:
    """A deed to be verified may be larger than any paper that is handed in; set before anything reads the form."""
    if request.endpoint in ("verify.ask", "many.ask", "bank.verify"):
        request.max_content_length = LARGEST_DEED


def _refuse_nul() -> None:
    """PostgreSQL keeps no NUL; nobody types one. The two doors for programs look at every field themselves."""
    given = [*request.args.values(), *request.form.values(), *(request.view_args or {}).values()]
    in_json = request.is_json and request.blueprint not in ("bank", "many") and b"\\u0000" in request.get_data()
    if in_json or any("\x00" in value for value in given if isinstance(value, str)):
        raise Refusal(_("这个请求我们没看懂。"))


def _for_templates(parts: Parts) -> dict[str, object]:
    return {
        "csrf_token": generate_csrf,
        "visitor": doors.visitor(),
        "trial": parts.settings.trial,
        "relayed": bool(parts.settings.turn_urls),
        "now": parts.clock(),
    }


def _refusals(app: APIFlask) -> None:
    @app.error_processor
    def not_as_described(error: HTTPError) -> AnyResponse:
        """A body or a query that is not what the OpenAPI document says."""
        named = {
            field: "; ".join(str(word) for word in words)
            for place in (error.detail or {}).values() if isinstance(place, dict)
            for field, words in place.items()
        }  # fmt: skip
        return answer(BadInput(named or {"body": error.message or ""}, _("这个请求我们没看懂。")))

    @app.errorhandler(Refusal)
    def refused(error: Refusal) -> AnyResponse:
        return answer(error)

    @app.errorhandler(SealError)
    def seal_says_no(error: SealError) -> AnyResponse:
        return answer(words_of(error))

    @app.errorhandler(StaleDataError)
    def stale(error: StaleDataError) -> AnyResponse:
        return answer(Stale())

    @app.errorhandler(OperationalError)
    def database_away(error: OperationalError) -> AnyResponse:
        log.error("database", error=type(error.orig).__name__)
        return answer(Unavailable(_("我们的登记现在连不上。")))

    @app.errorhandler(CSRFError)
    def forged(error: CSRFError) -> AnyResponse:
        return answer(Refusal(_("这一页放得太久了，为了安全请刷新再提交一次。")))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> AnyResponse:
        if error.code in (404, 405):
            return answer(NotFound())
        if error.code == 413:
            return answer(TooLarge())
        plain = Refusal(_("这个请求我们没看懂。"))
        plain.status = error.code or 400  # type: ignore[misc]
        return answer(plain)


def masked(number: str) -> str:
    """A phone or identity number with its middle hidden (K04)."""
    return number[:3] + "•" * max(0, len(number) - 7) + number[-4:] if len(number) > 7 else "•" * len(number)


class TooLarge(Refusal):
    code, status = "too-large", 413

    def title(self) -> str:
        return _("文件太大了。")

    def meaning(self) -> str:
        return _(
            "一次最多 %(mb)d MB。照片请用手机原图重拍一张，或者分几次交。",
            mb=(request.max_content_length or LARGEST_REQUEST) // 2**20 - 1,
        )


def wants_json() -> bool:
    return request.path.startswith("/api/") or request.accept_mimetypes.best == "application/json"


def answer(error: Refusal) -> AnyResponse:
    """A refusal as a page, or as problem+json (RFC 9457) for programs."""
    if wants_json():
        return response_of(error)
    page = render_template("error.html", title=error.title(), meaning=error.meaning(), code=error.code)
    return waiting(Response(page, error.status, mimetype="text/html"), error)


def _headers(response: AnyResponse) -> AnyResponse:
    head = response.headers
    head.setdefault("Content-Security-Policy", CSP)
    head["X-Content-Type-Options"] = "nosniff"
    head["Referrer-Policy"] = "no-referrer"
    head["Cross-Origin-Opener-Policy"] = "same-origin"
    head["Cross-Origin-Resource-Policy"] = "same-origin"
    head.setdefault("Permissions-Policy", "camera=(self), microphone=(self), geolocation=(), payment=()")
    if request.is_secure:
        head["Strict-Transport-Security"] = "max-age=63072000"
    if request.endpoint == "static":
        head["Cache-Control"] = "public, max-age=3600"
    else:
        head.setdefault("Cache-Control", "no-store")
    locale = get_locale()
    if locale is not None:
        head["Content-Language"] = locale.language
    return response
