"""The page of the root and the desk under an alarm, in a real Chromium: no accessibility fault, no sideways scroll."""

from datetime import timedelta

import pytest

from notary.app import create_app
from notary.office import keeping
from signing import keys
from tests.conftest import NOON
from tests.looking import SEEN, browse, faults_of, running_chromium, served
from tests.office.test_keeping import login_of, office  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser


@pytest.mark.req("L01")
def test_axe_finds_nothing_on_the_page_of_the_root_and_under_an_alarm(office, clock):  # noqa: F811
    clock.at = NOON + timedelta(days=731)
    keys.complete_status(office.seal.folder, b"pw", now=clock())
    app, faults = create_app(office), []
    with running_chromium() as chromium, served(app) as origin:
        for lang, look in SEEN:
            for name, path, login in (
                ("pki-before", "/pki/", ""), ("pki", "/pki/", ""), ("queue-alarm", "/desk/", "hejie"),
                ("today-alarm", "/desk/today", "guanli"), ("home-alarm", "/staff/", "guanli"),
            ):  # fmt: skip
                if name == "pki":
                    keeping.watch(office)
                client = login_of(app, office, login) if login else None
                page = browse(chromium, origin, client, lang=lang, look=look)
                page.goto(origin + path)
                faults += faults_of(page, name, lang, look)
                page.context.close()

    assert not faults, "\n".join(faults)
