"""Revocation status over real HTTP, from services that work, fail or lie."""

import dataclasses
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import evidence, issued, keys, pades, status
from signing.evidence import BadEvidence, Revoked
from signing.responder import load, server
from signing.status import HttpStatus, NoStatus
from signing.throwaway import authority
from signing.verify import Trust, examine

ROOT = Path(__file__).parents[2]
OCSP, LIST = "application/ocsp-response", "application/pkix-crl"


@pytest.fixture(scope="module")
def running(house):
    with server(house.status.responder) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{door.server_address[1]}"
        door.shutdown()


def paths(house, bob):
    return [bob.chain, house.seal.chain, house.stamper.unit.signer.chain]


@pytest.mark.req("H03")
def test_a_deed_is_made_with_status_over_http(running, body, bob, house, trust):
    made = pades.seal(body, bob, house.seal, house.stamper, HttpStatus((running,)))
    assert examine(made, trust).verdict == "valid"


def test_a_service_answers_also_under_the_path_of_the_certificates(running, house, bob):
    found = HttpStatus((f"{running}/pki/",)).gather(paths(house, bob))
    assert (len(found.certs), len(found.ocsps), len(found.crls)) == (6, 3, 1)


def test_the_addresses_in_the_certificate_are_asked_without_settings(running, house, bob, monkeypatch):
    monkeypatch.setattr(status, "ocsp_addresses", lambda cert: [f"{running}/ocsp"] if cert != house.issuing else [])
    monkeypatch.setattr(status, "list_addresses", lambda _: [f"{running}/root.crl"])
    assert len(HttpStatus().gather(paths(house, bob)).ocsps) == 3


def lies(house, answering):
    """Name, address and what is said of it; every one is asked about the notary."""
    good = house.status.responder
    now = datetime.now(UTC)
    other = authority.__wrapped__(house.office)
    seal = house.seal.chain
    at = lambda when: dataclasses.replace(good, now=lambda: when).respond  # noqa: E731
    say = lambda answer, **more: answering(answer, kind=OCSP, **more)  # noqa: E731
    return {
        "down": ("http://127.0.0.1:9", "connect"),
        "rubbish": (say(b"rubbish"), "no OCSP answer"),
        "500": (say(b"", status=500), "HTTP 500"),
        "a page": (answering(b"<html>", kind="text/html"), "another type"),
        "huge": (say(b"x" * 200_000), "too large"),
        "refused": (say(lambda _: good.respond(b"rubbish")), "refused: malformed_request"),
        "wrong nonce": (say(lambda _: good.respond(status.request(*_notary(house), b"other"))), "nonce is not ours"),
        "no nonce": (say(lambda _: good.respond(_bare(*_notary(house)))), "nonce is not ours"),
        "another certificate": (say(lambda _: good.respond(status.request(*seal[:2], b"n"))), "another certificate"),
        "not known there": (say(dataclasses.replace(good, book=dict).respond), "does not know"),
        "another authority": (say(other.status.responder.respond), "refused: unauthorized"),
        "another authority's key": (
            say(dataclasses.replace(good, cert=other.status.responder.cert, _key=other.status.responder._key).respond),
            "who may speak",
        ),
        "a signer's key": (say(dataclasses.replace(good, cert=seal[0], _key=house.seal._key).respond), "who may speak"),
        "stale": (say(at(now - timedelta(hours=3))), "no longer current"),
        "in the future": (say(at(now + timedelta(hours=3))), "made in the future"),
        "slow bytes": (say(good.respond, trickle=0.2), "too slow"),
    }


def _notary(house):
    from signing_world import EXAMPLE

    return house.notary(EXAMPLE["notary"]["name"], EXAMPLE["notary"]["id"]).chain[:2]


def _bare(cert, issuer):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form

    new = ocsp.OCSPRequestBuilder().add_certificate(cert, issuer, hashes.SHA1())
    return new.build().public_bytes(form.Encoding.DER)


@pytest.mark.req("H03")
def test_no_lie_of_a_status_service_is_taken(house, answering, bob, monkeypatch):
    monkeypatch.setattr(status, "ocsp_addresses", lambda _: ["http://127.0.0.1:9/ocsp"])
    for name, (url, says) in lies(house, answering).items():
        with pytest.raises(NoStatus) as caught:
            HttpStatus((url,), timeout=2).gather([bob.chain])
        assert says.lower() in str(caught.value).lower(), name


def test_no_lie_ends_in_a_deed(house, answering, bob, body, monkeypatch):
    """Whatever the service does, there is either a valid deed or none."""
    monkeypatch.setattr(status, "ocsp_addresses", lambda _: ["http://127.0.0.1:9/ocsp"])
    for url, _ in lies(house, answering).values():
        with pytest.raises(NoStatus):
            pades.seal(body, bob, house.seal, house.stamper, HttpStatus((url,), timeout=1))


def test_the_next_service_is_asked_when_one_is_down_or_lies(house, answering, bob, running):
    urls = [url for url, _ in lies(house, answering).values()]
    assert HttpStatus((*urls, running), timeout=1).gather([bob.chain]).ocsps


def test_revoked_is_the_end_and_no_other_service_is_asked(answering, running, body):
    fallen = authority.__wrapped__("山城示例公证处")
    notary = fallen.notary("样本丙", "notary-1")
    fallen.book[notary.chain[0].serial_number] = datetime.now(UTC)
    asked = []
    revoked = answering(fallen.status.responder.respond, kind=OCSP)
    other = answering(lambda raw: asked.append(raw) or b"", kind=OCSP)
    with pytest.raises(Revoked):
        HttpStatus((revoked, other)).gather([notary.chain])
    assert asked == []


def test_a_foreign_responder_may_leave_the_nonce_out_for_a_day(house, bob):
    good = house.status.responder
    raw = good.respond(_bare(*bob.chain[:2]))
    now = datetime.now(UTC)
    assert status.accept(raw, *bob.chain[:2], b"n", now, ours=False)[1].revoked is None
    with pytest.raises(BadEvidence, match="nonce"):
        status.accept(raw, *bob.chain[:2], b"n", now, ours=True)


def test_a_service_that_trickles_is_left_after_the_time_limit_as_a_whole(house, answering, bob, monkeypatch):
    monkeypatch.setattr(status, "ocsp_addresses", lambda _: ["http://127.0.0.1:9/ocsp"])
    begin = time.monotonic()
    with pytest.raises(NoStatus, match="too slow"):
        HttpStatus((answering(house.status.responder.respond, kind=OCSP, trickle=0.3),), timeout=1).gather([bob.chain])
    assert time.monotonic() - begin < 3


# ---- lists


def test_no_lie_about_the_list_is_taken(house, answering, monkeypatch):
    monkeypatch.setattr(status, "list_addresses", lambda _: ["http://127.0.0.1:9/root.crl"])
    other = authority.__wrapped__(house.office)
    now = datetime.now(UTC)
    good = house.new_list(now)
    told = {
        b"rubbish": "no list",
        good[:-1]: "no list",
        other.new_list(now): "somebody else",
        house.new_list(now - timedelta(days=400)): "no longer current",
        house.new_list(now + timedelta(days=2)): "in the future",
        b"x" * 2_000_000: "too large",
    }
    below_the_root = [(house.issuing, house.root)]
    for raw, says in told.items():
        with pytest.raises(NoStatus, match=says):
            HttpStatus((answering(raw, kind=LIST),)).gather(below_the_root)
    assert HttpStatus((answering(good, kind=LIST),)).gather(below_the_root).crls == (good,)
    revoked = issued.make_list(house.root, house._root_key, {house.issuing.serial_number: now}, now)
    with pytest.raises(Revoked):
        HttpStatus((answering(revoked, kind=LIST),)).gather(below_the_root)


def test_a_key_lost_before_it_was_taken_back_counts_from_its_loss(house):
    now = datetime.now(UTC).replace(microsecond=0)
    lost = now - timedelta(days=9)
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form

    entry = x509.RevokedCertificateBuilder().serial_number(house.issuing.serial_number).revocation_date(now)
    entry = entry.add_extension(x509.InvalidityDate(lost.replace(tzinfo=None)), critical=False).build()
    new = x509.CertificateRevocationListBuilder().issuer_name(house.root.subject).last_update(now)
    new = new.next_update(now + timedelta(days=1)).add_revoked_certificate(entry)
    raw = new.sign(house._root_key, hashes.SHA384()).public_bytes(form.Encoding.DER)
    assert evidence.read_list(raw, house.issuing, house.root).revoked == lost


# ---- the service itself


def test_the_responder_answers_rubbish_and_other_authorities_with_a_refusal(house):
    other = authority.__wrapped__(house.office)
    respond = house.status.responder.respond
    for query in (b"", b"0", status.request(*house.seal.chain[:2], b"n" * 16)[:-1]):
        said = ocsp.load_der_ocsp_response(respond(query)).response_status
        assert said == ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    foreign = respond(status.request(*other.seal.chain[:2], b"n"))
    assert ocsp.load_der_ocsp_response(foreign).response_status == ocsp.OCSPResponseStatus.UNAUTHORIZED


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_no_answer_and_no_question(house, raw):
    chain = house.seal.chain
    with pytest.raises(BadEvidence):
        status.accept(raw, chain[0], chain[1], b"n", datetime.now(UTC), ours=True)
    assert house.status.responder.respond(raw)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_changed_bit_of_an_answer_says_something_else(house, data):
    """What is not signed in it (its outer frame, certificates) may be spelt otherwise; its word stays the same."""
    chain = house.seal.chain
    good = _answers.setdefault(1, house.status.responder.respond(status.request(*chain[:2], b"n" * 16)))
    raw = bytearray(good)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        _, word = evidence.read_ocsp(bytes(raw), *chain[:2])
    except BadEvidence:
        return
    assert word == evidence.read_ocsp(good, *chain[:2])[1]


_answers = {}


def test_openssl_takes_answer_and_list(running, house, bob, tmp_path):
    """A verifier that is nobody's of us."""
    from cryptography.hazmat.primitives import serialization as form

    pem = lambda name, *certs: (tmp_path / name).write_bytes(  # noqa: E731
        b"".join(c.public_bytes(form.Encoding.PEM) for c in certs)
    )
    pem("leaf.pem", bob.chain[0])
    pem("issuing.pem", house.issuing)
    pem("trust.pem", house.root)
    command = ["openssl", "ocsp", "-issuer", "issuing.pem", "-cert", "leaf.pem", "-url", f"{running}/ocsp"]
    done = subprocess.run([*command, "-CAfile", "trust.pem"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "leaf.pem: good" in done.stdout
    assert "Response verify OK" in done.stderr
    assert "WARNING" not in done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "authority"
    keys.make_authority(where, b"secret", "山城示例公证处")
    keys.issue_notary(where, b"secret", "notary-1", "样本丙")
    return where


def test_an_authority_of_files_has_a_status_service_in_a_process_of_its_own(folder):
    """Keys of its own, nothing else; a revocation holds at once, also for a certificate made since it started."""
    keys.issue_notary(folder, b"secret", "notary-2", "样本丁")
    command = [
        sys.executable,
        "-m",
        "signing",
        "status",
        "--keys",
        folder / "status",
        "--authority",
        folder,
        "--port",
        "0",
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT), "STATUS_PASSPHRASE": "secret"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            ask = HttpStatus((process.stdout.readline().strip(),))
            keys.issue_notary(folder, b"secret", "notary-3", "样本戊")
            chains = [s.chain for s in keys.load_notaries(folder, b"secret").values()]
            assert len(ask.gather(chains).ocsps) == 3
            keys.revoke(folder, b"secret", chains[2][0].serial_number)
            with pytest.raises(Revoked):
                ask.gather([chains[2]])
            assert ask.gather(chains[:2]).ocsps
        finally:
            process.terminate()
    listed = x509.load_der_x509_crl((folder / "issuing.crl").read_bytes())
    assert [r.serial_number for r in listed] == [chains[2][0].serial_number]


def test_the_whole_chain_of_files_makes_a_valid_deed(folder, body):
    from signing.stamp import LocalStamper
    from signing.status import LocalStatus
    from signing.tsa import StampUnit

    root = x509.load_pem_x509_certificate(keys.root_pem(folder))
    stamper = LocalStamper(StampUnit(keys.load_stamp_unit(folder / "tsu", b"secret")), (root,))
    words = LocalStatus(load(folder / "status", folder, b"secret"))
    notary, office = keys.load_notary(folder, b"secret", "notary-1"), keys.load_office(folder, b"secret")
    deed = pades.seal(body, notary, office, stamper, words)
    assert examine(deed, Trust((root,), (root,))).verdict == "valid"


def test_an_authority_from_before_there_was_a_status_service_gets_one(folder):
    import shutil

    shutil.rmtree(folder / "status")
    for name in ("certificates.json", "root.crl", "issuing.crl"):
        (folder / name).unlink()
    keys.complete_status(folder, b"secret")
    found = load(folder / "status", folder, b"secret")
    assert set(found.book()) == {
        s.chain[0].serial_number
        for s in (
            keys.load_office(folder, b"secret"),
            keys.load_notary(folder, b"secret", "notary-1"),
            keys.load_stamp_unit(folder / "tsu", b"secret"),
        )
    }
    before = (folder / "root.crl").read_bytes()
    keys.complete_status(folder, b"secret", now=datetime.now(UTC) + timedelta(days=100))
    assert (folder / "root.crl").read_bytes() == before
    keys.complete_status(folder, b"secret", now=datetime.now(UTC) + timedelta(days=300))
    assert (folder / "root.crl").read_bytes() != before


def test_a_damaged_book_makes_nobody_good(folder):
    found = load(folder / "status", folder, b"secret")
    issued.book_of(folder).write_bytes(b"{")
    with pytest.raises(ValueError):
        found.respond(status.request(*keys.load_office(folder, b"secret").chain[:2], b"n"))


def test_a_key_of_another_use_does_not_answer_for_others(folder):
    from signing.keyfile import BadKeyFile

    (folder / "status" / "ocsp.pem").write_bytes((folder / "office.pem").read_bytes())
    with pytest.raises(BadKeyFile, match="not for this use"):
        load(folder / "status", folder, b"secret")
