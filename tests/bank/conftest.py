"""A bank at its door."""

import pytest
from bank_world import BankWorld


@pytest.fixture
def world(parts):
    return BankWorld(parts)
