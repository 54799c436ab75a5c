"""Who may activate: passkeys enrolled at seal itself, so that no change of the database lets anybody sign."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException

from notary.seal.activation import CODE_TRIES, code_hash, enrol_challenge, recovery_challenge
from notary.seal.journal import Journal, Passkey, Person
from notary.seal.refusals import NotEnrolled

ENROL_SECONDS = 300
CODE_LIFE = 7 * 86400


@dataclass
class People:
    """`origin`: the portal's, e.g. http://localhost:8000; `rp_id`: its host."""

    journal: Journal
    rp_id: str
    origin: str
    now: Callable[[], float]
    _begun: dict[str, tuple[bytes, float]] = field(default_factory=dict)

    def add(self, person_id: str, name: str) -> str:
        """Enrols a person without a passkey yet -> the one-time enrolment code, to be told by hand."""
        if person_id in self.journal.people:
            raise NotEnrolled("this person is known already")
        code = secrets.token_hex(8)
        until = self.now() + CODE_LIFE
        self.journal.write(
            "person", self.now(), person=person_id, name=name, code=code_hash(code, person_id), until=until
        )
        return code

    def begin(self, person_id: str) -> bytes:
        """A registration challenge, good for five minutes and one registration."""
        self._person(person_id)
        challenge = secrets.token_bytes(32)
        self._begun[person_id] = (challenge, self.now() + ENROL_SECONDS)
        return challenge

    def finish(self, person_id: str, credential: Mapping[str, Any], proof: Mapping[str, Any]) -> None:
        """Enrols a passkey. `proof` is one of

        {"code"}: the enrolment code, for the first passkey only;
        {"assertion"}: by an enrolled passkey of the same person, over `enrol_challenge`;
        {"recovery": [{"person_id", "assertion"}, ...]}: by two other persons, over `recovery_challenge`;
        every earlier passkey of the person is dropped.
        """
        person = self._person(person_id)
        challenge, until = self._begun.pop(person_id, (b"", 0.0))
        if self.now() > until:
            raise NotEnrolled("the registration took too long; begin again")
        alone = self._proven(person_id, person, challenge, proof)
        try:
            done = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as wrong:
            raise NotEnrolled(f"the registration does not hold: {type(wrong).__name__}") from None
        if any(done.credential_id in p.passkeys for p in self.journal.people.values()):
            raise NotEnrolled("this passkey is enrolled already")
        self.journal.write(
            "passkey",
            self.now(),
            person=person_id,
            credential=done.credential_id.hex(),
            public_key=done.credential_public_key.hex(),
            count=done.sign_count,
            alone=alone,
            proof=next(iter(proof)),
        )

    def _proven(self, person_id: str, person: Person, challenge: bytes, proof: Mapping[str, Any]) -> bool:
        if set(proof) == {"code"} and not person.passkeys:
            if person.code is None or self.now() > person.code_until or person.code_tries >= CODE_TRIES:
                raise NotEnrolled("the enrolment code is used, too old, or was tried too often")
            self.journal.write("code-try", self.now(), person=person_id)  # counted before it is compared
            if not hmac.compare_digest(person.code, code_hash(str(proof["code"]), person_id)):
                raise NotEnrolled("wrong enrolment code")
            return False
        if set(proof) == {"assertion"} and person.passkeys:
            self.asserted(person_id, proof["assertion"], enrol_challenge(person_id, challenge))
            return False
        if set(proof) == {"recovery"} and isinstance(proof["recovery"], list):
            who = [str(r["person_id"]) for r in proof["recovery"]]
            if len(who) != 2 or len({*who, person_id}) != 3:
                raise NotEnrolled("a recovery needs two other persons")
            for witness in proof["recovery"]:
                expected = recovery_challenge(person_id, challenge)
                self.asserted(str(witness["person_id"]), witness["assertion"], expected)
            return True
        raise NotEnrolled("nothing proves that this passkey is that person's")

    def asserted(self, person_id: str, assertion: Mapping[str, Any], challenge: bytes) -> str:
        """Checks an assertion with user verification by an enrolled passkey -> its credential id in hex."""
        person = self._person(person_id)
        try:
            credential_id = base64url_to_bytes(assertion["rawId"])
            known: Passkey = person.passkeys[credential_id]
        except (KeyError, TypeError, ValueError):
            raise NotEnrolled("not one of this person's passkeys") from None
        try:
            done = webauthn.verify_authentication_response(
                credential=dict(assertion),
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as wrong:
            raise NotEnrolled(f"the passkey's answer does not hold: {type(wrong).__name__}") from None
        if done.new_sign_count:  # zero: an authenticator that does not count
            count = done.new_sign_count
            self.journal.write("count", self.now(), person=person_id, credential=credential_id.hex(), count=count)
        return str(credential_id.hex())

    def credentials(self, person_id: str) -> list[str]:
        """base64url ids, for the browser's allowCredentials."""
        return [bytes_to_base64url(c) for c in self._person(person_id).passkeys]

    def _person(self, person_id: str) -> Person:
        try:
            return self.journal.people[person_id]
        except KeyError:
            raise NotEnrolled("no such person is enrolled at seal") from None
