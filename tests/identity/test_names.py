"""Names with a dot and names in old forms: kept as written, compared without what only differs in writing."""

import pytest

from identity import cn_card, names
from identity.provider import Claim, Outcome, from_card

DOTS = "·•∙⋅・･‧᛫⸱●．.。｡﹒˙ꞏ⸳◦‧･·․°"


@pytest.mark.req("B04")
@pytest.mark.parametrize("dot", sorted(set(DOTS)), ids=lambda dot: f"U+{ord(dot):04X}")
@pytest.mark.parametrize("blanks", ["", " "])
def test_every_dot_that_people_and_readers_write_becomes_the_one_of_the_register(dot, blanks):
    written = f"买买提{blanks}{dot}{blanks}吐尔逊"
    assert "买买提·吐尔逊" == names.dotted(written)
    assert names.same(written, "买买提·吐尔逊")
    assert "买买提·吐尔逊" == cn_card.front([f"姓名{written}"])["name"]


def test_a_name_of_three_parts_keeps_both_dots_and_a_name_without_one_gets_none():
    assert "艾力·买买提·吐尔逊" == names.dotted("艾力.买买提•吐尔逊")
    assert not names.same("买买提吐尔逊", "买买提·吐尔逊")  # a lost dot is a difference that somebody looks at


@pytest.mark.parametrize("latin", ["Jr. Smith", "O'Neil", "J.R.R. Tolkien", "Jean-Luc", "ERIKSSON"])
def test_a_dot_between_other_letters_is_left_alone(latin):
    assert latin == names.dotted(latin)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("張國榮", "张国荣"), ("劉德華", "刘德华"), ("葉問", "叶问"), ("鍾馗", "钟馗"), ("蕭峰", "萧峰"), ("龔自珍", "龚自珍"),
        ("龍應臺", "龙应台"), ("瀋陽市鐵西區", "沈阳市铁西区"), ("乾隆", "干隆"), ("閻錫山", "阎锡山"), ("喬峯", "乔峰"),
    ],
)  # fmt: skip
def test_traditional_forms_are_the_same_for_comparison_only(old, new):
    assert names.same(old, new)
    assert old == names.dotted(old)
    assert old == cn_card.front([f"姓名{old}"])["name"]


@pytest.mark.parametrize(("one", "other"), [("张国荣", "张国容"), ("李明", "李朋"), ("王五", "王伍"), ("", "王五")])
def test_other_names_stay_other_names(one, other):
    assert not names.same(one, other)


def test_every_ethnicity_is_read_in_both_scripts():
    from opencc import OpenCC

    to_old = OpenCC("s2t")
    for name in cn_card.ETHNICITIES:
        assert name == cn_card.front([f"民族{to_old.convert(name)}"])["ethnicity"], name


@pytest.mark.req("B04")
def test_a_card_in_old_forms_agrees_with_the_claim_and_another_name_does_not():
    front = {"name": "買買提•吐爾遜", "number": "11010519491231002X"}
    told = from_card(Claim("买买提·吐尔逊", "11010519491231002X"), front, {}, None)
    assert Outcome.AGREES == told.outcome
    assert ("name",) == from_card(Claim("买买提·吐逊", "11010519491231002X"), front, {}, None).why
