"""The verifier in the visitor's own browser: of our deed, without network, from the page and from the saved file."""

import re

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from signing.throwaway import authority
from tests.looking import SHOTS, Looking, browse, served

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def origin(world):
    with served(world.app) as address:
        yield address


@pytest.fixture(scope="module")
def whole(world):
    world.issue(world.case_ids[0])
    return world.browser("chenjing").get(f"/desk/cases/{world.case_ids[0]}/deed.pdf").data


def pdf(data):
    return {"name": "deed.pdf", "mimeType": "application/pdf", "buffer": data}


def choose(page, data, outcome):
    page.locator("#f-file").set_input_files(pdf(data))
    page.locator(f"#here-answer[data-outcome={outcome}]").wait_for()


def changed(data):
    out = bytearray(data)
    out[len(out) // 2] ^= 1
    return bytes(out)


@pytest.mark.req("I02")
def test_a_deed_is_checked_without_network_and_nothing_goes_out(chromium, origin, whole):
    page = browse(chromium, origin, width=1280)
    said, asked = [], []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(origin + "/verify/here")
    page.wait_for_load_state("networkidle")
    page.on("request", lambda r: asked.append(r.url))
    page.context.set_offline(True)
    choose(page, whole, "valid")
    assert page.locator(".yz-verdict:visible h2").inner_text() == "有效"
    assert "没有问登记" in page.locator("#here-register").inner_text()
    assert [page.locator("#here-steps li").nth(no).inner_text().split("\n")[-1] for no in range(11)] == ["通过"] * 8 + [
        "没有查"
    ] * 3
    choose(page, changed(whole), "invalid")
    choose(page, whole, "valid")
    page.context.close()

    assert (said, asked) == ([], [])


def test_the_saved_page_alone_checks_a_deed(chromium, origin, world, whole, tmp_path):
    saved = tmp_path / "verifier.html"
    saved.write_bytes(world.stranger().http.get("/verify/here.html").data)
    context = chromium.new_context()
    page, said = context.new_page(), []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    context.set_offline(True)
    page.goto(saved.as_uri())
    choose(page, whole, "valid")
    if SHOTS:
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=f"{SHOTS}/here-alone-{width}.png", full_page=True)
    choose(page, changed(whole), "invalid")
    context.close()

    assert said == []


def test_without_the_right_root_nothing_is_valid(chromium, origin, whole):
    page = browse(chromium, origin, lang="en")
    page.goto(origin + "/verify/here")
    page.locator("label[for=f-whose-2]").click()
    page.locator("#f-file").set_input_files(pdf(whole))
    page.get_by_text("Choose the root certificate first.").wait_for()
    stranger = authority("别的机构").root.public_bytes(Encoding.PEM)
    page.locator("#f-root").set_input_files(
        {"name": "root.pem", "mimeType": "application/x-pem-file", "buffer": stranger}
    )
    page.locator("#here-answer[data-outcome=invalid]").wait_for()
    assert (
        "does not come from" in page.locator(".yz-verdict:visible").inner_text()
        or "trusted" in page.locator(".yz-verdict:visible").inner_text()
    )
    page.locator("#f-root").set_input_files({"name": "root.pem", "mimeType": "application/x-pem-file", "buffer": b"x"})
    page.get_by_text("There is no root certificate in this file.").wait_for()
    page.locator("label[for=f-whose]").click()
    page.locator("#here-answer[data-outcome=valid]").wait_for()
    page.context.close()


def test_the_fingerprint_on_the_page_is_the_roots(world):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    http = world.stranger().http
    root = x509.load_pem_x509_certificate(http.get("/.well-known/yuanzheng/root.pem").data)
    shown = re.search(r'id="here-print">([0-9a-f ]+)<', http.get("/verify/here").text)[1]
    assert shown.replace(" ", "") == root.fingerprint(hashes.SHA256()).hex()


@pytest.mark.req("L01")
def test_the_page_and_every_verdict_can_be_read_by_everybody(chromium, origin, whole):
    looking = Looking(chromium, origin)
    looking.at("here", "/verify/here", then=lambda _: None)
    opened = "document.querySelectorAll('details').forEach(one => { one.open = true; })"
    for outcome, data in (("valid", whole), ("invalid", changed(whole)), ("unknown", None)):

        def then(page, data=data, outcome=outcome):
            page.evaluate(opened)
            if data is None:  # as of a day on which the stamp has expired
                page.clock.set_fixed_time("2045-01-01T00:00:00Z")
            choose(page, data or whole, outcome)

        looking.at(f"here-{outcome}", "/verify/here", then=then)

    looking.found_nothing()
