"""The handshake: with loss, with the wrong certificate, with rubbish between, and how it ends."""

import random
import time

import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES
from OpenSSL import SSL

from webrtc.dtls import MTU, Dtls, Identity, begins


class Browser:
    """The client's side, by pyOpenSSL."""

    def __init__(self, profiles: bytes = b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM"):
        self.identity = Identity()
        context = self.identity.context
        context.set_tlsext_use_srtp(profiles)
        self.ssl = SSL.Connection(context, None)
        self.ssl.set_connect_state()
        self.ssl.set_ciphertext_mtu(MTU)
        self.done = False

    def step(self, datagrams: list[bytes]) -> list[bytes]:
        for datagram in [*datagrams, None]:
            if datagram is not None:
                self.ssl.bio_write(datagram)
            try:
                self.ssl.do_handshake()
                self.done = True
            except SSL.WantReadError:
                pass
        return self.out()

    def out(self) -> list[bytes]:
        out, found = b"", []
        while True:
            try:
                out += self.ssl.bio_read(1 << 16)
            except SSL.Error:
                break
        while out:
            size = 13 + int.from_bytes(out[11:13], "big")
            found.append(out[:size])
            out = out[size:]
        return found


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity()


def shake(browser: Browser, server: Dtls, keep=lambda: True, seconds: float = 20.0) -> None:
    end, to_server = time.monotonic() + seconds, browser.step([])
    while time.monotonic() < end and not (browser.done and server.state != "handshaking"):
        for datagram in to_server:
            if keep():
                server.take(datagram)
        back = [d for d in server.outgoing() if keep()]
        assert all(len(d) <= MTU for d in back)
        to_server = browser.step(back)
        if server.state == "failed":
            return
        if not to_server and not back:
            time.sleep(0.02)
            browser.ssl.DTLSv1_handle_timeout()
            server.again()
            to_server = browser.out()


@pytest.mark.req("C01")
@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda p: p.openssl_profile.decode())
def test_both_sides_have_the_same_keys_and_the_strongest_profile_in_common(identity, profile):
    browser = Browser(profile.openssl_profile)
    server = Dtls(identity, browser.identity.fingerprint)
    shake(browser, server)
    assert ("connected", True) == (server.state, browser.done)
    assert profile.openssl_profile == browser.ssl.get_selected_srtp_profile()
    browser.ssl.send(b"to the data channel")
    assert [b"to the data channel"] == [x for d in browser.out() for x in server.take(d)]


def test_the_server_chooses_aes_gcm_though_the_browser_names_another_first(identity):
    browser = Browser()
    server = Dtls(identity, browser.identity.fingerprint)
    shake(browser, server)
    assert b"SRTP_AEAD_AES_256_GCM" == browser.ssl.get_selected_srtp_profile()


def test_another_certificate_than_the_offers_gets_no_keys(identity):
    browser = Browser()
    server = Dtls(identity, Identity().fingerprint)
    shake(browser, server)
    assert ("failed", None, None) == (server.state, server.rx, server.tx)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_handshake_comes_through_a_network_that_loses_every_fifth_datagram(identity, seed):
    rng, browser = random.Random(seed), Browser()
    server = Dtls(identity, browser.identity.fingerprint)
    shake(browser, server, lambda: rng.random() > 0.2)
    assert "connected" == server.state


def test_rubbish_and_forged_alerts_between_do_not_end_it(identity):
    rng, browser = random.Random(5), Browser()
    server = Dtls(identity, browser.identity.fingerprint)
    to_server = browser.step([])
    for _ in range(50):
        for rubbish in (
            b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",
            b"\x16\xfe\xfd" + bytes(8) + b"\x00\x20" + rng.randbytes(32),
            b"\x17\xfe\xfd" + rng.randbytes(8) + b"\x00\x10" + rng.randbytes(16),
            bytes([rng.randrange(20, 64)]) + rng.randbytes(rng.randrange(60)),
        ):
            assert [] == server.take(rubbish)
    while not (browser.done and server.state == "connected"):
        for datagram in to_server:
            server.take(datagram)
            server.take(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28")
        to_server = browser.step(server.outgoing())
        assert server.state != "failed"


def test_only_a_client_hello_begins_anything():
    hello = Browser().step([])[0]
    assert begins(hello)
    for data in (b"", hello[:20], b"\x15" + hello[1:], hello[:13] + b"\x02" + hello[14:]):
        assert not begins(data)


def test_goodbye_is_said_and_heard(identity):
    browser = Browser()
    server = Dtls(identity, browser.identity.fingerprint)
    shake(browser, server)
    browser.ssl.shutdown()
    for datagram in browser.out():
        server.take(datagram)
    assert "closed" == server.state
    assert [] == server.take(b"\x17\xfe\xfd" + bytes(8) + b"\x00\x00")
