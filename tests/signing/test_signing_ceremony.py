"""An office's authority is made before witnesses; afterwards no single person can use the root."""

import hashlib
import itertools
import secrets
import stat
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import ceremony, issued, keys, path, places, profile, shares
from signing.__main__ import main
from signing.keyfile import read_key
from signing.shares import BadShares, Share

CUSTODIANS = ("甲", "乙", "丙", "丁", "戊")


# ---- shares


def test_products_are_those_of_the_norm():
    assert shares.times(0x57, 0x83) == 0xC1  # FIPS 197 4.2
    assert shares.times(0x57, 0x13) == 0xFE  # FIPS 197 4.2.1
    for a in range(1, 256):
        assert shares.times(a, shares.inverse(a)) == 1


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=40), st.integers(2, 5), st.integers(0, 2))
def test_any_k_of_n_give_the_secret_back(secret, k, more):
    made = shares.split(secret, k, k + more, "0" * 16)
    for chosen in itertools.combinations(made, k):
        assert shares.join(chosen) == shares.join(reversed(chosen)) == secret


def test_fewer_than_k_say_nothing():
    """With two of three shares of a byte, every third share is as likely: one for each secret that there is."""
    first, second, _ = shares.split(b"\x2a", 3, 3, "0" * 16)
    secrets_left = {shares.join([first, second, Share("0" * 16, 3, 3, 3, bytes([x]))]) for x in range(256)}
    assert len(secrets_left) == 256


def test_shares_that_give_no_secret_are_refused_in_words():
    one, two, three = shares.split(secrets.token_bytes(32), 3, 3, "0" * 16)
    for given_, says in (
        ([], "no share"), ([one, two], "3 shares are needed, 2"), ([one, two, two], "twice"),
        ([one, two, Share("1" * 16, 3, 3, 3, three.bytes)], "different sets"),
        ([one, two, Share("0" * 16, 3, 3, 9, three.bytes)], "twice"),
    ):  # fmt: skip
        with pytest.raises(BadShares, match=says):
            shares.join(given_)
    for k, n in ((1, 3), (4, 3), (2, 17)):
        with pytest.raises(ValueError, match="between 2"):
            shares.split(b"x", k, n, "0" * 16)
    assert three.bytes.hex() not in repr(three)


def test_a_share_is_typed_from_paper_and_a_wrong_letter_is_seen():
    share = shares.split(b"\x00" * 32, 2, 3, "ab" * 8)[1]
    line = share.line()
    assert shares.parse(line) == share
    head, digits, check = line.rsplit(" ", 2)
    grouped = " ".join(digits[n : n + 4] for n in range(0, 64, 4))
    assert (
        shares.parse(f"some words\n{head.upper().replace('YUANZHENG-SHARE', 'yuanzheng-share')} {grouped}\n {check}\n")
        == share
    )
    for at in range(len("yuanzheng-share/1 "), len(line)):
        wrong = line[:at] + ("0" if line[at] != "0" else "1") + line[at + 1 :]
        if line[at] != " ":
            with pytest.raises(BadShares):
                shares.parse(wrong)
    with pytest.raises(BadShares):
        shares.parse("")


# ---- the ceremony


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """(folder, what the command printed)."""
    folder = tmp_path_factory.mktemp("ceremony") / "made"
    plan = ceremony.Plan("样例公证处", "https://notary.example/pki", CUSTODIANS)
    return folder, ceremony.hold(folder, b"pw", plan)


def given_shares(folder, *numbers):
    return [shares.parse((folder / "shares" / f"share-{n}.txt").read_text()) for n in numbers]


@pytest.mark.req("K08")
def test_the_authority_has_the_terms_and_roles_of_the_plan(held):
    folder, _ = held
    office = folder / "keys"
    issuing = places.chain_in(office / "issuing.pem")
    tsu, status = keys.load_stamp_unit(office / "tsu", b"pw").chain, places.chain_in(office / "status" / "ocsp.pem")
    years = lambda cert: (cert.not_valid_after_utc - cert.not_valid_before_utc).days / 365  # noqa: E731
    assert [round(years(c)) for c in (issuing[1], issuing[0], keys.load_office(office, b"pw").chain[0])] == [20, 10, 2]
    assert years(tsu[0]) >= 9
    assert tsu[0].not_valid_after_utc <= issuing[0].not_valid_after_utc
    assert status[0].extensions.get_extension_for_class(x509.OCSPNoCheck)
    assert {c.public_key().curve.name for c in issuing} == {"secp384r1"}
    assert not keys.is_test_authority(office)
    assert not list(office.rglob("root.pem"))
    trust = places.chain_in(office / "attest" / "trust-bundle.pem")
    assert path.policies(trust[0]) == {profile.TRUST}
    assert path.signed_by(trust[0], issuing[1])
    assert keys.load_attest(office, b"pw")["trust-bundle"].public == trust[0].public_key().public_bytes_raw()
    subprocess.run(
        ["openssl", "verify", "-CAfile", office / "trust.pem", "-untrusted", office / "issuing.pem", office / "office.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


@pytest.mark.req("K08")
def test_the_transcript_says_what_was_made_and_no_secret(held):
    folder, digest = held
    raw = (folder / "keys" / "ceremony.txt").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == digest
    assert (folder / "root" / "ceremony.txt").read_bytes() == raw
    told = raw.decode()
    for file in ("issuing.pem", "office.pem", "tsu/tsu.pem", "status/ocsp.pem"):
        cert = places.chain_in(folder / "keys" / file)[0]
        assert ceremony.describe(cert) in told
    assert all(name in told for name in CUSTODIANS)
    assert "each of the 10 choices of 3 shares opens the root's key" in told
    assert ceremony.program() in told
    for share in given_shares(folder, 1, 2, 3, 4, 5):
        assert share.bytes.hex() not in told
    for file in [p for p in folder.rglob("*") if p.is_file() and p.suffix in (".pem", ".txt")]:
        public = file.name in ("trust.pem", "ceremony.txt")
        assert stat.S_IMODE(file.stat().st_mode) == (0o644 if public else 0o600), file


@pytest.mark.req("K08")
def test_three_custodians_open_the_root_and_two_do_not(held):
    folder, _ = held
    own, now = folder / "root", datetime.now(UTC)
    for chosen in itertools.combinations(range(1, 6), 3):
        key, root = ceremony.open_root(own, given_shares(folder, *chosen))
        assert key.public_key() == root.public_key()
    one, two, three = given_shares(folder, 1, 3, 5)
    with pytest.raises(BadShares, match="3 shares are needed"):
        ceremony.open_root(own, [one, two])
    changed = Share(three.of, three.k, three.n, three.i, bytes(32))
    with pytest.raises(BadShares, match="one of them was changed"):
        ceremony.open_root(own, [one, two, changed])
    with pytest.raises(BadShares, match="another root"):
        ceremony.open_root(own, [one, two, Share("0" * 16, 3, 5, 5, three.bytes)])
    with pytest.raises(keys.BadKeyFile, match="passphrase"):
        read_key(own / "root.pem", b"pw")
    key, root = ceremony.open_root(own, [one, two, three])
    issuing = places.chain_in(folder / "keys" / "issuing.pem")[0]
    issued.revoke(own, issuing.serial_number, now)
    found = x509.load_der_x509_crl(ceremony.new_list(own, key, root, now + timedelta(days=300)))
    assert found.is_signature_valid(root.public_key())
    assert found.next_update_utc > now + timedelta(days=650)
    assert found.get_revoked_certificate_by_serial_number(issuing.serial_number)


@pytest.mark.req("K08")
def test_ceremony_and_root_by_their_commands(tmp_path, capsys, monkeypatch):
    import io

    (tmp_path / "pw").write_text("pw")
    with_words = ["--passphrase-file", str(tmp_path / "pw")]
    named = [w for name in CUSTODIANS[:3] for w in ("--custodian", name)]
    begun = [
        "ceremony", str(tmp_path / "c"), "--office", "样例公证处", "--base-url", "https://notary.example/pki", *named,
        "--needed", "2", "--algorithm", "rsa-3072", "--rehearsal", *with_words,
    ]  # fmt: skip
    assert main(begun) == 0
    told = capsys.readouterr().out
    transcript = (tmp_path / "c" / "keys" / "ceremony.txt").read_bytes()
    assert f"SHA-256 of the transcript: {hashlib.sha256(transcript).hexdigest()}" in told
    assert "REHEARSAL" in told
    assert keys.is_test_authority(tmp_path / "c" / "keys")
    assert main(begun) == 1
    own = tmp_path / "c" / "root"
    sheets = [str(tmp_path / "c" / "shares" / f"share-{n}.txt") for n in (1, 3)]
    before = places.chain_in(tmp_path / "c" / "keys" / "issuing.pem")
    assert main(["root", "list", "--root", str(own), "--share", sheets[0]]) == 1
    assert "2 shares are needed, 1 were given" in capsys.readouterr().err
    lines = "\n".join(shares.parse(open(one).read()).line() for one in sheets)  # noqa: PTH123, SIM115
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert main(["root", "issuing", "--root", str(own), "--revoke", f"{before[0].serial_number:x}", *with_words]) == 0
    made = places.chain_in(own / f"issuing-{datetime.now(UTC).year}.pem")
    assert path.build(made[0], (), before[-1:]) == made
    found = x509.load_der_x509_crl((own / "root.crl").read_bytes())
    assert found.get_revoked_certificate_by_serial_number(before[0].serial_number)
    assert not found.get_revoked_certificate_by_serial_number(made[0].serial_number)
