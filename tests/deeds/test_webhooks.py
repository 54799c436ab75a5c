"""A bank whose receiver is down, slow, wrong or elsewhere: tried again with growing pauses, said in words, sent once more
by hand, received once.
"""

import datetime as dt
import json
import os
import signal
import ssl
import threading
import time
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import SimpleNamespace

import procrastinate
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from deed_world import Browser
from test_deed_numbers import a_case

from notary import jobs
from notary.app import create_app
from notary.database import JOBS_SCHEMA, libpq
from notary.models import Bank, Deed, Delivery, Event, Number, NumberState, Office, Person, Series, Standing
from notary.models import Party as Applying
from notary.office import delivering, doors
from tests.conftest import NOON


class Receiver:
    """A bank's server on a loopback port of its own: `answer(handler)` says what it does, `came` what it got."""

    def __init__(self, answer=None, tls=None, port=0):
        self.came, self.answer = [], answer or (lambda handler: self.reply(handler, 200, {"receipt": "ok"}))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.came.append((self.path, self.headers["webhook-id"], json.loads(body)))
                outer.answer(self)

            def do_GET(self):
                outer.came.append((self.path, "", None))
                outer.answer(self)

            def log_message(self, *_said):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @staticmethod
    def reply(handler, status, said=None, **head):
        data = json.dumps(said).encode() if said is not None else b""
        handler.send_response(status)
        for name, value in {**head, "Content-Length": str(len(data))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiving():
    made = []

    def start(*args, **more):
        made.append(Receiver(*args, **more))
        return made[-1]

    yield start
    for one in made:
        one.stop()


class Desk:
    """An office with one issued deed and a bank's copy of it on the way."""

    def __init__(self, parts):
        jobs.load()
        seal = SimpleNamespace(attest=lambda _use, data: SimpleNamespace(signature=b"\0" * 64, key_id="k"))
        self.parts = replace(parts, seal=seal)
        with parts.db.begin() as db:
            people = {one.login: one for one in db.scalars(sa.select(Person))}
            office, bank = db.scalars(sa.select(Office)).one(), db.scalars(sa.select(Bank)).first()
            case = a_case(db, parts, notary_id=people["chenjing"].id, filed={})
            db.add(Applying(case_id=case.id, name="样本甲", phone="+8613800138000"))
            series = Series(office_id=office.id, year=2026, letter="证", last=1)
            db.add(series)
            db.flush()
            number = Number(
                series_id=series.id, n=1, case_id=case.id, text="一", approved_on=NOON.date(), reserved_at=NOON,
                state=NumberState.ISSUED, body_sha256="b", activation={"given_at": NOON.isoformat()},
            )  # fmt: skip
            db.add(number)
            db.flush()
            db.add(
                Deed(
                    case_id=case.id, number_id=number.id, number="一", code="2026-1-ABCDEFGHJ", sha256="y", object_key="z",
                    pages=1, issued_at=NOON, standing=Standing.VALID, standing_at=NOON,
                )
            )  # fmt: skip
            db.execute(sa.text("UPDATE cases SET state = 'issued' WHERE id = :id"), {"id": case.id})
            row = Delivery(case_id=case.id, recipient="bank", kind="bank", to=bank.name, bank_id=bank.id)
            db.add(row)
            db.flush()
            jobs.enqueue(db, "deliver-deed", delivery_id=str(row.id))
            self.case_id, self.row_id, self.bank_id = case.id, row.id, bank.id
            token = doors.open_login(db, parts.clock(), person=people["chenjing"])
        self.browser = Browser(create_app(self.parts), token)

    def register(self, url):
        with self.parts.db.begin() as db:
            db.get_one(Bank, self.bank_id).webhook_url = url

    def row(self):
        with self.parts.db() as db:
            return db.get_one(Delivery, self.row_id)

    def send(self):
        """One try, as the queue makes it."""
        try:
            delivering.deliver(self.parts, str(self.row_id))
        except OSError as error:
            return error
        return None

    def words(self):
        text = self.browser.get(f"/desk/cases/{self.case_id}/deed").text
        return text[text.index('id="deliveries"') :].split("</section>")[0]

    def received(self):
        with self.parts.db() as db:
            return db.scalar(sa.select(sa.func.count()).select_from(Event).where(Event.kind == "deed.received"))

    # the queue

    def work(self):
        jobs.use(self.parts)
        connector = procrastinate.PsycopgConnector(
            conninfo=libpq(self.parts.settings.database_url),
            kwargs={"options": f"-c search_path=public,{JOBS_SCHEMA} -c timezone=UTC"},
        )
        with jobs.queue.replace_connector(connector) as queue:
            queue.run_worker(wait=False, install_signal_handlers=False, listen_notify=False, delete_jobs="never")

    def queued(self):
        """(status, attempts, pause until the next try in seconds), of the newest delivery."""
        query = "SELECT status, attempts, extract(epoch FROM scheduled_at - now()) FROM procrastinate_jobs WHERE task_name = 'deliver-deed' ORDER BY id DESC LIMIT 1"
        with self.parts.db() as db:
            return tuple(db.execute(sa.text(query)).one())

    def hurry(self):
        """The next try is due now."""
        with self.parts.db.begin() as db:
            db.execute(sa.text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))


@pytest.fixture
def desk(parts):
    return Desk(parts)


def nobody():
    """A loopback port on which nothing listens."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.req("I04")
def test_a_bank_that_is_down_is_tried_with_growing_pauses_then_left_failed_and_sent_again_by_hand(desk, receiving):
    port, pauses = nobody(), []
    desk.register(f"http://127.0.0.1:{port}/hook")
    for tries in range(1, 13):
        desk.work()
        status, attempts, pause = desk.queued()
        assert (desk.row().state, desk.row().why, desk.row().tries) == ("failed", "no-answer", tries)
        if status == "failed":
            break
        assert status == "todo"
        assert "会自己再试" in desk.words()
        pauses.append(float(pause))
        desk.hurry()
    assert (status, attempts) == ("failed", 11)
    assert len(pauses) == 10
    assert all(later > 2 * sooner for sooner, later in pairwise(pauses))
    said = desk.words()
    assert "没有开着" in said
    assert "不再自己试了" in said
    assert "发了 11 次" in said

    bank = receiving(port=port)
    reply = desk.browser.form(f"/desk/cases/{desk.case_id}/deliveries/{desk.row_id}/again")
    assert reply.status_code == 303
    assert desk.row().state == "waiting"
    desk.work()
    assert (desk.row().state, desk.received(), len(bank.came)) == ("received", 1, 1)
    with desk.parts.db() as db:
        assert db.scalar(sa.text("SELECT state FROM cases WHERE id = :id"), {"id": desk.case_id}) == "delivered"
    again = desk.browser.form(f"/desk/cases/{desk.case_id}/deliveries/{desk.row_id}/again")
    assert again.status_code == 409
    desk.work()
    assert len(bank.came) == 1


def slow(handler):
    time.sleep(1.5)
    Receiver.reply(handler, 200, {"receipt": "late"})


def half(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"{")


@pytest.mark.req("I04")
@pytest.mark.parametrize(
    ("answer", "why", "words"),
    [
        (slow, "timeout", "太慢"), (lambda h: Receiver.reply(h, 500), "status 500", "HTTP 500"),
        (lambda h: Receiver.reply(h, 403, {"receipt": "no"}), "status 403", "HTTP 403"),
        (lambda h: (h.send_response(200), h.end_headers(), h.wfile.write(b"<html>")), "unreadable", "读不懂"),
        (half, "broken", "中途断了"),
    ],
    ids=["slow", "500", "403", "no-json", "cut"],
)  # fmt: skip
def test_what_a_receiver_does_wrong_is_told_apart_in_words(desk, receiving, monkeypatch, answer, why, words):
    monkeypatch.setattr(delivering, "PATIENCE", 0.5)
    desk.register(receiving(answer).url)
    assert why.split()[0] in str(desk.send())
    assert (desk.row().state, desk.row().why) == ("failed", why)
    assert words in desk.words()
    assert desk.received() == 0


@pytest.mark.req("I04")
def test_a_redirect_is_never_followed(desk, receiving):
    other = receiving()
    first = receiving(lambda handler: Receiver.reply(handler, 307, Location=other.url))
    desk.register(first.url)
    desk.send()
    assert (len(first.came), other.came, desk.row().why) == (1, [], "redirect")
    assert "不跟着转" in desk.words()


def certificate(folder, name):
    """A root, and a server's certificate for `name` under it."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _n in range(2)]
    root, leaf = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in ("root", "leaf"))
    now = dt.datetime.now(dt.UTC)

    def make(subject, key, ca):
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(root).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1)).add_extension(x509.BasicConstraints(ca, None), True)
        )  # fmt: skip

    authority = make(root, keys[0], True).sign(keys[0], hashes.SHA256())
    host = (
        make(leaf, keys[1], False)
        .add_extension(x509.SubjectAlternativeName([name]), False)
        .sign(keys[0], hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "root.pem").write_bytes(authority.public_bytes(pem))
    (folder / "host.pem").write_bytes(
        host.public_bytes(pem) + keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "host.pem")
    return context


@pytest.mark.req("I04")
def test_a_wrong_certificate_and_another_hosts_are_told_apart_and_nothing_is_sent(
    desk, receiving, tmp_path, monkeypatch
):
    import ipaddress

    mine = receiving(tls=certificate(tmp_path, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))))
    desk.register(mine.url)
    desk.send()
    assert (desk.row().why, mine.came) == ("certificate", [])
    assert "不可信" in desk.words()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    assert desk.send() is None
    assert len(mine.came) == 1

    with desk.parts.db.begin() as db:
        row = db.get_one(Delivery, desk.row_id)
        row.state, row.received_at = "waiting", None
    theirs = receiving(tls=certificate(tmp_path, x509.DNSName("bank.example")))
    desk.register(theirs.url)
    desk.send()
    assert (desk.row().why, theirs.came) == ("other-host", [])
    assert "别的网址" in desk.words()


@pytest.mark.req("I04")
@pytest.mark.parametrize(
    ("url", "why", "words"),
    [
        ("http://bank.example/hook", "not-allowed", "HTTPS"), ("https://no.such.host.invalid/", "no-such-host", "查不到"),
        ("https://[::1", "not-allowed", "HTTPS"), ("", "no-webhook", "没有登记"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_said_so(desk, url, why, words):
    desk.register(url)
    desk.send()
    assert desk.row().why == why
    assert words in desk.words()


@pytest.mark.req("I04", "H10")
def test_a_receipt_counts_once_and_a_failure_beside_it_takes_nothing_back(desk, receiving):
    """The bank takes the file by its key while our own try hangs; the try then fails."""

    def takes_it_elsewhere(handler):
        with desk.parts.db.begin() as db:
            delivering.mark_received(db, db.get_one(Delivery, desk.row_id), delivering.SYSTEM, NOON)
        Receiver.reply(handler, 500)

    desk.register(receiving(takes_it_elsewhere).url)
    desk.send()
    assert (desk.row().state, desk.received()) == ("received", 1)
    assert desk.send() is None
    assert desk.received() == 1


@pytest.mark.req("I04")
def test_a_worker_killed_between_send_and_receipt_sends_the_same_event_again(desk, receiving):
    victim = []

    def kill_then_answer(handler):
        os.kill(victim[0], signal.SIGKILL)
        Receiver.reply(handler, 200, {"receipt": "ok"})

    bank = receiving(kill_then_answer)
    desk.register(bank.url)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)  # its number is known to the receiver
        desk.parts.engine.dispose(close=False)
        desk.send()
        os._exit(0)
    victim.append(child)
    os.close(reading)
    os.write(writing, b"x")
    os.close(writing)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert (desk.row().state, desk.received(), len(bank.came)) == ("waiting", 0, 1)

    bank.answer = lambda handler: Receiver.reply(handler, 200, {"receipt": "ok"})
    assert desk.send() is None
    assert (desk.row().state, desk.received()) == ("received", 1)
    first, second = bank.came
    assert first[1:] == second[1:]
    assert first[1] == str(desk.row_id)


@pytest.mark.req("H10")
def test_a_copys_link_opens_for_thirty_days_and_then_says_what_to_do_instead(desk):
    with desk.parts.db.begin() as db:
        row = db.get_one(Delivery, desk.row_id)
        row.token_hash, row.sent_at, row.state = doors.token_hash("token"), NOON, "sent"
    anybody = desk.browser.http.application.test_client()
    assert anybody.get("/d/token").status_code == 200
    desk.parts.clock.pass_by(days=31)
    for link in ("/d/token", "/d/guessed"):
        reply = anybody.get(link)
        assert reply.status_code == 404
        assert "查询码" in reply.text
