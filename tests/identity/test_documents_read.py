"""Cards and passports are read from pictures and checked against themselves; no real document is in here."""

from dataclasses import replace
from datetime import date

import cv2
import numpy as np
import pytest
from PIL import Image as Pictures
from PIL import ImageDraw

from identity import cn_card, documents, mrz, permits, printed, specimen
from identity.errors import Unreadable

TODAY = date(2026, 11, 24)
UTOPIA = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)  # the specimen of ICAO Doc 9303-4, appendix A
UTOPIA_CARD = (
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "7408122F1204159UTO<<<<<<<<<<<6",
    "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
)  # of Doc 9303-5, appendix A


@pytest.fixture(scope="module")
def applicant() -> np.ndarray:
    return cv2.imread(str(specimen_faces() / "1.jpg"))


def specimen_faces():
    from pathlib import Path

    return Path(__file__).resolve().parent.parent / "faces"


def _on_a_table(card: np.ndarray) -> np.ndarray:
    """As a phone sees it: perspective, a glare, noise, JPEG."""
    corners = np.float32([[0, 0], [1012, 0], [1012, 638], [0, 638]])
    seen = np.float32([[150, 170], [1130, 145], [1150, 770], [135, 790]])
    table = np.full((960, 1280, 3), 90, np.uint8)
    warp = cv2.getPerspectiveTransform(corners, seen)
    photo = cv2.warpPerspective(card, warp, (1280, 960), dst=table, borderMode=cv2.BORDER_TRANSPARENT)
    down, across = np.mgrid[0:960, 0:1280]
    glare = 80 * np.exp(-((across - 500) ** 2 + (down - 600) ** 2) / (2 * 70**2))
    noisy = photo * 0.9 + glare[..., None] + np.random.default_rng(1).normal(0, 3, photo.shape)
    coded = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def _passport(zone: tuple[str, str], number: str, birth: str = "12 AUG/AOUT 74") -> np.ndarray:
    page = Pictures.new("RGB", (1250, 880), (236, 230, 224))
    draw = ImageDraw.Draw(page)
    draw.text((60, 40), "PASSPORT  样本 SPECIMEN", font=specimen._font(40), fill=(170, 40, 40))
    draw.text((440, 150), "Passport No.", font=specimen._font(26), fill=(90, 60, 60))
    draw.text((440, 190), number, font=specimen._font(38), fill=(20, 20, 22))
    draw.text((440, 290), "ERIKSSON", font=specimen._font(38), fill=(20, 20, 22))
    draw.text((440, 350), "ANNA MARIA", font=specimen._font(38), fill=(20, 20, 22))
    draw.text((440, 430), birth, font=specimen._font(38), fill=(20, 20, 22))
    draw.text((440, 510), "15 APR/AVR 12", font=specimen._font(38), fill=(20, 20, 22))
    for row, text in enumerate(zone):
        for column, letter in enumerate(text):  # one letter a cell, as the standard's type has it
            draw.text((40 + 26.5 * column, 715 + 72 * row), letter, font=specimen._font(36), fill=(10, 10, 10))
    return np.ascontiguousarray(np.asarray(page)[:, :, ::-1])


@pytest.mark.req("B04")
@pytest.mark.parametrize("card", [specimen.YANG_JIA, specimen.YANG_YI], ids=lambda card: card.name)
@pytest.mark.parametrize("capture", [lambda page: page, _on_a_table], ids=["drawn", "phone"])
def test_every_field_of_a_specimen_is_read_and_only_its_region_is_wrong(card, capture, applicant):
    front = documents.read(capture(specimen.front(card, applicant)), TODAY)
    assert "cn_id_front" == front.type
    assert front.fields == {
        "name": card.name,
        "sex": card.sex,
        "ethnicity": card.ethnicity,
        "birth": card.birth.isoformat(),
        "address": card.address,
        "number": card.number,
    }
    assert front.checks == {"number_checksum": True, "birth_in_number": True, "sex_in_number": True, "region": False}
    back = documents.read(capture(specimen.back(card)), TODAY)
    assert "cn_id_back" == back.type
    assert card.issuer == back.fields["issuer"]
    assert {"not_expired": True, "period": True} == back.checks
    assert {"period_for_age": True} == documents.check_sides(front, back)


@pytest.mark.req("B04")
def test_a_card_that_contradicts_itself_says_where(applicant):
    number = specimen.YANG_JIA.number
    changed = replace(specimen.YANG_JIA, sex="男", birth=date(1981, 5, 17), number=number[:-1] + "5")
    front = documents.read(specimen.front(changed, applicant), TODAY)
    assert {"number_checksum": False, "birth_in_number": False, "sex_in_number": False, "region": False} == front.checks
    old = replace(specimen.YANG_JIA, valid_from=date(2004, 3, 8), valid_to=date(2024, 3, 8))
    back = documents.read(specimen.back(old), TODAY)
    assert {"not_expired": False, "period": True} == back.checks


def test_a_card_photographed_upside_down_or_sideways_is_read(applicant):
    page = specimen.front(specimen.YANG_JIA, applicant)
    for turn in (cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE):
        assert specimen.YANG_JIA.number == documents.read(cv2.rotate(page, turn), TODAY).fields["number"]


def test_a_passport_is_read_and_its_printed_number_compared():
    told = documents.read(_passport(UTOPIA, "L898902C3"), date(2012, 4, 15))
    assert "td3" == told.type
    assert told.fields == {
        "surname": "ERIKSSON",
        "given": "ANNA MARIA",
        "number": "L898902C3",
        "country": "UTO",
        "birth": "740812",
        "sex": "F",
        "expiry": "120415",
    }
    assert all(told.checks.values())
    later = documents.read(_passport(UTOPIA, "L898902C3", "13 AUG/AOUT 74"), date(2012, 4, 16)).checks
    assert (False, False, True) == (later["not_expired"], later["birth_printed"], later["expiry_printed"])


@pytest.mark.req("B04")
@pytest.mark.parametrize("permit", specimen.PERMITS, ids=lambda permit: permit.title)
@pytest.mark.parametrize("capture", [lambda page: page, _on_a_table], ids=["drawn", "phone"])
def test_a_permit_is_read_on_both_sides_and_they_agree(permit, capture, applicant):
    front = documents.read(capture(specimen.permit_front(permit, applicant)), TODAY)
    assert front.type == permits.kind_of(permit.title)
    assert front.fields == {
        "name": permit.name,
        "surname": permit.surname,
        "given": permit.given,
        "sex": permit.sex,
        "birth": permit.birth.isoformat(),
        "number": permit.number,
        "valid_from": f"{permit.valid_from:%Y.%m.%d}",
        "valid_to": f"{permit.valid_to:%Y.%m.%d}",
    }
    assert {"number_form": True, "not_expired": True} == front.checks
    back = documents.read(capture(specimen.permit_back(permit)), TODAY)
    assert ("td1", permit.number, True) == (back.type, back.fields["number"], mrz.sound(back.checks))
    assert all(documents.check_sides(front, back).values())
    other = replace(back, fields=back.fields | {"birth": "990101", "number": "H00000009"})
    told = documents.check_sides(front, other)
    assert (False, False, True) == (told["birth_agrees"], told["number_agrees"], told["name_agrees"])


def test_the_number_of_the_newer_residence_card_bears_its_own_digit():
    first = "91102419800812001"
    good = {
        **dict.fromkeys(("valid_from", "valid_to"), ""),
        "birth": "1980-08-12",
        "number": first + cn_card.check_digit(first),
    }
    checks = permits.checks_of("permit_foreign", good, TODAY)
    assert (True, True, None) == (checks["number_checksum"], checks["birth_in_number"], checks["not_expired"])
    bad = permits.checks_of("permit_foreign", {**good, "number": first + "0", "birth": "1980-08-13"}, TODAY)
    assert (False, False) == (bad["number_checksum"], bad["birth_in_number"])


@pytest.mark.parametrize(
    ("row", "day"),
    [("15 APR/AVR 12", "120415"), ("01 1月/JAN 2000", "000101"), ("12.08.1974", "740812"), ("1974年8月12日", "740812"),
     ("Date of birth 12 AUG 1974", "740812"), ("2024.13.01", None), ("EG0966518", None)],
)  # fmt: skip
def test_a_printed_date_is_found_in_the_orders_that_documents_use(row, day):
    assert ({day} if day else set()) == printed.dates([row])


def test_a_name_that_is_one_letter_off_in_the_print_is_another_name():
    zone = {"surname": "ERIKSSON", "given": "ANNA", "number": "L898902C3", "birth": "740812", "expiry": "120415"}
    assert mrz.printed_checks(zone, ["ERIKSSON", "ANNA"])["name_printed"] is True
    assert mrz.printed_checks(zone, ["ERIKSSEN", "ANNA"])["name_printed"] is False
    assert mrz.printed_checks(zone, ["nothing"])["name_printed"] is None


@pytest.mark.parametrize("nothing", [np.full((600, 800, 3), 200, np.uint8), None], ids=["blank", "a face"])
def test_what_is_no_document_is_refused(nothing, applicant):
    with pytest.raises(Unreadable):
        documents.read(applicant if nothing is None else nothing, TODAY)


def test_the_standards_own_examples_hold():
    assert mrz.find(["PASSPORT", *UTOPIA]) == ("td3", UTOPIA)
    assert mrz.find(UTOPIA_CARD) == ("td1", UTOPIA_CARD)
    for kind, zone in (("td3", UTOPIA), ("td1", UTOPIA_CARD)):
        checks = mrz.checks_of(kind, zone, TODAY)
        assert all(checks[key] for key in ("mrz_number", "mrz_birth", "mrz_expiry", "mrz_composite"))
        assert checks["not_expired"] is False
        fields = mrz.fields_of(kind, zone)
        assert ("ERIKSSON", "ANNA MARIA") == (fields["surname"], fields["given"])
    assert "D23145890" == mrz.fields_of("td1", UTOPIA_CARD)["number"]


def test_one_wrong_letter_of_a_zone_is_noticed_unless_it_is_ten_away():
    row = UTOPIA[1]
    for at in (0, 13, 21):
        other = row[:at] + ("7" if row[at] != "7" else "8") + row[at + 1 :]
        assert not mrz.sound(mrz.checks_of("td3", (UTOPIA[0], other), TODAY))
    twin = "E60966518", "EG0966518"
    assert mrz.check_digit(twin[0]) == mrz.check_digit(twin[1])
    assert mrz.printed_number(twin[0], ["PCHNEG0966518"]) is False
    assert mrz.printed_number(twin[1], ["PCHNEG0966518"]) is True
    assert mrz.printed_number(twin[1], ["nothing here"]) is None


def test_every_single_wrong_digit_of_a_number_is_noticed():
    number = "11010519491231002X"  # the example of GB 11643-1999
    assert "X" == cn_card.check_digit(number[:17])
    for at in range(17):
        for digit in "0123456789":
            if digit != number[at]:
                assert "X" != cn_card.check_digit(number[:at] + digit + number[at + 1 : 17])


def test_an_ethnicity_is_one_of_the_56_or_not_read():
    assert 56 == len(cn_card.ETHNICITIES)
    for read, held in (("民族漢", "汉"), ("民族滿族", "满"), ("民族维吾尔", "维吾尔"), ("民族汊", "")):
        assert held == cn_card.front([read])["ethnicity"]


def test_what_was_not_read_is_not_checked():
    assert set(cn_card.front_checks(cn_card.front(["姓名样本甲"])).values()) == {None}
    assert cn_card.back_checks(cn_card.back(["签发机关"]), TODAY) == {"not_expired": None, "period": None}
    assert set(cn_card.front_checks(cn_card.front(["11010519491231002X"])).values()) == {True, None}


@pytest.mark.parametrize(
    ("born", "until", "fits"),
    [
        ("2012-01-01", "2027.01.01", True),  # 10 years old: 5 years
        ("2012-01-01", "2042.01.01", False),
        ("2000-01-01", "2032.01.01", True),  # 22: 10 years
        ("1985-01-01", "2042.01.01", True),  # 37: 20 years
        ("1960-01-01", "长期", True),
        ("1985-01-01", "长期", False),
        ("", "长期", None),
    ],
)
def test_the_period_on_the_back_fits_the_age_on_the_front(born, until, fits):
    back = {"valid_from": "2022.01.01", "valid_to": until, "issuer": ""}
    assert {"period_for_age": fits} == cn_card.sides_checks({"birth": born}, back)


def test_a_temporary_card_is_named_as_one():
    import identity.ocr

    rows = ["中华人民共和国", "临时居民身份证", "签发机关样本市公安局", "有效期限2026.11.01-2027.02.01"]
    texts = [identity.ocr.Text(row, 10, 300, 50.0 * i, 30) for i, row in enumerate(rows)]
    page = np.full((600, 900, 3), 220, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity.ocr, "texts", lambda _: texts)
        told = documents.read(page, TODAY)
    assert "cn_id_temporary" == told.type
    assert ("2026.11.01", True) == (told.fields["valid_from"], told.checks["not_expired"])
