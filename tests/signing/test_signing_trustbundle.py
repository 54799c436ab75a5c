"""What an office knew on a day: it can take a verdict away, never give one, and nobody else can say it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from signing_world import make_facts

from signing import issued, keys, pades, places, profile, render, trustbundle
from signing.__main__ import main
from signing.evidence import Evidence
from signing.responder import load
from signing.stamp import LocalStamper
from signing.status import LocalStatus
from signing.trustbundle import BadBundle
from signing.tsa import StampUnit
from signing.verify import Trust, examine

NOW = datetime.now(UTC)
"""Just after the keys were made; set again by `office`, which may come long after this file was read."""


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """(keys' folder, trust, a deed of theirs)."""
    global NOW
    folder, facts = tmp_path_factory.mktemp("office") / "keys", make_facts()
    keys.make_authority(folder, b"pw", facts["office"]["name"])
    keys.issue_notary(folder, b"pw", facts["notary"]["id"], facts["notary"]["name"])
    seal, notary = keys.load_office(folder, b"pw"), keys.load_notary(folder, b"pw", facts["notary"]["id"])
    root = seal.chain[-1]
    stamper = LocalStamper(StampUnit(keys.load_stamp_unit(folder / "tsu", b"pw")), (root,))
    deed = pades.seal(render.deed(facts), notary, seal, stamper, LocalStatus(load(folder / "status", folder, b"pw")))
    (folder.parent / "pw").write_text("pw")
    (folder.parent / "deed.pdf").write_bytes(deed)
    NOW = datetime.now(UTC)
    return folder, Trust((root,), (root,)), deed


def made(folder, now=None, *, lost=None, lists=("root", "issuing"), sunsets=None, monkeypatch=None, **other):
    """A bundle of this office; `lost`: serial -> since when."""
    now = now or NOW
    key = keys.load_attest(folder, b"pw")["trust-bundle"]
    signer, root = places.chain_in(folder / "attest" / "trust-bundle.pem")
    issuing_key, above = keys.read_key(folder / "issuing.pem", b"pw")
    raws = {"root": (folder / "root.crl").read_bytes()}
    raws["issuing"] = issued.make_list(above[0], issuing_key, issued.read(folder) | (lost or {}), now)
    if sunsets is not None:
        monkeypatch.setattr(trustbundle, "SUNSETS", sunsets)
    named = {"signer": signer, "sign": key.sign} | other
    known = Evidence(crls=tuple(raws[name] for name in lists))
    return trustbundle.make(root, named["signer"], above, known, ["log+1+x"], named["sign"], now)


def judged(office, raw, now=None):
    _, trust, deed = office
    known = trustbundle.read(raw, trust, now or datetime.now(UTC))
    verdict = examine(deed, trust, now=now, known=known)
    return verdict.verdict, verdict.reasons[0].code if verdict.reasons else None


@pytest.mark.req("K08", "I01")
def test_a_good_deed_stays_valid_and_the_date_is_said(office):
    folder, trust, deed = office
    later = NOW + timedelta(days=100)
    raw = made(folder, later)
    assert len(raw) < 20_000
    known = trustbundle.read(raw, trust, later)
    verdict = examine(deed, trust, now=later, known=known)
    assert verdict.verdict == "valid"
    assert verdict.known_at == later.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert verdict.sentence["en"].startswith(f"Valid as known on {later:%Y-%m-%d}: ")
    assert verdict.sentence["zh"].startswith(f"截至 {later:%Y-%m-%d} 所知，有效：")
    assert known.log == ("log+1+x",)
    assert examine(deed, trust, now=later).known_at < verdict.known_at
    # one that does not speak of the signers claims no later date
    part = trustbundle.read(made(folder, later, lists=("root",)), trust, later)
    assert examine(deed, trust, now=later, known=part).known_at < verdict.known_at


@pytest.mark.req("K08")
@pytest.mark.parametrize("who", ["office.pem", "tsu/tsu.pem"])
def test_who_was_lost_before_the_deed_is_named_and_who_was_lost_after_is_not(office, who):
    folder, _, _ = office
    serial = places.chain_in(folder / who)[0].serial_number
    before = issued.Gone(NOW + timedelta(hours=1), "key-compromise", NOW - timedelta(hours=1))
    assert judged(office, made(folder, lost={serial: before})) == ("invalid", "trust.revoked")
    after = issued.Gone(NOW + timedelta(hours=2), "key-compromise", NOW + timedelta(hours=1))
    assert judged(office, made(folder, lost={serial: after})) == ("valid", None)


@pytest.mark.req("K08")
def test_an_algorithm_that_ended_asks_for_the_renewed_file_and_makes_later_signatures_nothing(office, monkeypatch):
    folder, _, _ = office
    week = (NOW + timedelta(days=7)).date().isoformat()
    raw = made(folder, NOW + timedelta(days=6), sunsets={"ecdsa": week}, monkeypatch=monkeypatch)
    assert judged(office, raw, NOW + timedelta(days=7)) == ("valid", None)
    assert judged(office, raw, NOW + timedelta(days=9)) == ("unknown", "algorithm.ended")
    gone = made(folder, sunsets={"ecdsa": "2020-01-01"}, monkeypatch=monkeypatch)
    assert judged(office, gone)[0] == "invalid"
    other = made(folder, sunsets={"rsa": "2020-01-01", "unheard-of": "2020-01-01"}, monkeypatch=monkeypatch)
    assert judged(office, other) == ("valid", None)


@pytest.mark.req("K08")
def test_a_bundle_that_nobody_should_believe_is_refused_in_words(office, tmp_path):
    folder, trust, _ = office
    good = made(folder)
    other = tmp_path / "other"
    keys.make_authority(other, b"pw", "别的公证处")
    thief = ed25519.Ed25519PrivateKey.generate()
    issuing_key, above = keys.read_key(folder / "issuing.pem", b"pw")
    root = trust.signers[0]

    def named_by(issuer, key, role=profile.TRUST):
        name = profile.subject(root, profile.TRUST)
        return profile.certificate(name, thief, issuer, key, NOW, 300, role=role, url="http://localhost/pki")

    root_key = keys.read_key(folder / "root.pem", b"pw")[0]
    _, office_chain = keys.read_key(folder / "office.pem", b"pw")
    changed = json.loads(good)
    changed["body"] = changed["body"].replace('"log+1+x"', '"log+1+y"')
    for raw, says in {
        b"": "no trust bundle", b"{}": "no trust bundle", b"[" * 100_000: "no trust bundle", b"x" * 2_000_000: "no trust bundle",
        json.dumps(changed).encode(): "signature does not hold",
        made(other): "another root",
        made(folder, sign=thief.sign): "signature does not hold",
        made(folder, sign=thief.sign, signer=named_by(above[0], issuing_key)): "another root",  # a lost issuing key
        made(folder, sign=thief.sign, signer=named_by(root, root_key, profile.NOTARY)): "not one for trust bundles",
        made(folder, sign=lambda _: b"", signer=office_chain[0]): "another root",
        made(folder, NOW + timedelta(days=1)): "dated in the future",
        made(folder, lists=("issuing",)): "no list of the root",
        made(folder, NOW - timedelta(days=30)): "was not valid on its date",
    }.items():  # fmt: skip
        with pytest.raises(BadBundle, match=says):
            trustbundle.read(raw, trust, NOW)
    with pytest.raises(BadBundle, match="older than the one you know"):
        trustbundle.read(good, trust, NOW, newer_than=NOW + timedelta(seconds=2))
    late = NOW + timedelta(days=400)
    with pytest.raises(BadBundle, match="no list of the root that was good"):
        trustbundle.read(made(folder, late), trust, late)


@pytest.mark.req("K08")
def test_a_bundle_key_that_the_root_took_back_is_not_believed(office):
    folder, trust, _ = office
    root_key = keys.read_key(folder / "root.pem", b"pw")[0]
    signer, root = places.chain_in(folder / "attest" / "trust-bundle.pem")
    named = issued.make_list(root, root_key, {signer.serial_number: NOW}, NOW)
    sign = keys.load_attest(folder, b"pw")["trust-bundle"].sign
    raw = trustbundle.make(root, signer, (), Evidence(crls=(named,)), [], sign, NOW + timedelta(seconds=1))
    with pytest.raises(BadBundle, match="revoked"):
        trustbundle.read(raw, trust, NOW)


def test_by_the_command_line_with_a_good_an_old_and_a_forged_one(office, tmp_path, capsys):
    folder, _, _ = office
    words = ["--passphrase-file", str(folder.parent / "pw")]
    assert main(["trust-bundle", "--keys", str(folder), "--out", str(tmp_path / "b"), *words]) == 0
    assert len((tmp_path / "b").read_bytes()) < 20_000
    (tmp_path / "old").write_bytes(made(folder, NOW - timedelta(minutes=2)))
    check = ["verify", str(folder.parent / "deed.pdf"), "--trust", str(folder / "trust.pem"), "--trust-bundle"]
    capsys.readouterr()
    assert main([*check, str(tmp_path / "b"), "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["sentence"]["en"].startswith("Valid as known on ")
    assert verdict["known_at"] == json.loads(json.loads((tmp_path / "b").read_text())["body"])["made_at"].replace(
        "+00:00", "Z"
    )
    assert main([*check, str(tmp_path / "b"), "--newer-than", str(tmp_path / "old")]) == 0
    capsys.readouterr()
    assert main([*check, str(tmp_path / "old"), "--newer-than", str(tmp_path / "b")]) == 64
    assert "older than the one you know" in capsys.readouterr().err
    (tmp_path / "bad").write_bytes((tmp_path / "b").read_bytes().replace(b'"signature": "', b'"signature": "00'))
    assert main([*check, str(tmp_path / "bad")]) == 64
    assert "forged" in capsys.readouterr().err
    assert main(["verify", str(folder.parent / "deed.pdf"), "--trust-bundle", str(tmp_path / "b")]) == 64
    assert "give --trust too" in capsys.readouterr().err
