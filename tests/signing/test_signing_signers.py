"""One contract for every place where a key can be, a file or a module behind PKCS#11 (SoftHSM), and for both kinds."""

import functools
import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from module_world import PIN

from signing import hsm, keys
from signing.hsm import BadToken, Token
from signing.keyfile import BadKeyFile
from signing.kinds import KINDS, P256, RSA3072

DIGEST = hashlib.sha256("公证书".encode()).digest()


@pytest.fixture
def token(module):
    made = Token(module, "office", PIN)
    yield made
    made.close()


class Inside:
    """As much of a key in a module as a certificate asks for."""

    def __init__(self, public):
        self.public = public

    def public_key(self):
        return self.public


def authority():
    """A root and what it says of a leaf's key."""
    root_key = ec.generate_private_key(ec.SECP384R1())
    name = keys.name_of("样例公证处", "TEST Root")
    now = datetime.now(UTC)
    root = keys.certificate(name, root_key, None, root_key, now, 90, ca=1, url="http://localhost/pki")
    return root, root_key, now


def check(key, signature, digest):
    """By the library's own arithmetic, kind by kind."""
    if isinstance(key, rsa.RSAPublicKey):
        assert key.key_size == 3072
        key.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
    else:
        assert key.curve.name == "secp256r1"
        key.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


@functools.cache  # an RSA key takes a second to make, here and in the module
def in_file(_token, kind=P256):
    root, root_key, now = authority()
    key = kind.make()
    name = keys.name_of("样例公证处", "seal")
    leaf = keys.certificate(name, key, root, root_key, now, 30, role=keys.OFFICE, url="http://localhost/pki")
    return keys.FileSigner((leaf, root), key)


def in_module(token, kind=P256):
    root, root_key, now = authority()
    name = f"seal-{os.urandom(4).hex()}"
    public = token.make(name, kind)
    subject = keys.name_of("样例公证处", "seal")
    leaf = keys.certificate(
        subject, Inside(public), root, root_key, now, 30, role=keys.OFFICE, url="http://localhost/pki"
    )
    return token.signer(name, (leaf, root))


@pytest.fixture(params=KINDS.values(), ids=str)
def kind(request):
    return request.param


@pytest.fixture(params=[in_file, in_module], ids=["file", "pkcs11"])
def signer(request, token, kind):
    return request.param(None if request.param is in_file else token, kind)


@pytest.mark.req("K08", "H09")
def test_a_signature_is_over_exactly_this_digest(signer, kind):
    key = signer.chain[0].public_key()
    signature = signer.sign(DIGEST)
    check(key, signature, DIGEST)
    assert signature[0] == 0x30 if kind is P256 else len(signature) == 384
    with pytest.raises(InvalidSignature):
        check(key, signature, hashlib.sha256(b"another").digest())


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_what_is_no_digest_is_refused(signer, size):
    with pytest.raises(ValueError, match="32 bytes"):
        signer.sign(bytes(size))


def test_a_hundred_signatures_all_hold_and_the_key_shows_in_no_repr(signer):
    key = signer.chain[0].public_key()
    for n in range(100):
        digest = hashlib.sha256(bytes([n])).digest()
        check(key, signer.sign(digest), digest)
    assert PIN not in repr(signer)


@pytest.mark.req("K08")
def test_a_key_in_the_module_cannot_be_read_out(token, kind):
    import pkcs11

    signer = in_module(token, kind)

    def read(session):
        key = session.get_key(label=signer.name, object_class=pkcs11.ObjectClass.PRIVATE_KEY)
        assert key[pkcs11.Attribute.SENSITIVE]
        assert not key[pkcs11.Attribute.EXTRACTABLE]
        assert key[pkcs11.Attribute.LOCAL]  # made inside
        return key[pkcs11.Attribute.VALUE if kind is P256 else pkcs11.Attribute.PRIVATE_EXPONENT]

    with pytest.raises(OSError, match="AttributeSensitive"):
        token.run(read)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the search of the session that we shut
def test_a_session_that_is_gone_is_opened_anew(token):
    signer = in_module(token)
    token._session.close()
    check(signer.chain[0].public_key(), signer.sign(DIGEST), DIGEST)


def test_another_token_another_pin_another_key_and_no_module_are_told_apart(module, token):
    signer = in_module(token)
    with pytest.raises(BadToken, match="no PKCS#11 module"):
        Token("/nowhere/lib.so", "office", PIN).make("x")
    with pytest.raises(BadToken, match="no such token"):
        Token(module, "another", PIN).make("x")
    with pytest.raises(BadToken, match="no such key"):
        token.signer("missing", signer.chain)
    with pytest.raises(BadToken, match="not the one of its certificate"):
        token.signer(signer.name, in_module(token).chain)
    with pytest.raises(BadToken, match="not the one of its certificate"):
        token.signer(signer.name, in_file(None, RSA3072).chain)
    with pytest.raises(FileExistsError):
        token.make(signer.name)


def test_a_wrong_pin_is_said_to_be_one(module, token):
    token.close()  # a user who is logged in already is not asked for the PIN again
    with pytest.raises(BadToken, match="PIN"):
        Token(module, "office", "000000").make("x")


# a file that names the key


@pytest.fixture
def named(module, token, tmp_path):
    """A file as an office keeps it beside its other keys, and the signer that made it."""
    from cryptography.hazmat.primitives import serialization as form

    signer = in_module(token)
    token.close()
    (tmp_path / "pin").write_text(PIN + "\n")
    uri = f"pkcs11:token=office;object={signer.name}?module-path={module}&pin-source=file:{tmp_path / 'pin'}"
    chain = b"".join(one.public_bytes(form.Encoding.PEM) for one in signer.chain)
    (tmp_path / "office.pem").write_bytes(uri.encode() + b"\n" + chain)
    yield tmp_path
    for one in hsm._tokens.values():
        one.close()
    hsm._tokens.clear()


@pytest.mark.req("K08")
def test_a_file_may_name_a_key_instead_of_holding_it(named):
    signer = keys.load_office(named, b"whatever")
    check(signer.chain[0].public_key(), signer.sign(DIGEST), DIGEST)
    assert isinstance(signer, hsm.HsmSigner)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("object=", "objekt=", "named by token, object"), ("&pin-source", "&pin-value=1&pin-source", "without its PIN"),
        ("token=office", "token=other", "no such token"), ("BEGIN CERTIFICATE", "BEGIN NOTHING", "damaged"),
    ],
)  # fmt: skip
def test_a_file_that_names_it_wrongly_says_what_is_wrong(named, old, new, says):
    path = named / "office.pem"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BadKeyFile, match=says):
        keys.load_office(named, b"")


@pytest.mark.req("K08", "H03")
def test_a_deed_sealed_by_a_key_in_a_module_is_valid(named, module, token, facts):
    """The office's seal lies in the module, the notary's key in a file: one deed, the same verdict."""
    from signing import pades, render
    from signing.throwaway import URL, authority
    from signing.verify import Trust, examine

    house = authority(facts["office"]["name"])
    name = f"seal-{os.urandom(4).hex()}"
    public, now = token.make(name), datetime.now(UTC)
    subject = house.seal.chain[0].subject
    leaf = keys.certificate(
        subject, Inside(public), house.issuing, house._issuing_key, now, 30, role=keys.OFFICE, url=URL
    )
    house.book[leaf.serial_number] = None
    seal = token.signer(name, (leaf, *house.seal.chain[1:]))
    notary = house.notary(facts["notary"]["name"], facts["notary"]["id"])
    deed = pades.seal(render.deed(facts), notary, seal, house.stamper, house.status)
    verdict = examine(deed, Trust((house.root,), (house.root,)))
    assert verdict.verdict == "valid", verdict.reasons
    token.close()


# whole deeds by RSA keys


@pytest.mark.req("K08", "H03", "H09")
def test_a_deed_signed_by_rsa_keys_all_through_is_valid_to_us_and_to_others(facts, tmp_path):
    """Notary, seal, stamp unit and responder: RSA-3072. Ten deeds, none of which takes asn1crypto into its stall."""
    import time

    from cryptography.hazmat.primitives import serialization as form

    from signing import pades, render, second, specimen
    from signing.throwaway import authority
    from signing.verify import Trust, examine

    house = authority(facts["office"]["name"], RSA3072)
    notary = house.notary(facts["notary"]["name"], facts["notary"]["id"])
    trust, took = Trust((house.root,), (house.root,)), []
    for no in range(1, 11):
        body = render.deed(specimen.vary(facts, no))
        begun = time.perf_counter()
        deed = pades.seal(body, notary, house.seal, house.stamper, house.status)
        took.append(time.perf_counter() - begun)
        verdict = examine(deed, trust)
        assert verdict.verdict == "valid", verdict.reasons
        assert len(deed) - len(body) < 50_000
    assert sorted(took)[-2] <= 5 * sorted(took)[5]
    assert second.opinion(deed, trust, datetime.fromisoformat(verdict.archived_at)) == ""
    (tmp_path / "deed.pdf").write_bytes(deed)
    (tmp_path / "root.der").write_bytes(house.root.public_bytes(form.Encoding.DER))
    (tmp_path / "nss").mkdir()
    made = [sys.executable, Path(__file__).with_name("nss_database.py"), tmp_path / "nss", tmp_path / "root.der"]
    subprocess.run(made, check=True, capture_output=True)
    said = subprocess.run(
        ["pdfsig", "-no-ocsp", "-nssdir", tmp_path / "nss", tmp_path / "deed.pdf"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said.count("Signature is Valid.") >= 2
    assert said.count("Certificate is Trusted.") >= 2


@pytest.mark.req("H09")
def test_an_rsa_key_that_is_too_short_signs_no_deed(facts):
    """A file with such a key is refused, and so is a deed that somebody made with one all the same."""
    from signing import pades, render
    from signing.throwaway import URL, authority
    from signing.verify import Trust, examine

    house = authority(facts["office"]["name"])
    key = rsa.generate_private_key(65537, 2048)
    leaf = keys.certificate(
        house.seal.chain[0].subject, key, house.issuing, house._issuing_key, datetime.now(UTC), 30,
        role=keys.OFFICE, url=URL,
    )  # fmt: skip
    house.book[leaf.serial_number] = None
    notary = house.notary(facts["notary"]["name"], facts["notary"]["id"])
    weak = keys.FileSigner((leaf, *house.seal.chain[1:]), key)
    deed = pades.seal(render.deed(facts), notary, weak, house.stamper, house.status)
    verdict = examine(deed, Trust((house.root,), (house.root,)))
    assert (verdict.verdict, verdict.reasons[0].code) == ("invalid", "signature.weak")


@pytest.mark.parametrize(
    "made", [lambda: rsa.generate_private_key(65537, 2048), lambda: ec.generate_private_key(ec.SECP384R1())]
)
def test_a_file_with_another_kind_of_key_is_refused(tmp_path, made):
    from signing.keyfile import write_key

    root, root_key, now = authority()
    key = made()
    name = keys.name_of("样例公证处", "seal")
    leaf = keys.certificate(name, key, root, root_key, now, 30, role=keys.OFFICE, url="http://localhost/pki")
    write_key(tmp_path / "office.pem", key, b"pw", (leaf, root))
    with pytest.raises(BadKeyFile, match="P-256 or RSA-3072"):
        keys.load_office(tmp_path, b"pw")
