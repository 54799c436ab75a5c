"""An insider with root, the database and the office's keys tries twelve manipulations; each is named.

The public log's monitor remembers what it saw; `notary audit` lays the tables beside the ledger; the bank has its proof.
"""

import copy
import hashlib
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from notary import ledger
from notary.models import Case, Deed, Event, Interview, Number
from notary.office import auditing, publishing
from signing import proof
from signing.monitor import Seen, differs, look
from signing.note import Checkpoint, Verifier, sign
from signing.tiles import Tiles, in_folder, replace, write


@pytest.fixture(scope="module")
def told(world):
    """One deed issued, one issued and revoked; the log published and seen by a monitor."""
    for case_id in world.case_ids:
        world.issue(case_id)
    base = f"/desk/cases/{world.case_ids[1]}/review"
    assert world.browser("liyuan").form(base, reason="担保人身份可能不实").status_code == 303
    said = {"outcome": "revoked", "decision": "申请人隐瞒了担保人身份的变更"}
    assert world.decide(world.case_ids[1], **said).status_code == 200
    publishing.publish(world.parts)
    world.seen = Seen()
    assert monitor(world) == []
    return world


def monitor(world, folder=None):
    fetch = in_folder(folder or publishing.folder(world.parts))
    return [one.code for one in look(world.seen, fetch, [publishing.verifier(world.parts)], 0, world.clock())]


def republished(world, lines, folder):
    """The insider's own log out of any lines, signed with the office's own key."""
    write(folder, 0, lines)
    name = publishing.verifier(world.parts)
    body = Checkpoint(name.name, len(lines), Tiles(len(lines), in_folder(folder)).root()).body()
    note = sign(body, name, lambda payload: world.parts.seal.attest("checkpoint", payload).signature)
    replace(folder / "checkpoint", note.encode())
    return folder


def lines_of(world):
    with world.parts.db() as db:
        return [bytes(leaf) for leaf in db.scalars(sa.select(Event.leaf).order_by(Event.seq))]


def audited(world, manipulate):
    """What the audit names after a change that the database's owner makes behind every guard."""
    with world.parts.db() as db:
        db.execute(sa.text("SET session_replication_role = replica"))
        manipulate(db)
        db.flush()
        db.expire_all()
        found = auditing.faults(db, world.parts)
        db.rollback()
        db.execute(sa.text("SET session_replication_role = DEFAULT"))
    return found


@pytest.mark.req("I06")
def test_an_honest_office_has_no_fault_and_its_log_names_nobody(told):
    with told.parts.db() as db:
        assert auditing.faults(db, told.parts) == []
    text = b"\n".join(lines_of(told)).decode()
    for private in ("王大川", "00000019680421", "13800138000", "隐瞒", str(told.case_ids[0])):
        assert private not in text
    assert text.count('"kind":"case.issue"') == 2


@pytest.mark.req("I06")
def test_what_is_done_to_the_log_is_named_by_who_watches_it(told, tmp_path):
    lines = lines_of(told)

    def line(kind, at, **public):
        entry = {"seq": len(lines) + 1, "kind": kind, "at": at.isoformat(), "commitment": "0" * 64, "public": public}
        return json.dumps(entry).encode()

    now = told.clock()
    with told.parts.db() as db:
        number, sha256 = db.execute(sa.select(Deed.number, Deed.sha256).where(Deed.standing == "revoked")).one()
    edited = [*lines[:4], lines[4].replace(b'"commitment":"', b'"commitment":"f', 1), *lines[5:]]
    tries = {
        "back-date": ([*lines, line("office", now - timedelta(days=9))], "line.back-dated"),
        "delete": (lines[:4] + lines[5:] + [line("office", now)], "log.rewritten"),
        "edit a row": (edited, "log.rewritten"),
        "roll back": (lines[: len(lines) // 2], "log.shorter"),
        "fork": ([*lines[:-3], *[line("office", now)] * 3], "log.rewritten"),
        "cut the tail": (lines[:-1], "log.shorter"),
        "re-issue": ([*lines, line("case.issue", now, number=number, sha256="e" * 64)], "deed.twice"),
        "un-revoke": ([*lines, line("deed.valid", now, sha256=sha256)], "deed.un-revoked"),
    }
    for name, (other, code) in tries.items():
        before = copy.deepcopy(vars(told.seen))
        assert monitor(told, republished(told, other, tmp_path / name)) == [code], name
        vars(told.seen).update(before)


@pytest.mark.req("I06")
@pytest.mark.parametrize(
    ("name", "statement", "named"),
    [
        ("edit a row", "UPDATE events SET payload = payload || '{\"x\": 1}' WHERE kind = 'case.approve'", "its columns are not"),
        ("delete", "DELETE FROM events WHERE seq = 5", "are missing"),
        ("cut the tail", "DELETE FROM events WHERE seq > (SELECT max(seq) - 2 FROM events)", "lines were published"),
        ("un-revoke", "UPDATE deeds SET standing = 'valid' WHERE standing = 'revoked'", "stands as valid, logged as revoked"),
        ("change a decision", "UPDATE reviews SET decision = '查无问题'", "outcome or decision is not what was logged"),
        ("change an approval", "UPDATE cases SET approver_id = (SELECT id FROM people WHERE login = 'zhaozheng') WHERE approver_id IS NOT NULL", "approved by somebody else"),
        ("re-issue", "UPDATE numbers SET body_sha256 = repeat('0', 64) WHERE state = 'issued'", "its notary's activation does not name"),
        ("alter the register's hash", "UPDATE deeds SET sha256 = repeat('a', 32) || right(sha256, 32)", "file hash is not what was logged"),
        ("back-date", "UPDATE events SET at = at - interval '30 days' WHERE kind = 'case.issue'", "its columns are not"),
    ],
)  # fmt: skip
def test_what_is_done_to_the_tables_is_named_by_the_audit(told, name, statement, named):
    found = audited(told, lambda db: db.execute(sa.text(statement)))
    assert any(named in one for one in found), (name, found)


@pytest.mark.req("I06", "D05")
def test_a_swapped_recording_is_named_with_and_without_its_manifest(told):
    with told.parts.db() as db:
        interview = db.scalars(sa.select(Interview).where(Interview.case_id == told.case_ids[0])).one()
        other = db.scalars(sa.select(Interview).where(Interview.case_id == told.case_ids[1])).one()
    folder = told.parts.settings.under("recordings", str(interview.id))
    path = max((one for one in folder.iterdir() if one.is_file()), key=lambda one: one.stat().st_size)
    kept = path.read_bytes()
    try:
        path.write_bytes(kept[: len(kept) // 2] + bytes([kept[len(kept) // 2] ^ 1]) + kept[len(kept) // 2 + 1 :])
        assert any(str(interview.id) in one and "damaged" in one for one in audited(told, lambda db: None))
    finally:
        path.write_bytes(kept)

    def swap(db):
        row = db.get_one(Interview, interview.id)
        row.manifest = {**other.manifest, "room": str(interview.id)}
        row.manifest_sha256 = hashlib.sha256(b"whatever").hexdigest()

    assert any("not the one that was sealed and logged" in one for one in audited(told, swap))


@pytest.mark.req("I06")
def test_a_replayed_activation_makes_no_deed_and_is_named(told):
    """The activation of one deed copied onto another number: the seal refuses, and the audit names the number."""
    from notary.seal.refusals import SealError

    with told.parts.db() as db:
        first, second = db.scalars(sa.select(Number).where(Number.state == "issued").order_by(Number.n)).all()
    from notary.office import issuing

    with told.parts.db() as db:
        case = db.get_one(Case, second.case_id)
        body = issuing.body_of(told.parts, case, db.get_one(Number, second.id))
    with pytest.raises(SealError):
        told.parts.seal.issue(str(first.case_id), body, issuing.activation_of(first))

    def replay(db):
        db.execute(
            sa.update(Number)
            .where(Number.id == second.id)
            .values(body_sha256=first.body_sha256, activation=first.activation)
        )

    assert any(second.text in one for one in audited(told, replay))


@pytest.mark.req("I06", "I07")
def test_a_bank_that_kept_its_proof_sees_what_the_register_forgets(told):
    with told.parts.db() as db:
        deed = db.scalars(sa.select(Deed).where(Deed.standing == "revoked")).one()
        kept = publishing.proof_of(db, told.parts, db.get_one(Case, deed.case_id))
    place = proof.read(kept, deed.sha256, deed.number, [publishing.verifier(told.parts)])
    assert place.signers == (publishing.verifier(told.parts).name,)
    assert differs(told.seen, deed.number, deed.sha256, "revoked") is None
    assert differs(told.seen, deed.number, deed.sha256, "valid").code == "register.standing"
    assert differs(told.seen, deed.number, "a" * 64, "revoked").code == "register.hash"


def test_a_database_with_another_past_is_not_published(told):
    with told.parts.db.begin() as db:
        db.execute(sa.text("SET session_replication_role = replica"))
        last = db.scalar(sa.select(sa.func.max(Event.seq)))
        db.execute(sa.text("UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE seq = :n"), {"n": last})
        db.execute(sa.text("SET session_replication_role = DEFAULT"))
    try:
        with pytest.raises(publishing.Differs):
            publishing.publish(told.parts)
    finally:
        with told.parts.db.begin() as db:
            db.execute(sa.text("SET session_replication_role = replica"))
            leaf = bytes(db.scalar(sa.select(Event.leaf).where(Event.seq == last)))
            digest = hashlib.sha256(b"\x00" + leaf).digest()
            db.execute(sa.text("UPDATE events SET leaf_hash = :h WHERE seq = :n"), {"h": digest, "n": last})
            db.execute(sa.text("SET session_replication_role = DEFAULT"))


def test_the_log_is_served_as_it_stands_and_nothing_beside_it(told):
    http, parts = told.stranger().http, told.parts
    note = http.get("/log/checkpoint")
    size = Checkpoint.parse(note.text).size
    assert note.headers["Cache-Control"] == "no-cache"
    tile = http.get(f"/log/tile/0/000.p/{size}") if size < 256 else http.get("/log/tile/0/000")
    assert "immutable" in tile.headers["Cache-Control"]
    assert Verifier.parse(http.get("/.well-known/yuanzheng/log.vkey").text) == publishing.verifier(parts)
    for name in ("../secrets/storage_key", "tile/0/..%2f..%2fx", "tile/0/999", "x"):
        assert http.get(f"/log/{name}").status_code == 404


def test_the_bundle_carries_its_place_in_the_log(told):
    from signing.verify import Trust, verify

    bob, case_id = told.browser("chenjing"), told.case_ids[0]
    data = bob.get(f"/desk/cases/{case_id}/deed.pdf").data
    packed = bob.form(f"/desk/cases/{case_id}/bundle", **{"bundle-reason": "法院调取"}).data
    verdict = verify(data, Trust.from_pem(told.parts.seal.public().trust_pem), bundle=packed)
    assert verdict.verdict == "valid", verdict.reasons
    assert any("line " in (step.detail or "") for step in verdict.steps)


def test_while_the_seal_is_away_there_is_no_proof_and_the_evidence_goes_out_all_the_same(told):
    from dataclasses import replace

    from notary.errors import NotYet
    from notary.office import bundling, issuing
    from notary.seal.client import SealClient

    alone = replace(told.parts, seal=SealClient(told.home / "nowhere.sock"))
    with alone.db() as db:
        case = db.get_one(Case, told.case_ids[0])
        with pytest.raises(NotYet):
            publishing.proof_of(db, alone, case)
        deed = issuing.deed_of(db, case)
        packed = bundling.bundle(db, alone, case, issuing.deed_bytes(alone, case, deed))
    assert packed.startswith(b"PK")
    assert b"log.json" not in packed


def test_who_asks_for_the_proof_of_a_fresh_line_has_it_published(told):
    """The bank fetches deed and proof in one breath, seconds after the issue."""
    publishing.publish(told.parts)
    head = publishing.published(told.parts)
    with told.parts.db.begin() as db:
        ledger.append(db, "case.read", ledger.SYSTEM, told.clock())
        case = db.get_one(Case, told.case_ids[0])
        deed = db.scalars(sa.select(Deed).where(Deed.case_id == case.id)).one()
        ledger.append(
            db, "deed.renewed", ledger.SYSTEM, told.clock(), case_id=case.id, number=deed.number, before="0", sha256=deed.sha256
        )  # fmt: skip
    with told.parts.db() as db:
        raw = publishing.proof_of(db, told.parts, db.get_one(Case, told.case_ids[0]))
    assert publishing.published(told.parts).size == head.size + 2
    assert proof.read(raw, deed.sha256, deed.number).index == head.size + 1
