"""A one-time code is readable until it is used or over, and nowhere afterwards; the rest of its message stays."""

import re

import pytest
import sqlalchemy as sa

from notary import jobs
from notary.database import migrate
from notary.models import Code, CodePurpose, Message, MessageState
from notary.office import doors, messages
from tests.conftest import NOON

PHONE = "+8613800138000"


@pytest.fixture(autouse=True)
def queue():
    jobs.load()


def send(parts, **more):
    with parts.db.begin() as db:
        doors.send_code(db, PHONE, "10.0.0.1", parts.clock(), **more)
    return texts(parts)[-1]


def texts(parts):
    with parts.db() as db:
        return list(db.scalars(sa.select(Message.text).order_by(Message.at, Message.id)))


def six(text):
    return re.search(r"\d{6}", text)[0]


@pytest.mark.req("K04")
def test_the_act_that_uses_a_code_blanks_it(parts):
    text = send(parts)
    with parts.db.begin() as db:
        doors.check_code(db, PHONE, six(text), "10.0.0.1", NOON)

    (kept,) = texts(parts)
    assert kept == text.replace(six(text), "••••••")
    assert "10 分钟内有效" in kept


@pytest.mark.req("K04", "F03")
def test_a_signing_codes_message_keeps_the_hash_that_it_names(parts):
    say = "签字验证码 %(code)s，只用于签文件 123456ab…。"
    text = send(parts, purpose=CodePurpose.SIGN, bound_to="0" * 64, say=say)
    with parts.db.begin() as db:
        doors.check_code(db, PHONE, six(text), "10.0.0.1", NOON, purpose=CodePurpose.SIGN, bound_to="0" * 64)

    assert texts(parts) == ["签字验证码 ••••••，只用于签文件 123456ab…。"]


def test_a_wrong_try_leaves_the_code_to_be_read(parts):
    text = send(parts)
    with parts.db() as db:
        with pytest.raises(doors.Wrong):
            doors.check_code(db, PHONE, "000000" if six(text) != "000000" else "111111", "10.0.0.1", NOON)
        db.commit()

    assert texts(parts) == [text]


def test_a_newer_code_blanks_the_one_that_it_replaces(parts, clock):
    first = send(parts)
    clock.pass_by(minutes=1)
    second = send(parts)

    assert texts(parts) == [first.replace(six(first), "••••••"), second]


@pytest.mark.req("K04")
def test_expired_codes_are_blanked_every_minute_and_a_message_that_never_went_out_stays_unsent(parts, clock):
    sent = send(parts)
    with parts.db() as db:
        message = db.scalars(sa.select(Message)).one()
    messages.send_message(parts, str(message.id))
    clock.pass_by(minutes=1)
    other = "+8613900139000"
    with parts.db.begin() as db:
        doors.send_code(db, other, "10.0.0.1", clock())
    messages.blank_expired(parts)
    assert len([text for text in texts(parts) if re.search(r"\d{6}", text)]) == 2
    clock.pass_by(minutes=20)
    messages.blank_expired(parts)
    messages.blank_expired(parts)

    with parts.db() as db:
        states = {one.to: (one.state, one.why) for one in db.scalars(sa.select(Message))}
        waiting = db.scalars(sa.select(Message.id).where(Message.to == other)).one()
        assert db.scalar(sa.select(sa.func.count()).select_from(Code)) == 2
    assert not [text for text in texts(parts) if re.search(r"(?<!\d)\d{6}(?!\d)", text)]
    assert states == {PHONE: (MessageState.SHOWN, ""), other: (MessageState.FAILED, "code-expired")}
    messages.send_message(parts, str(waiting))  # its job comes late, and sends nothing
    with parts.db() as db:
        assert db.get_one(Message, waiting).state == MessageState.FAILED
    assert sent.split("，")[1] in texts(parts)[0]


def test_codes_of_before_the_migration_are_blanked_by_it(postgres):
    """Whoever upgrades has no readable code in old messages, and nothing else of them is changed."""
    with sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT").connect() as db:
        db.execute(sa.text("CREATE DATABASE before_0004"))
    url = postgres.url(database="before_0004")
    migrate(url, "0003")
    put = "INSERT INTO messages (id, \"to\", text, state, why, at) VALUES (gen_random_uuid(), 'x', :t, 'shown', '', now())"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as db:
        for text in ("您的验证码是 123456，10 分钟内有效。", "公证书（2026）渝示证字第1号 办好了：123456"):
            db.execute(sa.text(put), {"t": text})
    migrate(url)
    with engine.connect() as db:
        found = sorted(db.scalars(sa.text("SELECT text FROM messages")))
    assert found == sorted(["您的验证码是 ••••••，10 分钟内有效。", "公证书（2026）渝示证字第1号 办好了：123456"])
