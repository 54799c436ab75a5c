"""No face is compared by machine before the office has written down why, what may go wrong and what it does about it."""

from datetime import date
from html import unescape

import pytest
import sqlalchemy as sa

from notary.demo.papers import ASSESSMENT
from notary.errors import NotPossible
from notary.models import Assessment, Case, Event, Interview, Party, Person, Snapshot
from notary.office import assessing

HERE = "/desk/face-assessment"


def held(parts, case_id):
    """An interview of the case, with a face that the comparison kept."""
    with parts.db.begin() as db:
        notary = db.scalars(sa.select(Person).where(Person.login == "chenjing")).one()
        now = parts.clock()
        interview = Interview(case_id=case_id, notary_id=notary.id, opened_at=now, identity_since=now, screen={})
        db.add(interview)
        db.flush()
        db.add(
            Snapshot(
                interview_id=interview.id,
                kind="face",
                leg="applicant",
                sha256="0",
                object_key="x",
                media_time=1.0,
                at=now,
            )
        )


@pytest.mark.req("B14")
def test_without_an_assessment_the_machine_is_out_and_with_one_it_is_in(filed, the_admin, bob_notarizes, row, parts):
    with parts.db() as db, pytest.raises(NotPossible, match="还没有做人脸处理的影响评估"):
        assessing.refuse_faces(db, db.get_one(Case, row(filed).id), parts.clock())
    assert "没有：机器不比对人脸" in unescape(bob_notarizes.get(HERE).text)
    assert bob_notarizes.post(HERE, ASSESSMENT).status_code == 403
    assert the_admin.post(HERE, ASSESSMENT).status_code == 303
    assert "样本负责人" in unescape(bob_notarizes.get(HERE).text)
    with parts.db() as db:
        assessing.refuse_faces(db, db.get_one(Case, row(filed).id), parts.clock())
        line = db.scalars(sa.select(Event).where(Event.kind == "assessment.filed")).one()
    assert line.payload["risks"] == ASSESSMENT["risks"]


@pytest.mark.req("B14")
def test_a_hollow_assessment_is_refused_with_everything_typed_still_there_and_an_old_one_stays(the_admin, parts):
    reply = the_admin.post(HERE, ASSESSMENT | {"risks": "没有", "held_on": "2999-01-01", "owner": ""})
    said = unescape(reply.text)
    assert reply.status_code == 422
    assert "至少 20 个字" in said
    assert "不晚于今天" in said
    assert ASSESSMENT["measures"] in said
    the_admin.post(HERE, ASSESSMENT)
    the_admin.post(HERE, ASSESSMENT | {"owner": "新负责人"})
    with parts.db() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(Assessment)) == 2
    page = unescape(the_admin.get(HERE).text)
    assert page.index("新负责人") < page.index("样本负责人")


@pytest.mark.req("B11")
def test_a_child_under_14_is_looked_at_by_people_only(filed, the_admin, row, parts):
    the_admin.post(HERE, ASSESSMENT)
    with parts.db.begin() as db:
        party = db.scalars(sa.select(Party)).one()
        party.birth = date(2012, 11, 25)  # fourteen tomorrow
        case = db.get_one(Case, row(filed).id)
        with pytest.raises(NotPossible, match="未满 14 周岁"):
            assessing.refuse_faces(db, case, parts.clock())
        party.birth = date(2012, 11, 24)
        assessing.refuse_faces(db, case, parts.clock())


@pytest.mark.req("B14")
def test_people_whose_faces_are_kept_are_counted_once_and_comparisons_by_month(filed, the_admin, row, parts):
    assert 'data-figure="kept">0<' in the_admin.get(HERE).text
    for _twice in range(2):
        held(parts, row(filed).id)
        with parts.db.begin() as db:
            db.execute(sa.update(Interview).values(number=Interview.number + 1))
    page = the_admin.get(HERE).text
    assert 'data-figure="kept">1<' in page
    assert "到 10 万人" in page
