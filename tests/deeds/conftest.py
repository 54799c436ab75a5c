"""Cases walked once; each module that changes them works on a copy with a seal of its own."""

import shutil

import pytest
from deed_world import close, office, walked

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
