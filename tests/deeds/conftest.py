"""Cases walked once; each module that changes them works on a copy with a seal of its own."""

import shutil

import pytest
import sqlalchemy as sa
from deed_world import close, office, walked

from notary.models import Deed

CASES = 2


@pytest.fixture(scope="session")
def template(postgres):
    world = walked(postgres, CASES)
    yield world
    shutil.rmtree(world.home, ignore_errors=True)


@pytest.fixture(scope="module")
def world(template, request):
    """An office of this module's own."""
    made = office(template, f"w_{request.module.__name__.rsplit('.', 1)[-1]}")
    yield made
    close(made)


@pytest.fixture(scope="module")
def issued(world):
    """One deed, made by the pages alone; who made it has a passkey."""
    case_id = world.case_ids[0]
    world.issue(case_id)
    with world.parts.db() as db:
        return db.scalars(sa.select(Deed).where(Deed.case_id == case_id)).one()
