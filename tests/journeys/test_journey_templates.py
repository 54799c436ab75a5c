"""Of every face that was looked at nothing is left but frames and scores: tables and disk are searched for the very numbers.

`CASES=100 make templates` drives a hundred cases; a check drives two.
"""

import base64
import os
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
import pytest
import sqlalchemy as sa

from identity import child, specimen, yunet
from identity.challenge import Drawn
from identity.engines import NAMES, engine
from identity.faces import average
from identity.liveness import Prompt
from identity.pictures import decode
from notary import ledger
from notary.intake import Clean
from notary.lifecycle import Role
from notary.models import Challenge, Consent, ConsentKind, FaceCheck, Interview, Person
from notary.office import filing, hearing, identifying, prompting, proving, safe

CASES = int(os.environ.get("CASES", "2"))
FACES = Path(__file__).resolve().parents[1] / "faces"
DRAWN = Drawn(str(uuid4()), ("left", "nod", "right"), "4711", ("red",) * 6, 4.0)


class Needles:
    """The numbers of templates in the ways in which they could be written, and whether any stands in some bytes.

    Raw as 32 and 64 bits, in hexadecimal (how a table's bytes come out), in base64 at every shift, and in decimals. Eight
    bytes find a place, at any offset; sixteen must be the same there.
    """

    def __init__(self, vectors: list[np.ndarray]) -> None:
        forms: set[bytes] = set()
        for vector in vectors:
            flat = np.asarray(vector).reshape(-1)
            for raw in (flat.astype("<f4").tobytes(), flat.astype("<f8").tobytes()):
                for at in (0, len(raw) // 2 // 8 * 8):
                    forms.add(raw[at : at + 16])
                    forms.add(raw[at : at + 16].hex().encode())
                for shift in range(3):
                    forms.add(base64.b64encode(raw[shift : shift + 24])[:16])
            for value in flat[:4]:
                for number in (float(np.float32(value)), float(value)):
                    if 0.001 < abs(number) < 1:
                        forms.add(f"{abs(number):.20f}"[:10].encode().ljust(16, b"\0"))
        self.count = len(forms)
        self.keys = np.unique(np.array([int.from_bytes(one[:8], "little") for one in forms], np.uint64))
        self.forms = {}
        for one in forms:
            self.forms.setdefault(one[:8], []).append(one.rstrip(b"\0"))

    def found_in(self, data: bytes) -> bool:
        for shift in range(8):
            windows = np.frombuffer(data, "<u8", count=max(0, (len(data) - shift) // 8), offset=min(shift, len(data)))
            places = np.searchsorted(self.keys, windows)
            for hit in np.flatnonzero(self.keys[np.minimum(places, len(self.keys) - 1)] == windows):
                at = int(hit) * 8 + shift
                if any(data.startswith(form, at) for form in self.forms[data[at : at + 8]]):
                    return True
        return False


def frames(number: int, seed: int) -> list[bytes]:
    """Five pictures of a camera, each a little different, no two cases alike."""
    draw, face = np.random.default_rng(seed), cv2.imread(str(FACES / f"{number}.jpg"))
    made = []
    for _n in range(5):
        turn = cv2.getRotationMatrix2D(
            (face.shape[1] / 2, face.shape[0] / 2), draw.uniform(-4, 4), draw.uniform(0.95, 1.0)
        )
        moved = cv2.warpAffine(face, turn, face.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        noisy = np.clip(moved + draw.normal(0, 2, moved.shape), 0, 255).astype(np.uint8)
        made.append(bytes(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]))
    return made


def vectors_of(pictures: list[bytes]) -> list[np.ndarray]:
    """What both engines make of them, one by one and as a mean."""
    found = []
    for name in NAMES:
        one = engine(name)
        seen = [one.encode_face(image, yunet.largest(image)) for image in map(decode, pictures)]
        found += [each.vector for each in (*seen, average(seen[1:], unit=one.unit))]
    return found


def case_of(parts, notary: Person, seed: int):
    """A case with a card and an open interview whose applicant agreed; (challenge's id, card's front)."""
    by = ledger.Actor(Role.NOTARY, notary.id, notary.name, notary.office_id)
    front = cv2.imencode(".jpg", specimen.front(specimen.YANG_JIA, cv2.imread(str(FACES / f"{seed % 3 + 1}.jpg"))))[
        1
    ].tobytes()
    with parts.db.begin() as db:
        case = filing.start(db, parts, "declaration", by, parts.clock(), applicant=None, phone="+8613800138000")
        filing.add_exhibit(
            db, parts, case, "id-front", "a.jpg", "0" * 64, Clean("image/jpeg", front, 1), by, parts.clock()
        )
        interview = Interview(
            case_id=case.id, notary_id=notary.id, opened_at=parts.clock(), identity_since=parts.clock()
        )
        db.add_all(
            [
                interview,
                Consent(case_id=case.id, kind=ConsentKind.FACE, about="", given=True, words="", at=parts.clock()),
            ]
        )
        db.flush()
        row = Challenge(
            interview_id=interview.id, drawn=DRAWN.as_json(), slow=False, asked_by=notary.id, asked_at=parts.clock()
        )
        db.add(row)
        db.flush()
        return row.id, interview.id, front


@pytest.fixture(autouse=True)
def no_child_is_left():
    yield
    child.close()


@pytest.mark.req("B12", "B13")
def test_no_template_of_any_case_is_left_in_the_tables_or_on_the_disk(parts, postgres, monkeypatch):
    with parts.db() as db:
        notary = db.scalars(sa.select(Person).where(Person.role == Role.NOTARY)).first()
    vectors: list[np.ndarray] = []
    for seed in range(CASES):
        challenge, interview, front = case_of(parts, notary, seed)
        pictures = frames(seed % 3 + 1, seed)

        def performed(_media, _room, _challenge, made, _without, pictures=pictures):
            watching = child.Watching()
            try:
                seen = watching.observe([(float(n), one) for n, one in enumerate(pictures)], (0.0, 1.0))
            finally:
                watching.close()
            prompts = [
                Prompt(kind, float(n), n + 1.0) for n, kind in enumerate(("ahead", *made.actions, "say", "flash"))
            ]
            return prompting.Performance(
                prompts, seen, [(float(n), one) for n, one in enumerate(pictures)], [0] * 5, ["x"] * 5
            )

        monkeypatch.setattr(prompting, "perform", performed)
        proving.run_challenge(parts, str(challenge))
        with parts.db() as db:
            assert "done" == db.get_one(Challenge, challenge).state
            check = db.scalars(sa.select(FaceCheck).where(FaceCheck.interview_id == interview)).one()
            assert len(check.results) == 3, "both engines spoke"  # and the notes
            at = hearing.of_room(db, interview)
            kept = [
                safe.fetch(parts, at.case, one.object_key, one.sha256)
                for one in identifying.snapshots_of(db, at.interview)
            ]
        assert child.same_person(str(interview), pictures[0], lambda pictures=pictures: pictures)["known"]
        vectors += vectors_of([child.card_portrait(front), *pictures])
        assert set(kept) - {child.card_portrait(front)} <= set(pictures), "nothing but frames and the portrait is kept"
        parts.clock.pass_by(seconds=60)
    needles = Needles(vectors)

    searched = 0
    with parts.engine.connect() as db:
        for schema, table in db.execute(
            sa.text(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
        ).all():
            rows = db.execute(sa.text(f'SELECT t::text FROM "{schema}"."{table}" t')).scalars().all()
            told = "\n".join(rows).encode()
            searched += len(told)
            assert not needles.found_in(told), f"{schema}.{table}"
        name = db.scalar(sa.text("SELECT oid FROM pg_database WHERE datname = current_database()"))
        db.execute(sa.text("CHECKPOINT"))
    on_disk = [
        *(postgres.data / "base" / str(name)).rglob("*"),
        *(postgres.data / "pg_wal").rglob("*"),
        *parts.settings.home.rglob("*"),
    ]
    for path in on_disk:
        if path.is_file():
            data = path.read_bytes()
            searched += len(data)
            assert not needles.found_in(data), path.name
    print(
        f"\n{CASES} cases, {len(vectors)} templates, {needles.count} spellings: none in {searched / 1e6:.0f} MB of tables and disk"
    )


@pytest.mark.parametrize(
    "written",
    [
        lambda v: v.astype("<f4").tobytes(), lambda v: v.astype("<f8").tobytes(), lambda v: v.astype("<f4").tobytes().hex().encode(),
        lambda v: base64.b64encode(v.astype("<f4").tobytes()), lambda v: str([float(x) for x in v]).encode(),
    ],
    ids=["32 bits", "64 bits", "hexadecimal", "base64", "decimals"],
)  # fmt: skip
def test_what_searches_for_templates_would_find_one(written):
    vector = np.random.default_rng(1).normal(0, 0.1, 128).astype(np.float32)
    needles = Needles([vector])
    noise = np.random.default_rng(2).bytes(200_003)
    assert not needles.found_in(noise)
    assert needles.found_in(noise[:70_001] + written(vector) + noise[70_001:])
