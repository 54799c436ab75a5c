"""What a trial starts beside its four processes, and what it tells them."""

import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace

import pytest

from notary import up
from notary.processes import Child, children_of, free_port
from notary.up import supervise, wait_for


def test_a_trial_has_a_stamp_and_a_status_service_of_its_own_and_seal_alone_knows_where(settings):
    children = {child.name: child for child in children_of(settings)}

    assert ["tsa", "status", "seal", "media-1", "work", "web"] == list(children)
    for name, variable in (("tsa", "STAMP_URLS"), ("status", "STATUS_URLS")):
        command = children[name].command
        port = command[command.index("--port") + 1]
        assert port in children["seal"].environ[variable]
        assert command[command.index("--keys") + 1] != str(settings.under("keys"))
    assert all(not child.environ for child in children.values() if child.name != "seal")


def test_services_that_are_named_are_used_and_none_is_started(settings):
    named = replace(settings, stamp_urls=("https://tsa.example",), status_urls=("https://ocsp.example",))
    children = {child.name: child for child in children_of(named)}

    assert ["seal", "media-1", "work", "web"] == list(children)
    assert children["seal"].environ == {"STAMP_URLS": "https://tsa.example", "STATUS_URLS": "https://ocsp.example"}


def given(command, name):
    return command[command.index(name) + 1]


def test_every_media_worker_has_a_socket_and_a_port_of_its_own_and_all_share_the_recordings(settings):
    told = replace(settings, media_engine="port", media_port=4443, media_public_host="203.0.113.7", media_workers=3)
    commands = [child.command for child in children_of(told) if child.media_worker]

    assert ["4443", "4444", "4445"] == [given(one, "--udp-port") for one in commands]
    assert [str(path) for path in told.media_sockets] == [given(one, "--socket") for one in commands]
    assert 3 == len(set(told.media_sockets))
    for name, value in (
        ("--engine", "port"),
        ("--public-host", "203.0.113.7"),
        ("--rec", str(told.under("recordings"))),
    ):
        assert {value} == {given(one, name) for one in commands}


def test_workers_that_take_any_port_are_told_so(settings):
    commands = [child.command for child in children_of(replace(settings, media_workers=2)) if child.media_worker]

    assert ["0", "0"] == [given(one, "--udp-port") for one in commands]


LIVES = """
import pathlib, sys, time
told = pathlib.Path(sys.argv[1])
with told.open("a") as file:
    print("started", file=file)
while not told.with_suffix(".end").exists():
    time.sleep(0.05)
told.with_suffix(".end").unlink()
sys.exit(int(sys.argv[2]))
"""


@pytest.mark.parametrize(("code", "starts"), [(0, 1), (1, 2)])
def test_a_media_worker_that_has_drained_stays_down_and_one_that_dies_is_started_again(
    settings, tmp_path, monkeypatch, code, starts
):
    told, port = tmp_path / "told", free_port()
    child = Child("media-1", [sys.executable, "-c", LIVES, str(told), str(code)], media_worker=1)
    settings.under("run").mkdir()
    settings.under("run", "seal.sock").touch()
    monkeypatch.setattr(up, "DRAINED_LOOK_S", 0.2)
    draining, seen = threading.Event(), []

    def play():
        wait_for(told.exists, 20)
        draining.set()
        told.with_suffix(".end").touch()
        wait_for(lambda: not told.with_suffix(".end").exists(), 20)
        time.sleep(2.5)
        seen.append(told.read_text().count("started"))
        draining.clear()
        wait_for(lambda: told.read_text().count("started") == 2, 20)
        os.kill(os.getpid(), signal.SIGTERM)

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with socket.create_server(("127.0.0.1", port)):
        player = threading.Thread(target=play)
        player.start()
        try:
            ended = supervise([child], replace(settings, env="production", port=port), lambda _child: draining.is_set())
        finally:
            player.join()
            for number, handler in kept.items():
                signal.signal(number, handler)

    assert 0 == ended
    assert [starts] == seen
    assert 2 == told.read_text().count("started")
