"""A case that was approved and then ends without a deed keeps a number that says why it is void."""

import pytest
import sqlalchemy as sa

from notary.models import Number
from notary.office import issuing


@pytest.mark.req("H02", "G08")
def test_a_refusal_after_the_approval_voids_the_number_but_not_under_the_seals_hand(world):
    case_id = world.case_ids[0]
    world.draft_and_propose(case_id)
    assert world.approve(case_id).status_code == 200
    world.work()
    base = f"/desk/cases/{case_id}/ending"
    said = {"ground": "refuse:false-facts", "text": "批准后收到线索，所附通知系伪造。"}
    assert world.browser("chenjing").form(base, **said).status_code == 303

    with world.parts.db.begin() as db:
        number = issuing.reserved(db, world.case(case_id))
        number.activation = {"given_at": world.clock().isoformat()}
    assert world.end(case_id, agree="yes").status_code == 409
    assert world.case(case_id).state == "approved"
    with world.parts.db.begin() as db:
        issuing.reserved(db, world.case(case_id)).activation = {}

    assert world.end(case_id, agree="yes").status_code == 200
    assert world.case(case_id).state == "refused"
    with world.parts.db() as db:
        row = db.scalars(sa.select(Number).where(Number.case_id == case_id)).one()
    assert (row.n, str(row.state), bool(row.why_void)) == (1, "void", True)
    assert world.seal(case_id).status_code in (404, 409, 422)
