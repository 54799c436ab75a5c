"""What cannot be, is said with a way on, and nothing that was typed or handed in is lost by it."""

import io
from html import unescape

import pytest
import sqlalchemy as sa
from walking import LOAN, WHO, fill, new_case, photo

from notary.models import Exhibit, Party


@pytest.mark.req("H07", "B04")
def test_a_name_that_the_deeds_font_lacks_is_named_early_with_a_way_on_and_kept(alice_applies, parts):
    case = fill(alice_applies, new_case(alice_applies))
    reply = alice_applies.post(f"{case}/who", {**WHO, "name": "王𱁬𠮷"})

    said = unescape(reply.text)
    assert 422 == reply.status_code
    assert "字体里没有这些字：𱁬 𠮷" in said
    assert "纸质公证书" in said
    assert "请打给我" in said
    assert "王𱁬𠮷" in unescape(alice_applies.get(f"{case}/who").text)
    with parts.db() as db:
        assert "王𱁬𠮷" == db.scalars(sa.select(Party)).one().name
    assert 409 == alice_applies.post(f"{case}/submit").status_code
    assert 303 == alice_applies.post(f"{case}/who", WHO).status_code
    assert 303 == alice_applies.post(f"{case}/submit").status_code


def test_the_same_is_said_of_an_address_and_of_what_is_written_into_the_deed(alice_applies):
    case = new_case(alice_applies)
    reply = alice_applies.post(f"{case}/who", {**WHO, "address": "示例省样例市𱁬路 00 号"})
    assert "没有这些字：𱁬。" in unescape(reply.text)
    reply = alice_applies.post(f"{case}/form/loan", {**LOAN, "borrower": "样本𱁬"})
    said = unescape(reply.text)
    assert 422 == reply.status_code
    assert "没有这些字：𱁬。" in said
    assert "480,000" in said


@pytest.mark.req("K06")
def test_an_upload_whose_connection_breaks_in_the_middle_is_refused_and_leaves_nothing(alice_applies, parts):
    case = new_case(alice_applies)
    token, data = alice_applies.token(), photo(size=(1400, 900))
    head = f'--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'
    head += '--x\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    whole = head.encode() + data + b"\r\n--x--\r\n"
    reply = alice_applies.client.post(
        f"{case}/papers/id-front", input_stream=io.BytesIO(whole[: len(whole) // 2]), content_length=len(whole),
        content_type="multipart/form-data; boundary=x",
    )  # fmt: skip

    assert reply.status_code in (400, 422)
    assert "请打给我" in reply.text or "再传一次" in reply.text
    with parts.db() as db:
        assert 0 == db.scalar(sa.select(sa.func.count()).select_from(Exhibit))
    assert [] == list(parts.store.list())
    whole_again = alice_applies.client.post(
        f"{case}/papers/id-front", data=whole, content_type="multipart/form-data; boundary=x"
    )
    assert 303 == whole_again.status_code
