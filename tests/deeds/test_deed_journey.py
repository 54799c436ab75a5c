"""From draft to revoked deed, through the pages; what the bank, the recipients and the public see at each step."""

import hashlib
import io
import re

import pytest
import sqlalchemy as sa

from notary.models import Deed, Delivery, Event, Number
from signing import render
from signing.verify import Trust, verify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def issued(world):
    """One deed, made by the pages alone."""
    case_id = world.case_ids[0]
    world.issue(case_id)
    with world.parts.db() as db:
        return db.scalars(sa.select(Deed).where(Deed.case_id == case_id)).one()


@pytest.mark.req("H01", "H02", "H03", "G06")
def test_the_deed_is_valid_and_says_what_was_filed(world, issued):
    bob = world.browser("chenjing")
    data = bob.get(f"/desk/cases/{issued.case_id}/deed.pdf").data

    assert hashlib.sha256(data).hexdigest() == issued.sha256
    assert verify(data, Trust.from_pem(world.parts.seal.public().trust_pem)).verdict == "valid"
    text = re.sub(r"\s", "", "".join(render.page_texts(data)))
    for filed in ("王大川", "借字2024-0088号", "保字2024-0088号", "480,000.00", "展期届满之日起三年", "样本甲"):
        assert filed in text
    assert world.case(issued.case_id).state == "issued"
