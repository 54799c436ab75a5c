"""A full disk when the deed is to be stored: nothing is issued, nothing half-written; with room again, the same number."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from notary.errors import Unavailable
from notary.models import Deed, Number
from notary.office import issuing
from storage.errors import StoreFull

pytestmark = pytest.mark.slow


class Full:
    """The office's store on a disk without room: everything there can be read."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def put_once(self, key, _data):
        raise StoreFull(key)


@pytest.mark.req("H02")
def test_a_full_disk_issues_nothing_and_the_same_number_is_issued_afterwards(world):
    case_id = world.case_ids[0]
    world.draft_and_propose(case_id)
    assert world.approve(case_id).status_code == 200
    full = replace(world.parts, store=Full(world.parts.store))
    with world.parts.db() as db:
        number = issuing.reserved(db, world.case(case_id))
    with pytest.raises(Unavailable) as said:
        issuing.render_body(full, str(number.id))
    assert "磁盘满了" in said.value.title()
    world.work()
    assert world.seal(case_id).status_code == 200
    before = sorted(world.parts.store.list())
    with pytest.raises(Unavailable):
        issuing.issue(full, str(number.id))

    with world.parts.db() as db:
        kept = db.get_one(Number, number.id)
        assert (str(kept.state), kept.text) == ("reserved", number.text)
        assert db.scalar(sa.select(sa.func.count()).select_from(Deed)) == 0
    assert sorted(world.parts.store.list()) == before
    assert world.case(case_id).state == "approved"
    assert "正在" in world.browser("chenjing").get(f"/desk/cases/{case_id}/deed").text
    issuing.issue(world.parts, str(number.id))
    with world.parts.db() as db:
        assert db.scalars(sa.select(Deed.number)).all() == [number.text]
    assert world.case(case_id).state == "issued"
