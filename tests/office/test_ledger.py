"""The ledger: gapless, append-only, and every edit is named."""

import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from notary import ledger
from notary.ledger import SYSTEM


def test_lines_are_numbered_without_gaps_under_eight_writers(parts, clock):
    def write() -> None:
        for _ in range(25):
            with parts.db.begin() as db:
                ledger.append(db, "test.line", SYSTEM, clock(), word="x")

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with parts.db() as db:
        numbers = list(db.scalars(sa.text("SELECT seq FROM events ORDER BY seq")))

    assert list(range(1, len(numbers) + 1)) == numbers
    assert len(numbers) >= 200


def test_a_rolled_back_line_leaves_no_gap(parts, clock):
    with parts.db() as db:
        ledger.append(db, "test.lost", SYSTEM, clock())
        db.rollback()
    with parts.db.begin() as db:
        ledger.append(db, "test.kept", SYSTEM, clock())

        assert [] == ledger.faults(db)


@pytest.mark.req("D05", "J06")
@pytest.mark.parametrize("statement", ["UPDATE events SET kind = 'x'", "DELETE FROM events", "TRUNCATE events"])
def test_the_database_refuses_to_change_a_line(parts, statement):
    with pytest.raises(IntegrityError), parts.db.begin() as db:
        db.execute(sa.text(statement))


@pytest.mark.req("I06")
@pytest.mark.parametrize(
    "column",
    [
        "kind = 'x'",
        "actor = 'x'",
        "payload = '{}'",
        "at = at - interval '1 day'",
        "case_id = gen_random_uuid()",
    ],
)
def test_an_edit_by_the_database_owner_is_named(parts, column):
    with parts.db.begin() as db:
        db.execute(sa.text("ALTER TABLE events DISABLE TRIGGER USER"))
        db.execute(sa.text(f"UPDATE events SET {column} WHERE seq = 2"))

        assert ["events: line 2: its columns are not what its leaf says"] == ledger.faults(db)


def test_a_deleted_line_is_named(parts):
    with parts.db.begin() as db:
        db.execute(sa.text("ALTER TABLE events DISABLE TRIGGER USER"))
        db.execute(sa.text("DELETE FROM events WHERE seq = 3"))

        assert ["events: lines 3 to 3 are missing"] == ledger.faults(db)
