"""Notes, tiles, proofs, witness and monitor of a public log, each against its standard and against an insider."""

import base64
import json
import random
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signing import merkle, proof
from signing.monitor import Seen, differs, look
from signing.note import COSIGNATURE, BadNote, Checkpoint, Verifier, opened, sign
from signing.tiles import BadTiles, Tiles, in_folder, path_of, replace, write
from signing.witness import Conflict, Unproved, Witness, request, server

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAID = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""


class Office:
    """A log with its key, as an insider has it too: any lines, any past."""

    def __init__(self, folder, name="office.example/log"):
        self.key, self.folder = Ed25519PrivateKey.generate(), folder
        self.verifier = Verifier(name, self.key.public_key().public_bytes_raw())
        self.lines = []

    def says(self, kind="office", at=NOW, **public):
        line = {"seq": len(self.lines) + 1, "kind": kind, "at": at.isoformat(), "commitment": "00" * 32}
        self.lines.append(json.dumps(line | ({"public": public} if public else {}), sort_keys=True).encode())

    def note(self, size=None):
        tree = Tiles(len(self.lines), in_folder(self.folder))
        size = tree.size if size is None else size
        return sign(Checkpoint(self.verifier.name, size, tree.root(size)).body(), self.verifier, self.key.sign)

    def publish(self, folder=None):
        self.folder = folder or self.folder
        write(self.folder, 0, self.lines)
        replace(self.folder / "checkpoint", self.note().encode())
        return in_folder(self.folder)


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path / "log")
    made.says("case.issue", number="（2026）渝示证字第1号", sha256="a1" * 32)
    for n in range(9):
        made.says(at=NOW + timedelta(minutes=n))
    made.says("case.issue", at=NOW + timedelta(minutes=9), number="（2026）渝示证字第2号", sha256="b2" * 32)
    made.says("deed.revoked", at=NOW + timedelta(minutes=10), sha256="b2" * 32)
    return made


@pytest.fixture
def seen(office):
    made = Seen()
    assert look(made, office.publish(), [office.verifier], 0, NOW + timedelta(hours=1)) == []
    return made


def codes(seen, office, fetch, at=NOW + timedelta(hours=2)):
    return [fault.code for fault in look(seen, fetch, [office.verifier], 0, at)]


def test_a_note_of_another_program_opens_and_one_changed_letter_does_not():
    known = Verifier.parse(PETER)
    body, signers = opened(SAID, [known])
    assert list(signers) == ["PeterNeumann"]
    assert body.startswith("If you think")
    assert str(known) == PETER
    with pytest.raises(BadNote):
        opened(SAID.replace("answer", "Answer"), [known])
    assert opened(SAID, [])[1] == {}


@pytest.mark.parametrize(
    "bad", ["", "x", "a\n\n", "a\n\n— b\n", "a\n\n— b !!!\n", "a\n\nb c\n", "a\r\n\n— b AAAAAAA=\n", "x" * (1 << 21)]
)
def test_what_is_no_note_is_refused(bad):
    with pytest.raises(BadNote):
        opened(bad, [])


@pytest.mark.parametrize(
    "bad", ["", "o\n1\n", "o\n01\nAAAA\n", "o\n-1\n" + "A" * 43 + "=\n", "\n1\n" + "A" * 43 + "=\n"]
)
def test_what_is_no_checkpoint_is_refused(bad):
    with pytest.raises(BadNote):
        Checkpoint.parse(bad)


def test_tiles_are_named_as_the_standard_names_them():
    assert path_of(0, 1234067) == "tile/0/x001/x234/067"
    assert path_of("entries", 0, 3) == "tile/entries/000.p/3"


@pytest.mark.parametrize("steps", [(1, 2, 253), (256, 1), (300, 700), (1, 255, 256, 257)])
def test_proofs_out_of_tiles_are_those_of_the_whole_tree(tmp_path, steps):
    chance, lines, size = random.Random(7), [], 0
    for step in steps:
        fresh = [f"line {size + n}".encode() for n in range(step)]
        lines += fresh
        size = write(tmp_path, size, fresh)
    leaves, tree = [merkle.leaf_hash(one) for one in lines], Tiles(size, in_folder(tmp_path))
    assert tree.root() == merkle.root(leaves)
    assert list(tree.entries(0, size)) == lines
    for _n in range(40):
        index = chance.randrange(size)
        whole = chance.randint(index + 1, size)
        assert tree.inclusion(index, whole) == merkle.inclusion_proof(leaves[:whole], index)
        assert tree.consistency(index, whole) == merkle.consistency_proof(leaves[:whole], index)


def test_a_run_that_died_writes_the_same_files_again_and_other_lines_are_refused(tmp_path):
    write(tmp_path, 0, [b"a", b"b"])
    write(tmp_path, 2, [b"c"])
    assert write(tmp_path, 2, [b"c"]) == 3
    with pytest.raises(BadTiles):
        write(tmp_path, 2, [b"other"])


def test_an_entry_that_is_not_the_hashed_one_is_noticed(tmp_path):
    write(tmp_path, 0, [b"a", b"b"])
    (tmp_path / path_of("entries", 0, 2)).write_bytes(b"\x00\x01a\x00\x01x")
    with pytest.raises(BadTiles):
        list(Tiles(2, in_folder(tmp_path)).entries(0, 2))


# the monitor


@pytest.mark.req("I06")
def test_a_log_that_grows_is_good(office, seen):
    office.says(at=NOW + timedelta(minutes=20))
    assert codes(seen, office, office.publish()) == []
    assert seen.size == 13
    assert seen.standing["b2" * 32] == "deed.revoked"


def test_a_renewed_deed_is_the_same_deed_and_another_file_is_not(office, seen, tmp_path):
    later = NOW + timedelta(hours=1)
    office.says("deed.renewed", later, number="（2026）渝示证字第2号", before="b2" * 32, sha256="b3" * 32)
    assert codes(seen, office, office.publish()) == []
    assert differs(seen, "（2026）渝示证字第2号", "b3" * 32, "revoked") is None
    assert differs(seen, "（2026）渝示证字第2号", "b2" * 32, "revoked").code == "register.hash"
    office.says("deed.renewed", later, number="（2026）渝示证字第1号", before="b3" * 32, sha256="b4" * 32)
    assert codes(seen, office, office.publish()) == ["deed.unknown"]


@pytest.mark.req("I06")
@pytest.mark.parametrize(
    ("manipulation", "code"),
    [
        (lambda o: o.lines.pop(3), "log.shorter"),
        (lambda o: o.lines.__delitem__(slice(-2, None)), "log.shorter"),
        (lambda o: o.lines.__setitem__(3, o.lines[4]), "log.rewritten"),
        (lambda o: (o.lines.pop(3), o.says(), o.says()), "log.rewritten"),
        (lambda o: o.says(at=NOW - timedelta(days=1)), "line.back-dated"),
        (lambda o: o.says(at=NOW + timedelta(days=1)), "line.future"),
        (
            lambda o: o.says("case.issue", NOW + timedelta(hours=1), number="（2026）渝示证字第1号", sha256="c3" * 32),
            "deed.twice",
        ),
        (lambda o: o.says("number.voided", NOW + timedelta(hours=1), number="（2026）渝示证字第1号"), "deed.voided"),
        (lambda o: o.says("deed.valid", NOW + timedelta(hours=1), sha256="b2" * 32), "deed.un-revoked"),
        (lambda o: o.says("deed.revoked", NOW + timedelta(hours=1), sha256="d4" * 32), "deed.unknown"),
        (lambda o: o.lines.append(b"{}"), "line.unreadable"),
        (lambda o: o.lines.append(o.lines[-1]), "line.place"),
    ],
    ids=[
        "delete",
        "cut",
        "edit",
        "delete-and-fill",
        "back-date",
        "future",
        "re-issue",
        "void",
        "un-revoke",
        "unknown",
        "nonsense",
        "copy",
    ],
)
def test_an_insider_with_the_logs_key_is_named(office, seen, tmp_path, manipulation, code):
    manipulation(office)
    assert codes(seen, office, office.publish(tmp_path / "other")) == [code]


def test_another_key_another_log_and_no_log_are_told_apart(office, seen, tmp_path):
    other = Office(tmp_path / "x")
    other.says()
    assert codes(seen, office, other.publish()) == ["log.unsigned"]
    assert codes(seen, office, in_folder(tmp_path / "nowhere")) == ["log.unreachable"]
    good = (office.folder / "checkpoint").read_text()
    wrong = good.replace(good.split("\n")[2], base64.b64encode(bytes(32)).decode())
    replace(office.folder / "checkpoint", wrong.encode())
    assert codes(seen, office, in_folder(office.folder)) == ["log.unsigned"]


def test_tiles_that_do_not_give_the_signed_root_are_named(office, seen, tmp_path):
    office.says()
    office.publish()
    path = office.folder / path_of(0, 0, 13)
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    assert codes(seen, office, in_folder(office.folder)) == ["log.root"]


@pytest.mark.req("I06")
def test_a_register_that_says_something_else_is_named(seen):
    assert differs(seen, "（2026）渝示证字第1号", "a1" * 32, "valid") is None
    assert differs(seen, "（2026）渝示证字第9号", "a1" * 32, "valid").code == "register.not-logged"
    assert differs(seen, "（2026）渝示证字第1号", "ff" * 32, "valid").code == "register.hash"
    assert differs(seen, "（2026）渝示证字第2号", "b2" * 32, "valid").code == "register.standing"


# the witness


@pytest.fixture
def witness(office, tmp_path):
    key = Ed25519PrivateKey.generate()
    return Witness("bank.example", key, {office.verifier.name: office.verifier}, tmp_path / "w", lambda: 1_800_000_000)


def test_a_witness_signs_what_continues_and_nothing_else(office, witness, tmp_path):
    office.publish()
    tree = Tiles(12, in_folder(office.folder))
    with pytest.raises(Conflict) as other:
        witness.add(5, tree.consistency(5), office.note())
    assert other.value.size == 0
    note = office.note() + witness.add(0, [], office.note())
    assert opened(note, [office.verifier, witness.verifier])[1] == {
        "office.example/log": None,
        "bank.example": 1_800_000_000,
    }

    office.says()
    office.publish()
    fork = Office(tmp_path / "fork")
    fork.key, fork.verifier = office.key, office.verifier
    fork.lines = [*office.lines[:5], b"{}", *office.lines[6:]]
    fork.publish()
    with pytest.raises(Unproved):
        witness.add(12, Tiles(13, in_folder(fork.folder)).consistency(12), fork.note())
    assert witness.add(12, Tiles(13, in_folder(office.folder)).consistency(12), office.note())
    with pytest.raises(BadNote):
        witness.add(13, [], "unknown.example\n1\nAA==\n\n— x AAAAAAA=\n")


def test_a_witness_over_http_says_what_the_standard_says(office, witness):
    office.publish()
    door = server(witness, 0)
    threading.Thread(target=door.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{door.server_address[1]}"
    tree = Tiles(12, in_folder(office.folder))
    try:
        asked = httpx.post(f"{url}/add-checkpoint", content=request(3, tree.consistency(3), office.note()))
        assert (asked.status_code, asked.text, asked.headers["Content-Type"]) == (409, "0\n", "text/x.tlog.size")
        answer = httpx.post(f"{url}/add-checkpoint", content=request(0, [], office.note()))
        assert answer.status_code == 200
        assert opened(office.note() + answer.text, [witness.verifier])[1] == {"bank.example": 1_800_000_000}
        assert httpx.post(f"{url}/add-checkpoint", content=b"old x\n\n").status_code == 403
        assert httpx.post(f"{url}/add-checkpoint", content=b"x" * 70_000).status_code == 413
        assert httpx.post(f"{url}/other", content=b"").status_code == 404
    finally:
        door.shutdown()
        door.server_close()


def test_a_monitor_wants_as_many_witnesses_as_it_was_told(office, witness):
    fetch = office.publish()
    known = [office.verifier, witness.verifier]
    assert witness.verifier.kind == COSIGNATURE
    assert [one.code for one in look(Seen(), fetch, known, 1, NOW + timedelta(hours=1))] == ["log.no-witness"]
    replace(office.folder / "checkpoint", (office.note() + witness.add(0, [], office.note())).encode())
    assert look(Seen(), fetch, known, 1, NOW + timedelta(hours=1)) == []


# the proof


@pytest.fixture
def proved(office):
    """The proof of line 11, which issues number 2."""
    import hashlib

    salt, private = b"s" * 16, b'{"kind":"case.issue"}'
    line = json.loads(office.lines[10]) | {"commitment": hashlib.sha256(salt + private).hexdigest()}
    office.lines[10] = json.dumps(line, sort_keys=True).encode()
    office.publish()
    tree = Tiles(12, in_folder(office.folder))
    return proof.made(office.lines[10], 10, 12, tree.inclusion(10), office.note(), salt, private)


@pytest.mark.req("I03", "I06")
def test_a_proof_shows_this_file_under_this_number_and_nothing_else(office, proved):
    place = proof.read(proved, "b2" * 32, "（2026）渝示证字第2号", [office.verifier])
    assert (place.index, place.size, place.signers) == (10, 12, ("office.example/log",))
    for sha256, number in (("b3" * 32, "（2026）渝示证字第2号"), ("b2" * 32, "（2026）渝示证字第3号")):
        with pytest.raises(proof.BadProof, match="another deed"):
            proof.read(proved, sha256, number)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("index", 9),
        ("size", 11),
        ("path", []),
        ("leaf", "{}"),
        ("format", "x"),
        ("checkpoint", "x"),
        ("opening", {"salt": "00", "private": "x"}),
    ],
)
def test_a_proof_with_one_field_changed_is_refused(proved, field, value):
    changed = json.dumps(json.loads(proved) | {field: value}).encode()
    with pytest.raises(proof.BadProof):
        proof.read(changed, "b2" * 32, "（2026）渝示证字第2号")


def test_the_commands_a_bank_runs(office, seen, tmp_path, capsys):
    from signing.__main__ import main

    for line in range(len(office.lines)):  # the command looks at the real clock, and the future is a fault
        entry = json.loads(office.lines[line]) | {"at": "2026-01-01T00:00:00+00:00"}
        office.lines[line] = json.dumps(entry, sort_keys=True).encode()
    office.publish(tmp_path / "old")
    watch = ["monitor", str(tmp_path / "old"), "--key", str(office.verifier), "--state", str(tmp_path / "seen.json")]
    assert main(watch) == 0
    assert "12 lines" in capsys.readouterr().out
    office.lines.pop()
    office.publish(tmp_path / "cut")
    assert main([*watch[:1], str(tmp_path / "cut"), *watch[2:]]) == 1
    assert "log.shorter" in capsys.readouterr().out
    assert main([*watch[:3], "nonsense", *watch[4:]]) == 64
