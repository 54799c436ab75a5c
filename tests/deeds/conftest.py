"""Cases walked once; each module that changes them works on a copy with a seal of its own."""

import shutil

import pytest
import sqlalchemy as sa
from deed_world import register_all, walked

from notary.lifecycle import Role
from notary.models import Office
from notary.office import staff

CASES = 2


@pytest.fixture(scope="session")
def template(postgres):
    world = walked(postgres, CASES)
    yield world
    shutil.rmtree(world.home, ignore_errors=True)


def office(template, name):
    """A copy of the template with a life of its own: cases in drafting, a seal process, two notaries, two approvers."""
    made = template.clone(name)
    with made.parts.db.begin() as db:
        second = staff.Newcomer(Role.APPROVER, "zhaozheng", "赵正", "Zhao Zheng")
        staff.add_person(db, db.scalars(sa.select(Office)).one(), second, staff.SYSTEM, made.clock())
    made.start()
    made.start_seal(template.authority)
    register_all(made)
    made.enrol_passkey("zhaozheng")
    return made


def close(made):
    made.close()
    shutil.rmtree(made.home, ignore_errors=True)


@pytest.fixture(scope="module")
def world(template, request):
    """An office of this module's own."""
    made = office(template, f"w_{request.module.__name__.rsplit('.', 1)[-1]}")
    yield made
    close(made)
