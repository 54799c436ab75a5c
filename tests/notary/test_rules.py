"""The shipped rules stand, and broken ones are refused with file and key."""

import shutil
import tomllib

import pytest

from notary import matters
from notary.rules import RULES, read, rules
from notary.shape import BadRules, Words, build


def _tables(value, path=""):
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from _tables(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _tables(inner, f"{path}[{number}]")


@pytest.fixture
def broken(tmp_path):
    """A copy of the rules in which one text is replaced."""
    folder = tmp_path / "rules"
    shutil.copytree(RULES, folder)

    def change(name, old, new):
        path = folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return folder

    return change


def test_every_file_names_its_source_and_since_when_it_holds():
    for path in RULES.rglob("*.toml"):
        table = tomllib.loads(path.read_text())
        assert table["source"], path
        assert table["in_force"], path


@pytest.mark.parametrize("part", ["questions", "declarations"])
def test_every_question_and_declaration_has_a_source(part):
    for matter in rules().matters.values():
        assert all(one.source for one in getattr(matter, part))


@pytest.mark.req("A01")
@pytest.mark.parametrize("key", ["guarantor-consent", "power-of-attorney", "declaration"])
def test_a_matter_says_conditions_steps_limit_fee_and_materials(key):
    matter = rules().matter(key)

    assert rules().open_remotely(key)
    assert matter.conditions
    assert matter.steps
    assert matter.fee.fen > 0
    assert all(str(m.where) for m in matter.materials)
    assert {"id-front", "id-back"} <= {m.role for m in matter.materials}


@pytest.mark.req("L10")
def test_every_text_stands_in_both_languages():
    for path in RULES.rglob("*.toml"):
        for where, table in _tables(tomllib.loads(path.read_text())):
            if "zh" in table or "en" in table:
                assert {"zh", "en"} == set(table), f"{path.name}{where}"


def test_no_english_text_holds_chinese_except_quoted_examples():
    for matter in rules().matters.values():
        for text in (matter.title, matter.summary, matter.lead, *matter.deed.texts(), *matter.effects):
            assert not any("一" <= c <= "鿿" for c in text.en), text.en


def test_the_deed_can_be_filled_from_fields_party_and_office():
    for matter in rules().matters.values():
        known = {f.key for f in matter.fields} | matters.PARTY
        for text in matter.deed.texts():
            assert set(matters.PLACEHOLDER.findall(text.zh)) <= known
            filled = matters.fill(text.en, dict.fromkeys(known, "{x}"))
            assert "{party_name}" not in filled


def test_a_value_with_braces_is_not_filled_again():
    assert matters.fill("a{x}c", {"x": "{b}", "b": "no"}) == "a{b}c"
    with pytest.raises(KeyError, match="missing"):
        matters.fill("{missing}", {})


@pytest.mark.req("G08")
def test_there_are_nine_grounds_of_not_handling():
    assert len(rules().kinds("refusal")) == 9
    assert all("第31条" in g.source for g in rules().kinds("refusal"))
    assert all(g.then for g in rules().kinds("stop"))


@pytest.mark.req("B10", "A12", "A17", "C05")
def test_consents_are_separate_and_refusing_the_face_costs_nothing():
    notices = rules().notices

    assert {"rights-and-risks", "liability", "recording-consent", "face-consent"} == set(notices)
    assert notices["face-consent"].decline is not None
    assert "费用不变" in notices["face-consent"].paragraphs[-1].zh


@pytest.mark.req("D09")
def test_recordings_are_kept_ten_years_or_more():
    assert rules().profile.retention.recording >= 10


def test_a_paragraph_follows_the_capacity():
    deed = rules().matter("guarantor-consent").deed

    alone = "".join(p.zh for p in deed.chosen({"capacity": "guarantor"}))
    company = "".join(p.zh for p in deed.chosen({"capacity": "representative"}))

    assert "{company}" not in alone
    assert "直接要求声明人偿还" in alone
    assert "直接要求{company}偿还" in company


def test_the_digest_moves_with_a_file_it_rests_on_and_only_then(broken):
    before = rules()
    after = read(broken("matters/declaration.toml", "声明一件事是真的", "声明一件事是真的。"))

    assert before.matter("declaration").digest != after.matter("declaration").digest
    assert before.matter("guarantor-consent").digest == after.matter("guarantor-consent").digest
    assert before.digest != after.digest
    assert "matters/declaration.toml" in before.set_of("declaration")
    assert "matters/guarantor-consent.toml" not in before.set_of("declaration")


M = "matters/guarantor-consent.toml"


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (M, "{new_due}及继续", "{nwe_due}及继续", "nobody fills {nwe_due}"),
        (M, "出生，{party_id_type}号码", "出生，号码", "name other facts"),
        (M, 'key = "id-back"', 'key = "id-front"', "'id-front' stands twice"),
        (M, 'key = "loan"\norder', 'key = "capacity"\norder', "'capacity' stands twice"),
        (M, 'key = "guarantor-consent"', 'key = "other"', "not the file's name"),
        (M, "fen = 20000", 'fen = "200"', "fee.fen: int is wanted"),
        (M, "fen = 20000", "", "fen is missing"),
        (M, "fen = 20000", "fen = 20000\ntip = 1", "nobody knows tip"),
        (M, 'type = "money"', 'type = "mony"', "'mony' is none of"),
        (M, 'among = ["shareholder", "representative"]', 'among = ["boss"]', "can never hold"),
        (M, 'after = "due"', 'after = "bank"', "is no date field"),
        (M, 'section = "who"', 'section = "whom"', "there is no section 'whom'"),
        (M, 'field = "borrower_phone"', 'field = "phone"', "there is no field 'phone'"),
        (M, 'en = "Same day"', 'en = " "', "a text is empty"),
        (M, "days = 0", "days = 0 0", "guarantor-consent.toml: "),
        ("profiles/cn-domestic.toml", '"declaration"]', '"will"]', "nobody wrote will"),
        ("guide.toml", 'what = "will"', 'what = "wil"', "what is never 'wil'"),
        ("guide.toml", 'channel = "video"', 'channel = "visit"', "only video does"),
        ("questions/common.toml", "in_force", "since", "questions/common.toml: nobody knows since"),
    ],
)
def test_a_broken_rule_is_refused_with_its_file_and_key(broken, name, old, new, says):
    with pytest.raises(BadRules) as refusal:
        read(broken(name, old, new))

    assert says in str(refusal.value)
    assert str(refusal.value).startswith(name)


def test_a_missing_file_is_named(tmp_path):
    shutil.copytree(RULES, tmp_path / "rules")
    (tmp_path / "rules/wording/refusals.toml").unlink()

    with pytest.raises(BadRules, match=r"wording/refusals.toml: the file is missing"):
        read(tmp_path / "rules")


def test_a_bool_is_no_number_and_a_list_no_text():
    assert Words("甲", "A") == build(Words, {"zh": "甲", "en": "A"}, "x")
    with pytest.raises(BadRules, match="x: int is wanted"):
        build(int, True, "x")
    with pytest.raises(BadRules, match=r"x\.zh: str is wanted"):
        build(Words, {"zh": ["甲"], "en": "A"}, "x")


@pytest.mark.req("A04")
def test_the_guide_ends_for_every_answer_and_says_why():
    guide = rules().guide
    ends = []

    def walk(answers):
        step = guide.next(answers)
        if hasattr(step, "why"):
            ends.append((answers, step))
            return
        assert step.key not in answers
        for option in step.options:
            walk({**answers, step.key: option.value})

    walk({})

    assert all(step.why.zh and step.why.en and step.source for _, step in ends)
    assert {"guarantor-consent", "power-of-attorney", "declaration"} == {s.matter for _, s in ends} - {""}
    assert 4 <= max(len(answers) for answers, _ in ends) <= 6
    assert guide.next({"what": "will"}).channel == "visit"
