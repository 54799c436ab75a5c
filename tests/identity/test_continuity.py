"""The same face from the first look to the last: what is noticed, how soon, and what a bad frame does not do."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from interview_pictures import face, frames, jpeg

from identity import child
from identity.continuity import OTHER, UNSEEN_S, Look, Trail, step
from identity.errors import NoFace


def events(*looks: tuple[float, Look]) -> list[str]:
    trail, said = Trail(0.0, 0.0), []
    for at, look in looks:
        trail, event = step(trail, at, look, 3.0)
        said.append(event)
    return said


GOOD, DOUBT, STRANGER, NOBODY = Look(1, 0.8), Look(1, 0.3), Look(1, 0.05), Look(0)


@pytest.mark.req("B08")
def test_two_looks_in_a_row_or_one_by_far_are_somebody_else():
    assert ["same", "", "other"] == events((1, GOOD), (2, DOUBT), (3, DOUBT))
    assert ["same", "", "same", ""] == events((1, GOOD), (2, DOUBT), (3, GOOD), (4, DOUBT))
    assert ["same", "other"] == events((1, GOOD), (2, STRANGER))


def test_a_face_may_be_gone_for_as_long_as_the_table_says_and_no_longer():
    assert ["same", "", "", "lost"] == events((1, GOOD), (2, NOBODY), (3.9, NOBODY), (4.1, NOBODY))
    assert ["same", "", "same"] == events((1, GOOD), (3, NOBODY), (5, GOOD))


def test_a_face_that_cannot_be_compared_proves_nothing_for_a_while():
    dark = Look(1, None, ("too-dark",))
    assert ["same", "", "unseen", "same"] == events(
        (1, GOOD), (UNSEEN_S, dark), (UNSEEN_S + 2, dark), (UNSEEN_S + 3, GOOD)
    )


@pytest.mark.req("C09")
def test_a_second_face_is_told_and_decides_nothing():
    assert ["many", "same"] == events((1, Look(2, 0.8)), (2, GOOD))
    assert ["many"] == events((1, Look(2, None, ("blurred",))))


@pytest.mark.req("B12", "B13")
def test_the_child_tells_the_accepted_face_from_another_and_from_nobody():
    mine, other = ([jpeg(one) for one in frames(face(n))] for n in (1, 3))
    fetched = []

    def accepted() -> list[bytes]:
        fetched.append(1)
        return mine[:4]

    assert child.same_person("k", mine[9], accepted)["same"] > 0.8
    assert child.same_person("k", other[9], accepted)["same"] < OTHER
    assert 1 == len(fetched)
    assert 0 == child.same_person("k", jpeg(frames(face(1))[0] * 0 + 90), accepted)["faces"]
    with pytest.raises(NoFace):
        child.same_person("n", mine[9], lambda: [jpeg(frames(face(1))[0] * 0 + 90)])
    child.close()


def test_a_challenge_has_a_child_of_its_own_that_ends_with_it():
    watching = child.Watching()
    watching.ready()
    shot = [jpeg(one) for one in frames(face(1))]
    seen = watching.observe([(n / 12, one) for n, one in enumerate(shot[:8])], (0.0, 0.5))
    assert 8 == len(seen)
    assert all(one.faces == 1 for one in seen)
    seen += watching.observe([(n / 12, one) for n, one in enumerate(shot[8:], 8)], (0.0, 0.5))
    likeness = [one.same for one in seen if one.same is not None]
    assert likeness
    assert min(likeness) > 0.8
    assert max(abs(one.yaw) for one in seen) < 6
    assert max(one.bent for one in seen[6:]) < 0.045
    assert 0 == watching.observe([(9.0, b"no picture")], (0.0, 0.5))[0].faces
    watching.close()
    assert watching._child.pid is None
