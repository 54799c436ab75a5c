import stat
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from signing import keys
from signing.keyfile import BadKeyFile, read_key, write_key


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("keys") / "authority"
    keys.make_authority(where, b"secret", "山城示例公证处")
    keys.issue_notary(where, b"secret", "notary-1", "样本丙")
    return where


def test_an_authority_is_made_once_and_loads(folder):
    office, notary = keys.load_office(folder, b"secret"), keys.load_notary(folder, b"secret", "notary-1")
    assert keys.policies(office.chain[0]) == {keys.OFFICE}
    assert keys.policies(notary.chain[0]) == {keys.NOTARY}
    assert office.chain[-1] == notary.chain[-1]
    assert list(keys.load_notaries(folder, b"secret")) == ["notary-1"]
    how = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
    notary.chain[0].public_key().verify(notary.sign(b"d" * 32), b"d" * 32, how)
    with pytest.raises(FileExistsError):
        keys.make_authority(folder, b"secret", "x")
    with pytest.raises(FileExistsError):
        keys.issue_notary(folder, b"secret", "notary-1", "样本丙")


def test_an_authority_half_made_by_a_killed_run_is_no_authority(tmp_path):
    (tmp_path / ".authority.building").mkdir()
    (tmp_path / ".authority.building" / "root.pem").write_bytes(b"half")
    keys.make_authority(tmp_path / "authority", b"secret", "山城示例公证处")
    keys.load_office(tmp_path / "authority", b"secret")
    assert [p.name for p in tmp_path.iterdir()] == ["authority"]


def test_key_files_are_private_and_encrypted_with_scrypt(folder):
    for path in folder.rglob("*.pem"):
        raw = path.read_bytes()
        if path.name == "trust.pem":
            assert b"PRIVATE" not in raw
            continue
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in raw
        shown = subprocess.run(["openssl", "asn1parse", "-in", path], capture_output=True, text=True, check=True)
        assert "scrypt" in shown.stdout
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_wrong_passphrase_a_damaged_and_a_foreign_file_are_refused(folder, tmp_path):
    with pytest.raises(BadKeyFile, match="passphrase"):
        keys.load_office(folder, b"wrong")
    with pytest.raises(BadKeyFile):
        keys.load_notary(folder, b"secret", "nobody")
    (tmp_path / "office.pem").write_bytes((folder / "office.pem").read_bytes()[:900])
    with pytest.raises(BadKeyFile):
        keys.load_office(tmp_path, b"secret")
    other = ec.generate_private_key(ec.SECP256R1())
    chain = keys.load_office(folder, b"secret").chain
    write_key(tmp_path / "mixed.pem", other, b"secret", chain)
    with pytest.raises(BadKeyFile, match="not the certificate's"):
        read_key(tmp_path / "mixed.pem", b"secret")
    with pytest.raises(BadKeyFile, match="passphrase"):
        write_key(tmp_path / "bare.pem", other, b"")


def test_a_notarys_file_cannot_pass_for_the_seal(folder, tmp_path):
    (tmp_path / "office.pem").write_bytes((folder / "notaries/notary-1.pem").read_bytes())
    with pytest.raises(BadKeyFile, match="not for this use"):
        keys.load_office(tmp_path, b"secret")


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 65, "甲"])
def test_a_notarys_id_is_no_path(folder, name):
    with pytest.raises(ValueError, match="letters"):
        keys.load_notary(folder, b"secret", name)


def test_attest_keys_sign_for_one_purpose_each(folder):
    attest = keys.load_attest(folder, b"secret")
    assert set(attest) == set(keys.PURPOSES)
    signature = attest["receipt"].sign(b"payload")
    assert keys.attested(attest["receipt"].public, b"payload", signature)
    assert not keys.attested(attest["webhook"].public, b"payload", signature)
    assert not keys.attested(attest["receipt"].public, b"payloae", signature)
    assert not hasattr(attest["receipt"], "chain")  # nothing that could stand in a deed
    assert "Private" not in repr(attest["receipt"])
