"""Seal's decisions, without sockets: when a key may be used. Every method may be called by a hostile
client."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography import x509

from notary.seal import activation as act
from notary.seal.cases import Approved, CaseReader
from notary.seal.journal import Journal
from notary.seal.people import People
from notary.seal.refusals import (
    BadRequest,
    CertificateEnded,
    CertificateRevoked,
    NotActivated,
    NotApproved,
    NotFit,
    NumberUsed,
    OtherBody,
    SealError,
    StampDown,
    StatusDown,
    TooMany,
)
from signing import archive, pades, trustbundle
from signing.body import BadBody, inside
from signing.evidence import Evidence, Revoked
from signing.keyfile import BadKeyFile, write_whole
from signing.keys import AttestKey, KeyEnded, Signer, Turns
from signing.lint import lint
from signing.note import Verifier
from signing.path import Path as Chain
from signing.stamp import NoStamp, Stamper, clock
from signing.status import NoStatus, Status
from signing.verify import Trust, examine
from signing.wording import NOTICE

PER_MINUTE = 3
MOST_ENTRIES = 200
SPOOL_DAYS = 2


@dataclass(frozen=True)
class Shown:
    """One certificate of the office, for alarms and the ledger. `use`: a key of `profile.ROLES`, or an authority's."""

    use: str
    who: str
    cert: x509.Certificate


@dataclass
class Keys:
    """Opened before privilege is dropped. `notaries` by person id. Whose turn it is to sign, the clock decides."""

    office: Turns
    notaries: dict[str, Turns]
    attest: Mapping[str, AttestKey]
    root_pem: bytes
    beside: tuple[Shown, ...] = ()
    """Certificates of keys that are not opened here: time stamps, status, authorities."""
    ceremony: str | None = None
    """SHA-256 of the transcript of the keys' making."""


@dataclass
class Vault:
    """`test_keys`: the built-in authority; then every deed must be marked TEST, and console codes exist.

    `console`: seal's own terminal, the only place where a code ever appears. `spool`: deeds made and not yet
    collected, so that a retry gives the same bytes.
    """

    keys: Keys
    journal: Journal
    people: People
    cases: CaseReader
    stamper: Stamper
    status: Status
    spool: Path
    test_keys: bool
    console: Callable[[str], None]
    new_notary: Callable[[str, str, bytes | None], Turns]
    now: Callable[[], float] = time.time
    moment: Callable[[], datetime] = clock
    """At which certificates are judged: that of the time stamps. Only tests let the two clocks differ."""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _codes: dict[str, act.PendingCode] = field(default_factory=dict)
    _code_times: dict[str, list[float]] = field(default_factory=dict)

    # ---- issue

    def activate(self, notary_id: str, case_ids: list[str], given: Mapping[str, Any]) -> None:
        """Takes the notary's act for all of `case_ids`, each approved, his, and of today. Durable when it
        returns.

        Given again, the same act is accepted and nothing new is recorded.
        """
        entries = _entries(given)
        with self._lock:
            found = [self._approved(c) for c in case_ids]
            if sorted((a.number, a.body_sha256) for a in found) != sorted(entries):
                raise OtherBody("activation and approved cases are not the same list")
            for one in found:
                self._check_person(one, notary_id)
            self._take(notary_id, entries, given, found[0])

    def issue(self, case_id: str, body: bytes, given: Mapping[str, Any] | None) -> bytes:
        """The deed of an approved case. With an act on record nothing more is needed: recovery is this
        same call."""
        with self._lock:
            case = self._approved(case_id)
            digest = hashlib.sha256(body).hexdigest()
            if digest != case.body_sha256:
                raise OtherBody
            self._check_person(case, case.notary_id)
            if self.journal.numbers.get(case.number, digest) != digest:
                raise NumberUsed
            if not self._activated(case):
                if given is None:
                    raise NotActivated
                entries = _entries(given)
                if (case.number, digest) not in entries:
                    raise NotActivated("the activation is for other bodies")
                self._take(case.notary_id, entries, given, case)
            kept = self.spool / f"{digest}.pdf"
            if kept.exists():
                return kept.read_bytes()
            self._check_fit(case, body)
            return self._sign(case, body, digest, kept)

    def _sign(self, case: Approved, body: bytes, digest: str, kept: Path) -> bytes:
        notary, office = self._good(self.keys.notaries[case.notary_id]), self._good(self.keys.office)
        with self._services_answer():  # before anything is signed, not only before it leaves
            self.status.gather([notary.chain, office.chain])
        if case.number not in self.journal.numbers:
            self.journal.write("signing", self.now(), number=case.number, body=digest)
        with self._services_answer():
            deed = pades.seal(body, notary, office, self.stamper, self.status)
        verdict = examine(deed, Trust.from_pem(self.keys.root_pem), now=self.moment())
        if verdict.verdict != "valid":  # an expired key, a root that does not belong to it: nothing leaves the house
            raise SealError("the deed would not verify", (verdict.sentence["en"],))
        write_whole(kept, deed)  # before anybody sees it: one number, one deed, whatever dies next
        self.journal.write("issued", self.now(), number=case.number, deed=hashlib.sha256(deed).hexdigest())
        self._clear_spool()
        return deed

    def _good(self, turns: Turns) -> Signer:
        """Whose turn it is now, for the whole of one deed. CertificateEnded."""
        try:
            return turns.at(self.moment())
        except KeyEnded as wrong:
            raise CertificateEnded(problems=(str(wrong),)) from None

    def renew(self, deed: bytes) -> bytes:
        """The same deed with one more archive stamp, checked before and after. No key of ours is used: that is why
        it needs no activation, and why it takes no turn behind those who sign."""
        trust = Trust.from_pem(self.keys.root_pem)
        if (verdict := examine(deed, trust, now=self.moment())).verdict != "valid":
            raise NotFit(problems=(verdict.sentence["en"],))
        with self._services_answer():
            try:
                renewed = archive.renew(deed, trust.stamps, self.stamper, self.status)
            except BadBody as wrong:
                raise NotFit(problems=(str(wrong),)) from None
        if (verdict := examine(renewed, trust, now=self.moment())).verdict != "valid":
            raise SealError("the renewed deed would not verify", (verdict.sentence["en"],))
        return renewed

    @contextlib.contextmanager
    def _services_answer(self) -> Iterator[None]:
        """What the time-stamp and status services do to us, in the words of this door."""
        try:
            yield
        except NoStamp as wrong:
            raise StampDown(str(wrong)) from None
        except NoStatus as wrong:
            raise StatusDown(str(wrong)) from None
        except Revoked as wrong:
            raise CertificateRevoked(problems=(str(wrong),)) from None

    def _approved(self, case_id: str) -> Approved:
        case = self.cases.approved(case_id)
        if case is None:
            raise NotApproved
        return case

    def _check_person(self, case: Approved, notary_id: str) -> None:
        if case.notary_id != notary_id:
            raise NotActivated("the case is another notary's")
        if case.approver_id == case.notary_id:
            raise NotApproved("approved by its own notary (G05)")
        if notary_id not in self.keys.notaries:
            raise NotActivated("this notary has no key")

    def _check_fit(self, case: Approved, body: bytes) -> None:
        problems = lint(body, number=case.number, on=case.approved_on.isoformat())
        try:
            facts = inside(body).facts
        except BadBody as wrong:
            raise NotFit(problems=(str(wrong),)) from None
        if (facts["format"] == NOTICE) != case.notice:
            problems.append("a notice and a deed are not the same paper")
        says = (facts["notary"].get("id"), facts["notary"]["name"], facts["office"]["name"])
        if says != (case.notary_id, case.notary_name, case.office_name):
            problems.append("notary or office: not those of the case")
        if facts["office"].get("id", case.office_id) != case.office_id:
            problems.append("office: another id")
        if self.test_keys and not facts["test"]:
            problems.append("test keys sign nothing without the mark TEST (H14)")
        if problems:
            raise NotFit(problems=tuple(problems))

    def _activated(self, case: Approved) -> bool:
        act = self.journal.by_entry.get((case.number, case.body_sha256))
        return act is not None and (act.notary_id, act.on) == (case.notary_id, case.approved_on.isoformat())

    def _take(self, notary_id: str, entries: tuple[act.Entry, ...], given: Mapping[str, Any], case: Approved) -> None:
        today = datetime.fromtimestamp(self.now(), UTC).astimezone(ZoneInfo(case.zone)).date()
        if case.notice and len(entries) != 1:  # a paper of another day must not carry a deed along
            raise BadRequest("a notice is activated alone")
        if case.approved_on != today and not case.notice:
            raise NotActivated("approved on another day: void the number and approve again (G06)")
        challenge = act.challenge(entries)
        key = hashlib.sha256(challenge + repr((notary_id, given.get("assertion"))).encode()).hexdigest()
        if key in self.journal.activations:
            return
        self._check_rate(notary_id)
        if given.get("kind") == "passkey" and isinstance(given.get("assertion"), dict):
            by = self.people.asserted(notary_id, given["assertion"], challenge)
        elif given.get("kind") == "code" and self.test_keys:
            pending = self._codes.get(notary_id)
            if pending is None or not pending.take(challenge, str(given.get("code", "")), self.now()):
                raise NotActivated("wrong or expired code")
            del self._codes[notary_id]
            by = "console code"
        else:
            raise NotActivated("neither a passkey nor, with test keys, a console code")
        self.journal.write(
            "activation",
            self.now(),
            id=key,
            notary=notary_id,
            entries=[list(e) for e in entries],
            on=case.approved_on.isoformat(),
            by=by,
        )

    def _check_rate(self, notary_id: str) -> None:
        times = self.journal.recent.get(notary_id, [])
        if sum(t > self.now() - 60 for t in times) >= PER_MINUTE:
            raise TooMany

    def send_code(self, notary_id: str, entries: tuple[act.Entry, ...]) -> None:
        """Test keys only: a six-digit code on seal's own console, bound to these bodies, ten minutes, five
        tries."""
        if not self.test_keys:
            raise NotActivated("with an office's own keys only a passkey activates")
        with self._lock:
            if notary_id not in self.keys.notaries:
                raise NotActivated("this notary has no key")
            times = [t for t in self._code_times.get(notary_id, []) if t > self.now() - 60]
            if len(times) >= PER_MINUTE:
                raise TooMany
            self._code_times[notary_id] = [*times, self.now()]
            code = act.new_code()
            self._codes[notary_id] = act.PendingCode(act.challenge(entries), code, self.now() + act.CODE_SECONDS)
            numbers = ", ".join(number for number, _ in entries)
            name = self.journal.people[notary_id].name if notary_id in self.journal.people else notary_id
            self.console(f"seal: one-time code for {name}: {code}  ({numbers})")

    def _clear_spool(self) -> None:
        limit = self.now() - SPOOL_DAYS * 86400
        for path in self.spool.glob("*.pdf"):
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)

    # ---- attest, people

    def attest(self, purpose: str, payload: bytes) -> tuple[bytes, str]:
        """Ed25519 over exactly `payload` -> (64 bytes, key id). These keys can never make a deed."""
        key = self.keys.attest.get(purpose)
        if key is None or purpose == "trust-bundle":  # seal says by itself what it knows: `trust_bundle`
            raise BadRequest("no such purpose")
        return key.sign(payload), key.key_id

    def standing(self) -> tuple[list[Shown], Evidence]:
        """Every certificate that the office lives by, and the lists and answers about them as they are now."""
        held = [("seal", "", self.keys.office), *(("notary", who, one) for who, one in self.keys.notaries.items())]
        shown = [Shown(use, who, one.chain[0]) for use, who, turns in held for one in turns.signers]
        above = self.keys.office.chain[1:]
        shown += [Shown("root" if cert == above[-1] else "issuing", "", cert) for cert in above]
        shown += self.keys.beside
        paths: list[Chain] = [one.chain for _, _, turns in held for one in turns.signers]
        with contextlib.suppress(NoStamp):  # an outside unit shows itself by a stamp
            unit = self.stamper.stamp(bytes(32)).path
            paths.append(unit)
            shown += [Shown("tsu", "", unit[0])]
        known = self.status.news(paths).with_(self.status.lists(paths))
        once = {one.cert: one for one in reversed(shown)}
        return [*reversed(once.values())], known

    def trust_bundle(self, witnesses: tuple[str, ...]) -> bytes:
        """What seal itself knows today, signed; what a client gives are keys of witnesses alone."""
        shown, known = self.standing()
        root = x509.load_pem_x509_certificate(self.keys.root_pem)
        signer = next((one.cert for one in shown if one.use == "trust"), None)
        if signer is None:
            raise BadRequest("the root named no key for trust bundles")
        named = (self.log_key, *witnesses) if self.log_key else witnesses
        now = self.moment()
        certs = [one.cert for one in shown if one.cert != root]
        return trustbundle.make(root, signer, certs, known, named, self.keys.attest["trust-bundle"].sign, now)

    @property
    def log_key(self) -> str:
        """The public log's verifier key: its name is where its files stand."""
        return str(Verifier(self.people.origin.split("://")[-1] + "/log", self.keys.attest["checkpoint"].public))

    def add_notary(self, notary_id: str, name: str, passphrase: bytes | None) -> None:
        """A key for a notary. The enrolment code of the first passkey appears on seal's console only.

        Only with test keys, or with the passphrase of the keys.
        """
        if not self.test_keys and passphrase is None:
            raise NotActivated("a key is made only with the passphrase")
        with self._lock:
            if notary_id in self.keys.notaries and notary_id in self.journal.people:
                raise BadRequest("this notary has a key")
            if notary_id not in self.keys.notaries:  # a run that died between key and journal goes on here
                try:
                    self.keys.notaries[notary_id] = self.new_notary(notary_id, name, passphrase)
                except BadKeyFile:
                    raise NotActivated("another passphrase, or the issuing key is not here") from None
            self._introduce(notary_id, name)

    def add_witness(self, person_id: str, name: str, passphrase: bytes | None) -> None:
        """Somebody without a signing key who may stand by at a recovery, e.g. an approver."""
        if not self.test_keys and passphrase is None:
            raise NotActivated("a person is added only with the passphrase")
        with self._lock:
            self._introduce(person_id, name)

    def _introduce(self, person_id: str, name: str) -> None:
        code = self.people.add(person_id, name)
        self.console(f"seal: enrolment code of {name} for the first passkey: {code}")

    def begin_enrolment(self, person_id: str) -> bytes:
        with self._lock:
            return self.people.begin(person_id)

    def finish_enrolment(self, person_id: str, credential: Mapping[str, Any], proof: Mapping[str, Any]) -> None:
        with self._lock:
            self.people.finish(person_id, credential, proof)

    def activated(self, number: str, body_sha256: str) -> bool:
        """Whether an act of some notary for this number and body is on record."""
        return (number, body_sha256) in self.journal.by_entry


def _entries(given: Mapping[str, Any]) -> tuple[act.Entry, ...]:
    raw = given.get("entries")
    if not isinstance(raw, list) or not 1 <= len(raw) <= MOST_ENTRIES:
        raise BadRequest("an activation has a list of entries")
    for entry in raw:
        if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(x, str) for x in entry):
            raise BadRequest("an entry is number and body hash")
        if "\n" in entry[0] or "\t" in entry[0] or len(entry[1]) != 64:
            raise BadRequest("an entry is number and body hash")
    if len({e[0] for e in raw}) != len(raw):
        raise BadRequest("a number stands twice")
    return tuple((str(n), str(s)) for n, s in raw)
