"""A changed picture of a card shows signs, an unchanged one does not; forgeries are made by the recipe of the benchmark."""

import random
import sys
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "identity"))
import forgeries
import papers

from identity import documents, specimen
from identity.pictures import decode
from notary.redraw import _picture

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 24)


def taken_in(picture: bytes) -> documents.Reading:
    """As the office keeps and reads an upload."""
    return documents.read(decode(_picture(picture, "image/jpeg")[0]), TODAY)


@pytest.fixture(scope="module")
def phones() -> list[tuple[str, bytes]]:
    rng = random.Random(7)
    faces = [cv2.imread(str(ROOT / "tests" / "faces" / f"{n}.jpg")) for n in (1, 2)]
    cards = [papers.card(rng) for _ in faces]
    return [
        (card.number, papers.phone(specimen.front(card, face), 7000 + n, 75))
        for n, (card, face) in enumerate(zip(cards, faces, strict=True))
    ]


@pytest.mark.req("B04")
def test_an_unchanged_picture_shows_no_sign_and_says_what_was_looked_for(phones):
    for turn in (None, cv2.ROTATE_90_CLOCKWISE):
        picture = phones[0][1]
        if turn is not None:
            picture = papers._jpeg(cv2.rotate(decode(picture), turn), 95)
        told = taken_in(picture)
        assert phones[0][0] == told.fields["number"]
        assert () == told.signs.found
        assert {"copied-digits", "other-compression:portrait"} <= set(told.signs.looked)


@pytest.mark.req("B04")
def test_another_portrait_and_other_digits_are_noticed(phones):
    number, picture = phones[1]
    digits = forgeries.characters(picture, number)
    assert 18 == len(digits)
    assert "other-compression:portrait" in taken_in(papers.with_portrait(picture, phones[0][1], 1)).signs.found
    assert "other-compression:number" in taken_in(papers.with_drawn_digits(picture, digits, 7)).signs.found
    copied = taken_in(papers.with_copied_digits(picture, digits, 3)).signs.found
    assert {"copied-digits", "other-compression:number"} & set(copied)


def test_a_drawing_without_noise_and_a_picture_coded_once_are_not_judged_by_what_they_lack(phones):
    face = cv2.imread(str(ROOT / "tests" / "faces" / "1.jpg"))
    told = documents.read(specimen.front(specimen.YANG_JIA, face), TODAY).signs
    assert () == told.found
    assert "copied-digits" not in told.looked
    assert documents.read(specimen.back(specimen.YANG_JIA), TODAY).signs.looked == ()
    assert documents.tampering.characters(np.full((40, 400, 3), 200, np.uint8), (0, 0, 400, 40)) == []
