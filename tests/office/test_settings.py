"""Settings: every field is documented, nonsense is refused with the variable's name, production refuses the trial."""

import dataclasses
import inspect
import os
import re
from pathlib import Path

import pytest

from notary.settings import BadSetting, Settings, home_of

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"
GOOD = {
    "ENV": "production",
    "BASE_URL": "https://notary.example",
    "DATABASE_URL": "postgresql+psycopg://u:p@db/x",
    "SEAL_DATABASE_URL": "postgresql+psycopg://s:p@db/x",
    "MESSENGER": "webhook",
    "MESSENGER_URL": "https://sms.example",
    "STAMP_URLS": "https://tsa.example",
    "SECRET_KEY": "k" * 40,
    "STORAGE_KEY": "ab" * 32,
}


def test_every_setting_has_its_words_beside_it_and_in_the_docs():
    source = inspect.getsource(Settings)
    text = DOCS.read_text()
    for field in dataclasses.fields(Settings):
        described = re.search(rf'    {field.name}: [^\n]+\n    """([A-Z_]+): ', source)
        assert described, field.name
        assert f"`{described[1]}`" in text, described[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"), ("PORT", "eight"), ("PORT", "70000"), ("ENV", "prod"), ("BASE_URL", "notary.example"),
        ("BASE_URL", "http://x/path"), ("WEB_WORKERS", "-1"), ("MESSENGER", "pigeon"), ("STORAGE_KEY", "abc"),
        ("MEDIA_WORKERS", "0"), ("TURN_URLS", "turn:relay.example"), ("TURN_URLS", "https://relay.example"),
        ("TURN_SECRET", "short"), ("METRICS_TOKEN", "guessed"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_the_variables_name(tmp_path, name, value):
    with pytest.raises(BadSetting, match=name):
        Settings.from_env({"HOME_DIR": str(tmp_path), name: value})


@pytest.mark.req("H14", "K03")
@pytest.mark.parametrize("name", [name for name in GOOD if name not in ("ENV", "MESSENGER_URL")])
def test_production_refuses_each_trial_default(tmp_path, name):
    assert Settings.from_env({"HOME_DIR": str(tmp_path), **GOOD}).env == "production"

    with pytest.raises(BadSetting, match=name):
        Settings.from_env({"HOME_DIR": str(tmp_path), **{k: v for k, v in GOOD.items() if k != name}})


def test_a_secret_comes_from_a_file_and_never_from_two_places(tmp_path):
    kept = tmp_path / "key"
    kept.write_text("s" * 40 + "\n")

    settings = Settings.from_env({"HOME_DIR": str(tmp_path), "SECRET_KEY_FILE": str(kept)})

    assert "s" * 40 == settings.secret_key
    with pytest.raises(BadSetting, match="twice"):
        Settings.from_env({"HOME_DIR": str(tmp_path), "SECRET_KEY_FILE": str(kept), "SECRET_KEY": "x"})


def test_there_is_a_media_worker_a_core_and_the_last_ones_port_is_a_port(tmp_path):
    assert len(os.sched_getaffinity(0)) == Settings.from_env({"HOME_DIR": str(tmp_path)}).media_workers

    given = {"HOME_DIR": str(tmp_path), "MEDIA_WORKERS": "4", "MEDIA_PORT": "65532"}
    assert 4 == len(Settings.from_env(given).media_sockets)
    with pytest.raises(BadSetting, match="MEDIA_PORT"):
        Settings.from_env({**given, "MEDIA_PORT": "65533"})


@pytest.mark.req("K04")
def test_no_secret_is_in_the_repr(tmp_path):
    shown = repr(Settings.from_env({"HOME_DIR": str(tmp_path), **GOOD}))

    for secret in ("k" * 40, ":p@", "\\xab"):
        assert secret not in shown


def test_two_checkouts_keep_their_data_apart():
    assert home_of(Path("/a"), as_root=True) != home_of(Path("/b"), as_root=True)
    assert Path("/a/var/office") == home_of(Path("/a"), as_root=False)
