"""The store keeps what it was given, whole, once."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import BadKey, Differs, NoSuchObject, Store, StoreFull


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "objects")


def test_an_object_comes_back_as_it_went_in(store):
    digest = store.put_once("deeds/a.pdf", b"body")
    assert store.get("deeds/a.pdf") == b"body"
    assert store.exists("deeds/a.pdf")
    assert not store.exists("deeds/b.pdf")
    assert digest == "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"
    with store.open_stream("deeds/a.pdf") as stream:
        assert stream.read(2) == b"bo"


@pytest.mark.req("D05")
def test_other_bytes_under_the_same_key_are_refused(store):
    store.put_once("a", b"one")
    store.put_once("a", b"one")
    with pytest.raises(Differs):
        store.put_once("a", b"two")
    assert store.get("a") == b"one"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "..",
        "a/../b",
        "a//b",
        "a/",
        ".staging/x",
        "a\x00b",
        "a/./b",
        "名",
        "-rf",
        "a" * 200,
        "x/" * 13 + "x",
    ],
)
def test_a_key_that_leads_elsewhere_is_refused(store, key):
    for call in (store.get, store.exists, store.open_stream, lambda k: store.put_once(k, b"x")):
        with pytest.raises(BadKey):
            call(key)


@given(st.text(max_size=40))
def test_no_key_escapes_the_root(tmp_path_factory, key):
    root = tmp_path_factory.mktemp("s")
    store = Store(root / "in")
    try:
        store.put_once(key, b"x")
    except BadKey:
        return
    assert [p for p in root.rglob("*") if p.is_file()] == [root / "in" / key]


def test_a_planted_link_is_not_followed(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (store.root / "case").symlink_to(outside)
    (store.root / "file").symlink_to(outside / "secret")
    with pytest.raises(NoSuchObject):
        store.get("case/secret")
    with pytest.raises(NoSuchObject):
        store.get("file")
    with pytest.raises(OSError):
        store.put_once("case/new", b"x")
    assert sorted(p.name for p in outside.iterdir()) == ["secret"]


def test_a_full_disk_is_said_and_leaves_nothing(store, monkeypatch):
    real = os.write

    def full(fd, data):
        if len(data) > 4:
            return real(fd, data[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFull):
        store.put_once("case/a", b"0123456789")
    monkeypatch.undo()
    assert list(store.list()) == []
    assert [p for p in store.root.rglob("*") if p.is_file()] == []
    store.put_once("case/a", b"0123456789")


def test_of_many_writers_one_wins_and_all_the_others_know(store):
    outcome = []

    def put(n):
        try:
            store.put_once("race", b"%d" % n)
            outcome.append(n)
        except Differs:
            outcome.append(None)

    threads = [threading.Thread(target=put, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    winners = [n for n in outcome if n is not None]
    assert len(winners) == 1
    assert store.get("race") == b"%d" % winners[0]


def test_a_killed_writer_leaves_whole_objects_only(store):
    program = (
        "import sys; from storage import Store; s=Store(sys.argv[1])\n"
        "for n in range(10**6): s.put_once(f'k/{n}', b'%d ' % n * 50000); print(n, flush=True)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(store.root)], stdout=subprocess.PIPE, text=True)
    told = [int(child.stdout.readline()) for _ in range(5)]
    child.send_signal(signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split()]
    child.wait()
    for key in store.list("k/"):
        n = int(key[2:])
        assert store.get(key) == b"%d " % n * 50000
    assert all(store.exists(f"k/{n}") for n in told)


def test_keys_are_listed_by_prefix(store):
    for key in ("a/1", "a/2", "ab/3", "b/deep/er"):
        store.put_once(key, b"")
    assert list(store.list("a/")) == ["a/1", "a/2"]
    assert list(store.list("a")) == ["a/1", "a/2", "ab/3"]
    assert list(store.list()) == ["a/1", "a/2", "ab/3", "b/deep/er"]
    assert list(store.list("nothing/")) == []
    assert store.free_bytes() > 0
