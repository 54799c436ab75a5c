"""A certificate for a key that never moves: asked for, issued by the own or an outside authority, installed after a look."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from module_world import PIN

from signing import hsm, issued, keys, profile, request
from signing.__main__ import main
from signing.hsm import Token
from signing.keyfile import BadKeyFile
from signing.kinds import KINDS, holds
from signing.places import place
from signing.profile import NOTARY, OFFICE, STAMP, BadCertificate
from signing.request import BadRequest

DIGEST = b"d" * 32


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    where = tmp_path_factory.mktemp("authority") / "keys"
    keys.make_authority(where, b"pw", "山城示例公证处")
    return where


@pytest.fixture
def folder(authority, tmp_path):
    """An office's keys without any that signs, on another machine than its authority."""
    made = tmp_path / "office"
    made.mkdir()
    (made / "trust.pem").write_bytes((authority / "trust.pem").read_bytes())
    (tmp_path / "pw").write_text("pw\n")
    return made


def roots(folder):
    return tuple(x509.load_pem_x509_certificates((folder / "trust.pem").read_bytes()))


def pem(*chain):
    return b"".join(c.public_bytes(form.Encoding.PEM) for c in chain)


def asked(folder, role=OFFICE, **other):
    where = place(folder, role, "notary-9" if role == NOTARY else None)
    subject = profile.subject(roots(folder)[0], role, "样本丁", "notary-9")
    return where, request.ask(where, b"pw", subject, **other)


def run(*words):
    return main([str(word) for word in words])


@pytest.mark.req("K08")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["file", "module"])
def test_by_three_commands_a_key_gets_its_certificate_and_signs(folder, authority, tmp_path, module, kind, where):
    """The key is made where it stays; what travels is a request and a chain."""
    with_words = ["--passphrase-file", tmp_path / "pw"]
    inside = []
    if where == "module":
        (tmp_path / "pin").write_text(PIN)
        uri = f"pkcs11:token=office;object=seal-{kind}-1?module-path={module}&pin-source=file:{tmp_path / 'pin'}"
        inside = ["--module", uri]
    try:
        assert not run(
            "request", "--keys", folder, "--for", "seal", "--algorithm", kind, *inside, *with_words, tmp_path / "r"
        )
        told = subprocess.run(
            ["openssl", "req", "-in", tmp_path / "r", "-verify", "-noout", "-text"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "verify OK" in told.stderr
        assert profile.OFFICE in told.stdout
        assert not run("issue", "--keys", authority, "--for", "seal", *with_words, tmp_path / "r", tmp_path / "c.pem")
        assert not run("install", "--keys", folder, "--for", "seal", *with_words, tmp_path / "c.pem")
        signer = keys.load_office(folder, b"pw")
        assert holds(signer.chain[0].public_key(), DIGEST, signer.sign(DIGEST))
        assert isinstance(signer, hsm.HsmSigner if where == "module" else keys.FileSigner)
        assert issued.read(authority)[signer.chain[0].serial_number] is None
        assert [p.name for p in folder.iterdir() if p.name.startswith("office")] == ["office.pem"]
    finally:
        for one in hsm._tokens.values():
            one.close()
        hsm._tokens.clear()


@pytest.mark.req("K08")
def test_a_request_that_is_made_again_is_of_the_same_key(folder):
    where, first = asked(folder)
    _, second = asked(folder)
    one, other = x509.load_pem_x509_csr(first), x509.load_pem_x509_csr(second)
    assert one.public_key() == other.public_key()
    assert where.asked.exists()
    assert not where.path.exists()


@pytest.mark.req("K08")
@pytest.mark.parametrize("role", [NOTARY, OFFICE, STAMP])
def test_every_role_gets_its_own_profile(folder, authority, role):
    where, wanted = asked(folder, role)
    chain = request.issue(authority, b"pw", wanted, role, begins=datetime.now(UTC))
    assert request.install(where, b"pw", pem(*chain), roots(folder)) == where.path
    assert keys.policies(chain[0]) == {role}
    # the same once more, after a crash behind the last line but one, changes nothing
    assert request.install(where, b"pw", pem(*chain), roots(folder)) == where.path


@pytest.mark.req("K08")
def test_an_authority_answers_no_request_that_is_not_in_order(folder, authority):
    _, good = asked(folder)
    now = datetime.now(UTC)
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    policy = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(OFFICE), None)])

    def of(subject, key=key, policy=policy):
        new = x509.CertificateSigningRequestBuilder().subject_name(subject)
        new = new.add_extension(policy, critical=False) if policy else new
        return new.sign(key, hashes.SHA256()).public_bytes(form.Encoding.PEM)

    own = profile.subject(roots(folder)[0], OFFICE)
    der = bytearray(x509.load_pem_x509_csr(good).public_bytes(form.Encoding.DER))
    der[-3] ^= 1  # within the signature
    forged = form.Encoding.PEM, x509.load_der_x509_csr(bytes(der))
    for wanted, says in {
        b"nothing": "no request", forged[1].public_bytes(forged[0]): "does not have the key",
        of(own, other): "neither P-256 nor", of(own, policy=None): "another use",
        of(profile.name_of("别的公证处", "seal")): "another office", of(profile.name_of("山城示例公证处", "x", "n-1")): "notary's id",
    }.items():  # fmt: skip
        with pytest.raises(BadRequest, match=says):
            request.issue(authority, b"pw", wanted, OFFICE, begins=now)
    with pytest.raises(BadRequest, match="another use"):
        request.issue(authority, b"pw", good, NOTARY, begins=now)
    with pytest.raises(BadRequest, match="outlast the issuing"):
        request.issue(authority, b"pw", good, OFFICE, begins=now + timedelta(days=9 * 365))


@pytest.mark.req("K08")
def test_a_chain_is_installed_only_for_its_own_key_root_role_and_time(folder, authority, tmp_path):
    where, wanted = asked(folder)
    now = datetime.now(UTC)
    chain = request.issue(authority, b"pw", wanted, OFFICE, begins=now)
    issuing_key, above = keys.read_key(authority / "issuing.pem", b"pw")

    def leaf(**other):
        named = {"role": OFFICE, "url": "http://localhost/pki"} | other
        begins, key = named.pop("begins", now), named.pop("key", x509.load_pem_x509_csr(wanted))
        return profile.certificate(chain[0].subject, key, above[0], issuing_key, begins, 700, **named)

    stranger = tmp_path / "other"
    keys.make_authority(stranger, b"pw", "别的公证处")
    foreign = keys.load_office(stranger, b"pw").chain
    bare = (
        x509.CertificateBuilder(extensions=[e for e in leaf().extensions if e.oid != x509.OID_AUTHORITY_INFORMATION_ACCESS])
        .subject_name(chain[0].subject).issuer_name(above[0].subject).public_key(x509.load_pem_x509_csr(wanted).public_key())
        .serial_number(5).not_valid_before(now).not_valid_after(now + timedelta(days=9)).sign(issuing_key, hashes.SHA384())
    )  # fmt: skip
    for given, says in {
        b"nothing": "no certificates", pem(*foreign): "office's root",
        pem(leaf(key=ec.generate_private_key(ec.SECP256R1())), *above): "another key",
        pem(leaf(role=NOTARY), *above): "not for this use", pem(leaf(begins=now - timedelta(days=800)), *above): "root",
        pem(bare, *above): "no status service", pem(leaf(role=None), *above): "not for this use",
    }.items():  # fmt: skip
        with pytest.raises(BadCertificate, match=says):
            request.install(where, b"pw", given, roots(folder))
        assert not where.path.exists()
    with pytest.raises(BadKeyFile):
        request.install(where, b"wrong", pem(*chain), roots(folder))
    request.install(where, b"pw", pem(*chain), roots(folder))


def test_what_is_refused_is_said_in_words(folder, authority, tmp_path, capsys):
    with_words = ["--passphrase-file", tmp_path / "pw"]
    assert run("request", "--keys", folder, "--for", "notary", "--notary", "n-1", *with_words, tmp_path / "r") == 1
    (tmp_path / "r").write_bytes(b"nothing")
    assert run("issue", "--keys", authority, "--for", "seal", *with_words, tmp_path / "r", tmp_path / "c") == 1
    assert run("install", "--keys", folder, "--for", "notary", "--notary", "../x", *with_words, tmp_path / "r") == 1
    said = capsys.readouterr().err
    assert "--name goes with" in said
    assert "no request in PEM form" in said
    assert "a notary's id has letters" in said


@pytest.mark.req("K08")
def test_a_key_in_a_module_shows_itself_to_no_builder(module, tmp_path):
    """What the library's builders get is a hand that signs, never a key."""
    import copy

    token = Token(module, "office", PIN)
    token.make("hidden")
    key = hsm.private(token, "hidden")
    for read in (key.private_numbers, key.private_bytes, key.exchange):
        with pytest.raises(hsm.BadToken, match="cannot be read out"):
            read()
    with pytest.raises(hsm.BadToken, match="SHA-256"):
        key.sign(b"x", ec.ECDSA(hashes.SHA384()))
    with pytest.raises(hsm.BadToken, match="no such key"):
        hsm.private(token, "missing")
    assert copy.copy(key) is copy.deepcopy(key) is key
    assert PIN not in repr(key)
    token.close()


@pytest.mark.req("K08")
def test_rotate_revoke_and_retire_by_their_commands(tmp_path, capsys):
    """The drill of docs/keys.md, command by command."""
    folder = tmp_path / "keys"
    keys.make_authority(folder, b"pw", "山城示例公证处")
    (tmp_path / "pw").write_text("pw")
    whose = ["--keys", folder, "--for", "seal"]
    with_words = ["--passphrase-file", tmp_path / "pw"]
    lost = keys.load_office(folder, b"pw").chain[0]
    since = datetime.now(UTC) - timedelta(days=2)
    reason = ["--reason", "key-compromise", "--lost-since", since.isoformat()]
    assert not run("revoke", *whose, *reason, *with_words)
    assert issued.read(folder)[lost.serial_number].since == since
    assert run("retire", *whose, *with_words) == 1
    assert "no key waits" in capsys.readouterr().err
    assert not run("rotate", *whose, "--algorithm", "rsa-3072", *with_words)
    assert run("rotate", *whose, *with_words) == 1
    assert "waits there already" in capsys.readouterr().err
    assert not run("retire", *whose, *with_words)
    new = keys.load_office(folder, b"pw").chain[0]
    assert new.public_key() != lost.public_key()
    assert issued.read(folder)[new.serial_number] is None
    assert [p.stem for p in (folder / "former").iterdir()] == [lost.fingerprint(hashes.SHA256()).hex()]
    assert not run("list", "--keys", folder, *with_words)
    assert x509.load_der_x509_crl((folder / "issuing.crl").read_bytes()).get_revoked_certificate_by_serial_number(
        lost.serial_number
    )
    assert run("revoke", *whose, "--serial", "abc", "--reason", "superseded", *with_words) == 1
    assert "no such certificate" in capsys.readouterr().err
