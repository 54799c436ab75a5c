"""The interview through its pages: what must be done comes in order, and every lock is the server's."""

import pytest
import sqlalchemy as sa
from strokes import STROKES

from notary.models import Case, Interview, Signature


@pytest.mark.req("C05", "C14", "C16", "C17", "D01", "D05", "E02", "F01", "F03")
def test_an_interview_from_the_first_consent_to_the_sealed_recording(interview):
    interview.start().consent()
    assert interview.notary.state()["recording"]
    interview.identify().ask_all()
    shown = interview.show("instrument")
    interview.notary.does("phase", phase="signing")
    interview.notary.does("papers/instrument/ask-signature")
    code = interview.code(shown["paper"])
    interview.applicant.does(f"papers/{shown['paper']}/sign", sha256=shown["sha256"], strokes=STROKES, code=code)
    interview.notary.does("phase", phase="closing")

    first = interview.show("minutes")
    interview.notary.does("answer", question="where-with-whom", text="在家里，一个人，更正过")
    assert "改过" in interview.notary.refused(409, "papers/minutes/ask-signature")
    second = interview.show("minutes")
    assert second["sha256"] != first["sha256"]
    interview.notary.does("papers/minutes/ask-signature")
    code = interview.code(second["paper"])
    interview.applicant.does(f"papers/{second['paper']}/sign", sha256=second["sha256"], strokes=STROKES, code=code)
    twin = interview.applicant.page(f"/papers/{second['paper']}/text").text
    assert "更正过" in twin
    interview.notary.does("finish")

    with interview.parts.db() as db:
        case, row = db.get_one(Case, interview.case_id), db.scalars(sa.select(Interview)).one()
        assert case.state == "drafting"
        assert row.manifest["intact"]
        assert row.manifest["complete"]
        assert row.manifest_seal["signature"]
        signed = db.scalars(sa.select(Signature)).all()
        assert {one.sha256 for one in signed} == {shown["sha256"], second["sha256"]}
        assert all(one.snapshot_id and one.media_time > 0 for one in signed)
    assert interview.applicant.state()["kind"] == "done"
    assert interview.notary.state()["over"]
