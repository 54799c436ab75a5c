"""A trial home that is told to be production: the built-in test keys never seal a deed without its mark."""

from dataclasses import replace

import pytest

from notary import secrets
from notary.processes import seal
from signing.keys import make_authority


@pytest.mark.req("H14")
def test_production_refuses_to_open_the_built_in_test_keys(settings, capsys):
    secrets.make_missing(settings.home)
    make_authority(settings.under("keys"), secrets.read(settings.home, "seal_passphrase").encode(), "山城示例公证处")

    assert 64 == seal(replace(settings, env="production"))
    assert "test keys" in capsys.readouterr().err
    assert not settings.under("run", "seal.sock").exists()
