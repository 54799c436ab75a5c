"""A bank's key bound to its certificate: a real handshake at a proxy, the shipped server behind it, rotation, theft."""

import datetime as dt
import os
import signal
import ssl
import subprocess
import time
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from bank_world import BankWorld
from tls_gate import SECRET, Gate, Identity

from notary.ledger import Actor
from notary.lifecycle import Role
from notary.models import Event, Office, Person, Verification
from notary.office import banks
from notary.processes import free_port, web_command
from notary.settings import CHECKOUT, BadSetting, Settings
from tests.conftest import NOON

PROXY = {"trusted_proxies": ("127.0.0.1",), "proxy_secret": SECRET}


@pytest.fixture
def settings(settings):
    return replace(settings, **PROXY)


@pytest.fixture
def admin(world):
    with world.parts.db() as db:
        office = db.scalars(sa.select(Office.id)).one()
        person = db.scalars(sa.select(Person).where(Person.login == "guanli")).one()
    return Actor(Role.ADMIN, person.id, person.name, office)


@pytest.fixture
def people(tmp_path):
    names = ("bank", "bank-next", "mallory")
    return {name: Identity(tmp_path, name) for name in names} | {"server": Identity(tmp_path, "server", host=True)}


def register(world, admin, identity, now=NOON):
    with world.parts.db.begin() as db:
        return banks.add_certificate(db, world.bank_id, identity.pem, admin, now).id


def asks(world, said=None, key=None, **environ):
    """One question with what a proxy says of the certificate."""
    head = {"X-API-Key": key or world.key} | ({"Client-Cert": said} if said else {})
    body = {"sha256": world.held[0].sha256}
    return world.http.post("/api/v1/verifications", json=body, headers=head, environ_overrides=environ).status_code


def said(identity, secret=SECRET):
    return f'{identity.header};proxy="{secret}"'


@pytest.mark.req("I04")
def test_through_a_real_handshake_the_stolen_key_without_the_certificate_opens_nothing(world, admin, people):
    """Proxy with TLS on loopback, granian behind it as it is shipped, its own connections to the database."""
    register(world, admin, people["bank"], dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1))
    port = free_port()
    here = replace(world.parts.settings, port=port)
    environ = os.environ | {
        "HOME_DIR": str(here.home), "DATABASE_URL": here.database_url, "SECRET_KEY": here.secret_key,
        "STORAGE_KEY": here.storage_key.hex(), "PORT": str(port), "TRUSTED_PROXIES": "127.0.0.1", "PROXY_SECRET": SECRET,
    }  # fmt: skip
    server = subprocess.Popen(web_command(here), cwd=CHECKOUT, env=environ, start_new_session=True)
    gate = Gate(people["server"], [people["bank"], people["mallory"]], port)

    def ask(identity=None, head=None, url=gate.url):
        trust = ssl.create_default_context(cafile=people["server"].cert)
        if identity:
            trust.load_cert_chain(identity.cert, identity.key)
        body = {"number": world.held[0].number, "code": world.held[0].code}
        head = {"X-API-Key": world.key} | (head or {})
        return httpx.post(f"{url}/api/v1/verifications", json=body, headers=head, verify=trust, timeout=20)

    try:
        end = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/api/v1/openapi.json", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < end
                time.sleep(0.2)
        good = ask(people["bank"])
        assert (good.status_code, good.json()["verdict"]) == (200, "valid"), good.text
        stolen = [
            ask(),
            ask(people["mallory"]),
            ask(head={"Client-Cert": people["bank"].header}),
            ask(head={"Client_Cert": people["bank"].header}),
            ask(people["mallory"], {"Client_Cert": said(people["bank"], "guessed-guessed-guessed")}),
            ask(head={"Client-Cert": people["bank"].header}, url=f"http://127.0.0.1:{port}"),
        ]
        unknown = ask(people["bank"], {"X-API-Key": "yz_" + "A" * 43})
        assert {one.status_code for one in stolen} == {401}
        assert {one.content for one in stolen} == {unknown.content}
        assert ask(people["bank"], {"X-API-Key": world.other_key}).status_code == 200  # bound to no certificate
    finally:
        gate.stop()
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
    with world.parts.db() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(Verification)) == 2


@pytest.mark.req("I04")
def test_keys_and_certificates_are_changed_with_an_overlap(world, admin, people):
    first = register(world, admin, people["bank"])
    assert (asks(world), asks(world, said(people["bank"]))) == (401, 200)
    register(world, admin, people["bank-next"])
    assert {asks(world, said(people[name])) for name in ("bank", "bank-next")} == {200}
    with world.parts.db.begin() as db:
        banks.remove_certificate(db, first, admin, NOON)
    assert (asks(world, said(people["bank"])), asks(world, said(people["bank-next"]))) == (401, 200)

    with world.parts.db.begin() as db:
        _bank, fresh = banks.new_key(db, world.bank_id, admin, NOON, keep_days=7)
    both = {asks(world, said(people["bank-next"]), key) for key in (world.key, fresh)}
    assert both == {200}
    world.parts.clock.pass_by(days=7)
    assert asks(world, said(people["bank-next"])) == 401
    assert asks(world, said(people["bank-next"]), fresh) == 200
    with world.parts.db.begin() as db:
        _bank, last = banks.new_key(db, world.bank_id, admin, NOON)
    assert (asks(world, said(people["bank-next"]), fresh), asks(world, said(people["bank-next"]), last)) == (401, 200)
    with world.parts.db() as db:
        kinds = db.scalars(sa.select(Event.kind).where(Event.kind.startswith("bank.")).order_by(Event.seq)).all()
    assert kinds[-5:] == [
        "bank.certificate-added", "bank.certificate-added", "bank.certificate-removed", "bank.key-made", "bank.key-made",
    ]  # fmt: skip


def test_an_expired_certificate_shuts_the_door_and_does_not_open_it_for_the_key_alone(world, admin, people, tmp_path):
    short = Identity(tmp_path, "short", days=3)
    register(world, admin, short)
    assert asks(world, said(short)) == 200
    world.parts.clock.pass_by(days=3)
    assert (asks(world, said(short)), asks(world)) == (401, 401)


def test_a_certificate_counts_only_from_the_proxy_and_only_with_its_secret(world, admin, people):
    register(world, admin, people["bank"])
    pem = quote(people["bank"].pem)
    assert asks(world, f'{pem};proxy="{SECRET}"') == 200  # as nginx writes it
    assert asks(world, said(people["bank"]), REMOTE_ADDR="127.0.0.2") == 401
    wrong = [
        people["bank"].header, said(people["bank"], ""), said(people["bank"], "x"), said(people["bank"]) * 2,
        said(people["bank"]) + "," + said(people["mallory"]), f'::;proxy="{SECRET}"', f'x;proxy="{SECRET}"', "é" * 20_000,
    ]  # fmt: skip
    assert {asks(world, one) for one in wrong} == {401}


def test_without_a_secret_no_certificate_is_believed(parts, people):
    bare = replace(parts, settings=replace(parts.settings, proxy_secret=""))
    world = BankWorld(bare)
    with world.parts.db.begin() as db:
        person = db.scalars(sa.select(Person).where(Person.login == "guanli")).one()
        by = Actor(Role.ADMIN, person.id, person.name, person.office_id)
        banks.add_certificate(db, world.bank_id, people["bank"].pem, by, NOON)
    assert asks(world, said(people["bank"], "")) == 401


def test_the_address_is_the_last_that_the_proxy_names_and_nobody_elses_word(world):
    from notary.portal import doors

    def seen(near, named):
        head = {"X-Forwarded-For": named} if named else {}
        with world.app.test_request_context("/verify", headers=head, environ_overrides={"REMOTE_ADDR": near}):
            return doors.address()

    assert seen("127.0.0.1", "203.0.113.9, 198.51.100.7") == "198.51.100.7"
    assert seen("198.51.100.9", "203.0.113.9") == "198.51.100.9"
    assert {seen("127.0.0.1", one) for one in ("", "unknown", "203.0.113.9, x")} == {"127.0.0.1"}


def test_what_is_no_usable_certificate_is_refused_in_words(world, admin, people, tmp_path):
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    from notary.errors import BadInput

    over = Identity(tmp_path, "over", start=NOON - dt.timedelta(days=9), days=2)
    small = Identity(tmp_path, "small")
    key = rsa.generate_private_key(65537, 1024)
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    weak = (
        x509.CertificateBuilder().subject_name(small.made.subject).issuer_name(small.made.subject)
        .public_key(key.public_key()).serial_number(1).not_valid_before(NOON).not_valid_after(NOON + dt.timedelta(days=9))
        .sign(key, hashes.SHA256())
    ).public_bytes(Encoding.PEM).decode()  # fmt: skip
    register(world, admin, people["bank"])
    for bad in ("", "x", people["bank"].key.read_text(), people["bank"].pem * 2, over.pem, people["bank"].pem, weak):
        with pytest.raises(BadInput), world.parts.db.begin() as db:
            banks.add_certificate(db, world.bank_id, bad, admin, NOON)


def test_the_proxys_settings_refuse_nonsense():
    for wrong in ({"TRUSTED_PROXIES": "proxy.example"}, {"PROXY_SECRET": "short"}, {"PROXY_SECRET": 'x"' * 20}):
        with pytest.raises(BadSetting, match=next(iter(wrong))):
            Settings.from_env(wrong)
