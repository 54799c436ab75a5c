"""The commands that offices script against."""

import json
import shutil
from pathlib import Path

import cv2
import pytest

from identity import specimen
from identity.__main__ import main

FACES = Path(__file__).resolve().parent.parent / "faces"


@pytest.fixture
def folder(tmp_path):
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        shutil.copy(FACES / name, tmp_path)
    cv2.imwrite(str(tmp_path / "wall.png"), cv2.resize(cv2.imread(str(FACES / "1.jpg"))[:8, :8], (400, 400)))
    return tmp_path


def test_a_list_is_answered_line_by_line_as_it_was_written(folder, capsys):
    (folder / "p.csv").write_text("a,b,same\n1.jpg,1.jpg,1\n1.jpg,2.jpg,0\n1.jpg,1.jpg|1.jpg,1\nwall.png,1.jpg,0\n")
    assert 0 == main(["compare", "--pairs", str(folder / "p.csv"), "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [("1.jpg", "1.jpg"), ("1.jpg", "2.jpg"), ("1.jpg", "1.jpg|1.jpg"), ("wall.png", "1.jpg")] == [
        (line["a"], line["b"]) for line in lines
    ]
    assert all({"a", "b", "score", "engine"} == set(line) and "sface" == line["engine"] for line in lines)
    same, other, mean, nobody = (line["score"] for line in lines)
    assert same > 0.99
    assert mean > 0.99
    assert other < 0.4
    assert nobody is None


def test_a_list_that_names_an_absent_picture_is_not_wholly_answered(folder, capsys):
    (folder / "p.csv").write_text("a,b\n1.jpg,absent.jpg\n1.jpg,1.jpg\n")
    assert 1 == main(["compare", "--pairs", str(folder / "p.csv"), "--json"])
    out = capsys.readouterr()
    assert [None, True] == [
        score and score > 0.9 for score in (json.loads(row)["score"] for row in out.out.splitlines())
    ]
    assert "absent.jpg" in out.err


@pytest.mark.parametrize("name", ["sface", "face_recognition"])
def test_two_pictures_by_either_engine(folder, capsys, name):
    words = [str(folder / "1.jpg"), str(folder / "2.jpg"), "--engine", name, "--json"]
    assert 0 == main(["compare", *words])
    told = json.loads(capsys.readouterr().out)
    assert name == told["engine"]
    assert told["score"] < told["threshold"]
    assert 2 == main(["compare", str(folder / "1.jpg"), str(folder / "wall.png"), "--json"])
    assert json.loads(capsys.readouterr().out)["score"] is None


@pytest.mark.parametrize("words", [["compare", "1.jpg"], ["compare"], [], ["compare", "a", "b", "--engine", "oracle"]])
def test_wrong_usage_is_64(words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert 64 == ended.value.code


def test_documents_are_read_one_line_each(folder, capsys):
    front = folder / "front.png"
    cv2.imwrite(str(front), specimen.front(specimen.YANG_JIA, cv2.imread(str(folder / "1.jpg"))))
    assert 2 == main(["read", str(front), str(folder / "wall.png"), "--json"])
    good, bad = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (str(front), "cn_id_front", "样本甲") == (good["file"], good["type"], good["name"])
    assert good["checks"]["number_checksum"] is True
    assert {"file": str(folder / "wall.png"), "type": None, "why": "unreadable"} == bad
