"""A recording that lost something on a full disk: the interview is not complete, and everybody hears what follows."""

import pytest
import sqlalchemy as sa
from strokes import STROKES

from notary.models import Case, Interview
from notary.office import closing


def sign(interview, kind):
    shown = interview.show(kind)
    interview.notary.does(f"papers/{kind}/ask-signature")
    code = interview.code(shown["paper"])
    interview.applicant.does(f"papers/{shown['paper']}/sign", sha256=shown["sha256"], strokes=STROKES, code=code)


@pytest.mark.req("D14", "D02")
def test_an_interview_whose_recording_lost_fragments_is_not_closed_and_can_be_broken_off(interview, monkeypatch):
    interview.start().consent().identify().ask_all()
    interview.show("instrument")
    interview.notary.does("phase", phase="signing")
    sign(interview, "instrument")
    interview.notary.does("phase", phase="closing")
    sign(interview, "minutes")
    real = closing.close_room

    def full(parts, at):
        lost = {"segment": "0001-applicant", "fragments": 3, "bytes": 999, "cause": "No space left on device"}
        return {**real(parts, at), "drops": [lost]}

    monkeypatch.setattr(closing, "close_room", full)
    assert "录像" in interview.notary.refused(409, "finish")
    with interview.parts.db() as db:
        assert db.get_one(Case, interview.case_id).state == "interview"
        row = db.scalars(sa.select(Interview)).one()
        assert (row.closed_at, row.manifest, row.manifest_seal) == (None, {}, {})  # nothing half-written
    interview.notary.does("break-off", reason="connection")
    with interview.parts.db() as db:
        assert db.get_one(Case, interview.case_id).state == "accepted"
        row = db.scalars(sa.select(Interview)).one()
        assert row.manifest["drops"][0]["cause"] == "No space left on device"
        assert row.manifest_seal
    assert "录像不完整" in interview.notary.page().text
