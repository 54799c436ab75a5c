"""What a trial starts beside its four processes, and what it tells them."""

from dataclasses import replace

from notary.processes import children_of


def test_a_trial_has_a_stamp_and_a_status_service_of_its_own_and_seal_alone_knows_where(settings):
    children = {child.name: child for child in children_of(settings)}

    assert ["tsa", "status", "seal", "media", "work", "web"] == list(children)
    for name, variable in (("tsa", "STAMP_URLS"), ("status", "STATUS_URLS")):
        command = children[name].command
        port = command[command.index("--port") + 1]
        assert port in children["seal"].environ[variable]
        assert command[command.index("--keys") + 1] != str(settings.under("keys"))
    assert all(not child.environ for child in children.values() if child.name != "seal")


def test_services_that_are_named_are_used_and_none_is_started(settings):
    named = replace(settings, stamp_urls=("https://tsa.example",), status_urls=("https://ocsp.example",))
    children = {child.name: child for child in children_of(named)}

    assert ["seal", "media", "work", "web"] == list(children)
    assert children["seal"].environ == {"STAMP_URLS": "https://tsa.example", "STATUS_URLS": "https://ocsp.example"}


def test_the_media_worker_is_told_which_engine_port_and_address(settings):
    told = replace(settings, media_engine="port", media_port=4443, media_public_host="203.0.113.7")
    command = next(child.command for child in children_of(told) if child.name == "media")

    for name, value in (("--engine", "port"), ("--udp-port", "4443"), ("--public-host", "203.0.113.7")):
        assert value == command[command.index(name) + 1]
