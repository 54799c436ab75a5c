"""Somebody at a browser without the browser: cookies, the page's token, forms and JSON over HTTP."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pyotp
from webauthn.helpers import base64url_to_bytes

from notary.demo.passkey import SoftPasskey

TOKEN = re.compile(r'csrf-token" content="([^"]+)"|name="csrf_token" value="([^"]+)"')


class Refused(RuntimeError):
    """The office did not take what it should have taken; the message says what, and its words."""


class Visitor:
    """Cookies and the token of the newest page; every answer that is not a success raises Refused."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60, cookies={"lang": "zh"})
        self._token = ""

    def get(self, path: str) -> str:
        answer = self.http.get(path, follow_redirects=True)
        self._refuse_bad(path, answer)
        if found := TOKEN.search(answer.text):
            self._token = found[1] or found[2]
        return answer.text

    def form(self, path: str, fields: dict[str, Any] | None = None, file: Path | None = None) -> httpx.Response:
        """Sends a form; a redirection is not followed."""
        if not self._token:
            self.get("/login")
        data = {**(fields or {}), "csrf_token": self._token}
        files = {"file": (file.name, file.read_bytes(), "image/jpeg")} if file else None
        answer = self.http.post(path, data=data, files=files)
        self._refuse_bad(path, answer)
        return answer

    def json(self, path: str, **fields: Any) -> Any:
        if not self._token:
            self.get("/login")
        head = {"Accept": "application/json", "X-CSRFToken": self._token}
        answer = self.http.post(path, json=fields, headers=head)
        self._refuse_bad(path, answer)
        return answer.json() if answer.headers.get("Content-Type", "").startswith("application/json") else None

    def state(self, path: str) -> Any:
        answer = self.http.get(path, headers={"Accept": "application/json"})
        self._refuse_bad(path, answer)
        return answer.json()

    @staticmethod
    def _refuse_bad(path: str, answer: httpx.Response) -> None:
        if answer.status_code < 400:
            return
        words = re.sub(r"<[^>]+>|\s+", " ", answer.text.partition("<main")[2] or answer.text)
        raise Refused(f"{path}: {answer.status_code}: {re.sub(' +', ' ', words)[:500]}")

    def cookies(self) -> list[dict[str, Any]]:
        """For a browser that goes on as this visitor."""
        return [{"name": c.name, "value": c.value or "", "url": self.url} for c in self.http.cookies.jar]


class Caller(Visitor):
    """An applicant, who gets in by a code to the phone; the outbox is the phone."""

    def log_in(self, phone: str) -> Caller:
        self.form("/login", {"phone": phone})
        self.form("/login/code", {"code": self.code(phone)})
        self.get("/my")
        return self

    def code(self, phone: str) -> str:
        """The newest six digits sent to a phone. Raises LookupError."""
        for found in re.finditer(r'data-to="([^"]+)".*?yz-body"[^>]*>(.*?)</', self.get("/outbox"), re.DOTALL):
            digits = re.search(r"(?<!\d)(\d{6})(?!\d)", found[2])
            if found[1].endswith(phone[-11:]) and digits:
                return digits[1]
        raise LookupError(f"no code for {phone}")


class Officer(Visitor):
    """A member of the staff with password, TOTP secret and a passkey in software."""

    def __init__(self, url: str, login: str, password: str) -> None:
        super().__init__(url)
        self.login, self.password, self.secret = login, password, ""
        self.passkey: SoftPasskey | None = None

    def enrol(self, link: str) -> Officer:
        page = self.get(link.removeprefix(self.url))
        found = re.search(r'id="totp-secret">([A-Z2-7]+)<', page)
        if found is None:
            raise LookupError("the enrolment page shows no secret")
        self.secret = found[1]
        fields = {"password": self.password, "again": self.password, "code": pyotp.TOTP(self.secret).now()}
        self.form(link.removeprefix(self.url), fields)
        return self

    def add_passkey(self, code: str = "") -> SoftPasskey:
        """`code`: what seal printed for a notary's first passkey; a later one is let in by the one before it."""
        self.get("/staff/passkeys")
        options = self.json("/staff/passkeys/options")
        made = SoftPasskey(origin=self.url, user=base64url_to_bytes(options["user"]["id"]))
        proof: dict[str, Any] = {"code": code} if code else {}
        if "also" in options and self.passkey:
            proof = {"assertion": self.passkey.sign(base64url_to_bytes(options["also"]["challenge"]))}
        self.json("/staff/passkeys", credential=made.register(base64url_to_bytes(options["challenge"])), **proof)
        self.passkey = self.passkey or made
        return made

    def touch(self, options: str, send: str, **fields: Any) -> Any:
        """What passkey.js does: options, the authenticator, the answer."""
        assert self.passkey is not None
        challenge = base64url_to_bytes(self.json(options, **fields)["challenge"])
        return self.json(send, assertion=self.passkey.sign(challenge), **fields)
