"""An office's own thresholds: what its pairs can show, what they cannot, and that only the right model takes them."""

import json
import random
import shutil
from pathlib import Path

import pytest

from identity import engines, report, thresholds
from identity.__main__ import main
from identity.calibration import Scores, Share, groups_apart, histogram, steps, too_few
from identity.errors import BadThresholds

FACES = Path(__file__).resolve().parent.parent / "faces"


def drawn(seed: int, same: float = 0.65, different: float = 0.05, n: int = 400) -> Scores:
    """Normal scores, 10 different pairs to one of the same person."""
    dice = random.Random(seed)
    return Scores(
        tuple(dice.gauss(same, 0.1) for _ in range(n)), tuple(dice.gauss(different, 0.1) for _ in range(10 * n))
    )


def test_a_share_is_told_with_its_interval():
    assert Share(0, 300).interval == (
        pytest.approx(0.0, abs=1e-9),
        pytest.approx(0.01264, abs=1e-4),
    )  # Wilson's, not the rule of three's 1 %
    assert Share(7, 218).interval == (pytest.approx(0.0156, abs=1e-3), pytest.approx(0.0648, abs=1e-3))
    assert "(7/218)" in str(Share(7, 218))


@pytest.mark.parametrize("far", [0.01, 0.001])
def test_a_threshold_lets_through_no_more_than_was_asked(far):
    scores = drawn(1)
    at = scores.threshold(far)
    assert scores.far(at).value <= far < scores.far(at - 0.02).value


@pytest.mark.req("B07")
def test_bands_fall_and_each_tells_the_upper_end_of_what_it_lets_through():
    found = steps(drawn(2))
    assert ["strong", "support", "doubtful"] == [step.band for step in found]
    assert found[0].at_least > found[1].at_least > found[2].at_least
    for step in found:
        assert step.false_accepts >= drawn(2).far(step.at_least).value
    crossed = Scores((0.9,) * 9, (0.1,) * 9)  # nothing overlaps: the bands still lie below one another
    assert len({step.at_least for step in steps(crossed)}) == 3


def test_pairs_of_one_kind_and_too_few_pairs_are_said():
    with pytest.raises(ValueError, match="both needed"):
        steps(Scores((0.5,), ()))
    assert ["FAR 0.01 % needs 30,000 pairs of two people, there are 4,000"] == too_few(drawn(3))


def test_a_group_that_is_taken_for_others_more_often_is_named():
    assert ["worse"] == groups_apart({"fine": drawn(4), "worse": drawn(5, different=0.2)}, 0.4)
    assert [] == groups_apart({"a": drawn(6), "b": drawn(7)}, 0.4)


def test_every_score_is_counted_once():
    assert 5 == sum(histogram([-9.0, 0.0, 0.5, 1.0, float("-inf")], 0.0, 1.0, 10))


def pairs(folder: Path, same: str = "1") -> Path:
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        shutil.copy(FACES / name, folder)
    rows = ["1.jpg,1.jpg,1,a", "2.jpg,2.jpg,1,b", "1.jpg,2.jpg,0,a", "2.jpg,3.jpg,0,b", f"3.jpg,3.jpg,{same},"]
    (folder / "pairs.csv").write_text("a,b,same,group\n" + "\n".join(rows) + "\n")
    return folder / "pairs.csv"


@pytest.mark.req("B07")
def test_the_command_writes_a_page_and_thresholds_that_the_engine_then_uses(tmp_path, monkeypatch, capsys):
    assert 0 == main(["calibrate", str(pairs(tmp_path)), str(tmp_path / "out")])
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == 2
    assert "FAR 1 % needs 300 pairs of two people, there are 2" in page
    assert "http" not in page  # nothing is fetched to read it
    monkeypatch.setenv(thresholds.VARIABLE, str(tmp_path / "out" / "thresholds.json"))
    engines.engine.cache_clear()
    try:
        own = engines.engine("sface")
        told = json.loads((tmp_path / "out" / "thresholds.json").read_text())
        assert own.thresholds["default"] == told["steps"][1]["at_least"] != type(own).thresholds["default"]
        assert "pairs.csv" in own.score(*[own.encode(_picture("1.jpg"))] * 2).source
    finally:
        engines.engine.cache_clear()


def _picture(name):
    from identity.pictures import decode

    return decode((FACES / name).read_bytes())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda told: told.update(model_sha256="0" * 64), "another model"),
        (lambda told: told.update(format="else/1"), "the bands strong"),
        (lambda told: told["steps"].reverse(), "the bands strong"),
        (lambda told: told["steps"][0].update(at_least="much"), "no file of thresholds"),
        (lambda told: told.pop("engine"), "no file of thresholds"),
    ],
)
def test_thresholds_of_another_model_or_out_of_order_are_refused(tmp_path, monkeypatch, spoil, says):
    from datetime import date

    told = report.thresholds(engines.engine("sface"), drawn(8), "drawn", date(2026, 11, 25))
    spoil(told)
    (tmp_path / "t.json").write_text(json.dumps(told))
    monkeypatch.setenv(thresholds.VARIABLE, str(tmp_path / "t.json"))
    engines.engine.cache_clear()
    try:
        with pytest.raises(BadThresholds, match=says):
            engines.engine("sface")
    finally:
        engines.engine.cache_clear()


def test_a_list_without_its_columns_is_refused(tmp_path, capsys):
    (tmp_path / "p.csv").write_text("a,b\n1,2\n")
    assert 64 == main(["calibrate", str(tmp_path / "p.csv"), str(tmp_path / "out")])
    assert 64 == main(["calibrate", str(pairs(tmp_path, same="yes")), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
