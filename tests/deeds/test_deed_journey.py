"""From draft to revoked deed, through the pages; what the bank, the recipients and the public see at each step."""

import contextlib
import hashlib
import io
import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import av
import pikepdf
import pytest
import sqlalchemy as sa

from notary.models import Case, Delivery, Event, Number
from notary.office import composing, filing
from signing import render
from signing.verify import Trust, verify

pytestmark = pytest.mark.slow


@pytest.mark.req("H01", "H02", "H03", "G06")
def test_the_deed_is_valid_and_says_what_was_filed(world, issued):
    bob = world.browser("chenjing")
    data = bob.get(f"/desk/cases/{issued.case_id}/deed.pdf").data

    assert hashlib.sha256(data).hexdigest() == issued.sha256
    assert verify(data, Trust.from_pem(world.parts.seal.public().trust_pem)).verdict == "valid"
    text = re.sub(r"\s", "", "".join(render.page_texts(data)))
    for filed in ("王大川", "借字2024-0088号", "保字2024-0088号", "480,000.00", "展期届满之日起三年", "样本甲"):
        assert filed in text
    assert world.case(issued.case_id).state == "issued"


@pytest.mark.req("I01", "H05")
def test_number_and_code_together_open_the_status_and_every_miss_is_the_same(world, issued):
    anybody = world.stranger()
    right = anybody.http.post("/verify", data={"number": issued.number, "code": issued.code})
    assert right.status_code == 200
    assert 'data-verdict="valid"' in right.text
    assert "王**" in right.text
    assert "王大川" not in right.text
    assert right.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in right.headers
    assert "noindex" in right.headers["X-Robots-Tag"]

    head = {"Accept": "application/json"}
    wrong_code = anybody.http.post("/verify", data={"number": issued.number, "code": "2026-1-AAAAAAAAA"}, headers=head)
    wrong_number = anybody.http.post(
        "/verify", data={"number": "（2026）渝示证证字第999号", "code": issued.code}, headers=head
    )
    wrong_hash = anybody.http.post("/verify", data={"sha256": "0" * 64}, headers=head)
    assert {one.status_code for one in (wrong_code, wrong_number, wrong_hash)} == {404}
    assert wrong_code.data == wrong_number.data == wrong_hash.data
    assert anybody.http.get("/v/2026-1-AAAAAAAAA").status_code == 404
    assert 'data-verdict="valid"' in anybody.http.get(f"/v/{issued.code}").text
    proof = anybody.http.get(f"/v/{issued.code}/proof?sha256={issued.sha256}").text
    assert issued.sha256[:4] in proof
    assert "data:image/svg" in proof


@pytest.mark.req("I02")
def test_one_changed_byte_is_changed_and_the_file_itself_is_valid(world, issued):
    data = world.browser("chenjing").get(f"/desk/cases/{issued.case_id}/deed.pdf").data
    anybody = world.stranger().http

    def ask(content):
        return anybody.post(
            "/verify", data={"file": (io.BytesIO(content), "deed.pdf")}, content_type="multipart/form-data"
        )

    assert 'data-verdict="valid"' in ask(data).text
    for at in (len(data) // 3, len(data) // 2, len(data) - 40):
        spoiled = bytearray(data)
        spoiled[at] ^= 1
        assert 'data-verdict="changed"' in ask(bytes(spoiled)).text, at
    assert 'data-verdict="unknown"' in ask(b"%PDF-1.7\nno deed at all").text
    assert 'data-verdict="valid"' in anybody.post("/verify", data={"sha256": issued.sha256}).text


@pytest.mark.req("I04")
def test_the_bank_asks_fetches_and_says_that_it_came(world, issued):
    with world.parts.db() as db:
        row = db.scalars(sa.select(Delivery).where(Delivery.case_id == issued.case_id, Delivery.kind == "bank")).one()
    own, key = world.bank(row.to)
    http, head = world.stranger().http, {"X-API-Key": key}

    assert http.get("/api/v1/events").status_code == 401
    assert http.get("/api/v1/events").mimetype == "application/problem+json"
    answer = http.post("/api/v1/verifications", json={"number": issued.number, "code": issued.code}, headers=head)
    assert answer.json["verdict"] == "valid", answer.text
    assert http.post("/api/v1/verifications", json={"sha256": issued.sha256}, headers=head).json["verdict"] == "valid"
    bad = http.post("/api/v1/verifications", json={"number": "x"}, headers=head)
    assert (bad.status_code, bad.mimetype) == (422, "application/problem+json")
    data = http.get(f"/api/v1/deeds/{issued.code}/file", headers=head).data
    assert hashlib.sha256(data).hexdigest() == issued.sha256
    upload = {"file": (io.BytesIO(data), "deed.pdf")}
    answer = http.post("/api/v1/verifications", data=upload, headers=head, content_type="multipart/form-data")
    assert answer.json["verdict"] == "valid"
    assert http.post(f"/api/v1/deeds/{issued.code}/receipt", headers=head).json["received_at"]
    assert http.post(f"/api/v1/deeds/{issued.code}/receipt", headers=head).status_code == 200
    events = http.get("/api/v1/events", headers=head).json
    assert [one["type"] for one in events["events"]] == ["deed.issued"]
    assert http.get(f"/api/v1/events?after={events['next']}", headers=head).json["events"] == []
    with world.parts.db() as db:
        assert db.get_one(Delivery, row.id).state == "received"

    from notary.models import Bank

    with world.parts.db() as db:
        other = db.scalars(sa.select(Bank).where(Bank.id != own.id)).first()
    foreign = {"X-API-Key": world.bank(other.name)[1]}
    for path in (f"/api/v1/deeds/{issued.code}", f"/api/v1/deeds/{issued.code}/file", "/api/v1/deeds/2026-9-XXXXXXXXX"):
        assert http.get(path, headers=foreign).status_code == 404
    told = http.get("/api/v1/openapi.json").json
    assert told["openapi"].startswith("3.1")
    assert set(told["paths"]) >= {"/api/v1/verifications", "/api/v1/deeds/{code}", "/api/v1/events"}


def opened(world, receipt):
    """The claims of a receipt, checked with the key that the office publishes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from webauthn.helpers import base64url_to_bytes

    keys = world.stranger().http.get("/.well-known/yuanzheng/keys.json").json["keys"]
    key = next(base64url_to_bytes(one["x"]) for one in keys if one["use"] == "receipt")
    head, body, signature = receipt.split(".")
    Ed25519PublicKey.from_public_bytes(key).verify(base64url_to_bytes(signature), f"{head}.{body}".encode())
    return json.loads(base64url_to_bytes(body))


@pytest.mark.req("I04", "I07")
def test_a_bank_has_a_signed_receipt_of_what_it_was_told(world, issued):
    http, head = world.stranger().http, {"X-API-Key": world.bank()[1]}
    answer = http.post("/api/v1/verifications", json={"sha256": issued.sha256}, headers=head).json
    claims = opened(world, answer["receipt"])
    assert (claims["verdict"], claims["sha256"], claims["number"]) == ("valid", issued.sha256, issued.number)
    assert claims["iss"] == "http://localhost"


@pytest.mark.req("I04")
def test_a_bank_asks_for_many_at_once_and_each_line_is_answered_by_itself(world, issued):
    http, head = world.stranger().http, {"X-API-Key": world.bank()[1]}
    lines = [
        {"sha256": issued.sha256},
        {"number": issued.number, "code": issued.code},
        {"sha256": "0" * 64},
        {"number": "x"},
    ]
    body = "\n".join(map(json.dumps, lines)) + "\nno json\n"
    reply = http.post("/api/v1/verifications/batch", data=body, headers=head, content_type="application/x-ndjson")
    assert (reply.status_code, reply.mimetype) == (200, "application/x-ndjson")
    told = [json.loads(one) for one in reply.text.splitlines()]
    assert [one["line"] for one in told[:-1]] == [1, 2, 3, 4, 5]
    assert [one.get("verdict") or one["problem"]["code"] for one in told[:-1]] == [
        "valid", "valid", "verify.no-match", "bad-input", "bad-input",
    ]  # fmt: skip
    claims = opened(world, told[-1]["receipt"])
    covered = "".join(reply.text.splitlines(keepends=True)[:-1]).encode()
    assert (claims["lines"], claims["sha256"]) == (5, hashlib.sha256(covered).hexdigest())

    for bad in (b"", b"\n" * 9, b"{}\n" * 1001, b"\xff\xfe"):
        refused = http.post("/api/v1/verifications/batch", data=bad, headers=head)
        assert (refused.status_code, refused.mimetype) == (422, "application/problem+json")
    assert http.post("/api/v1/verifications/batch", data=body).status_code == 401


@pytest.mark.req("H10", "I07", "M01")
def test_the_applicant_has_the_copy_sees_who_asked_and_rates(world, issued):
    with world.parts.db() as db:
        from notary.models import Message

        texts = db.scalars(sa.select(Message.text).where(Message.case_id == issued.case_id)).all()
    link = re.search(r"/d/([\w-]+)", " ".join(texts))[0]
    anybody = world.stranger().http
    assert anybody.get(link).status_code == 200
    assert anybody.get("/d/guessed").status_code == 404
    with world.parts.db() as db:
        mine = sa.select(Delivery).where(Delivery.case_id == issued.case_id, Delivery.kind == "party")
        assert db.scalars(mine).one().state == "sent"  # looking marks nothing
    assert hashlib.sha256(anybody.post(link).data).hexdigest() == issued.sha256
    with world.parts.db() as db:
        assert db.scalars(mine).one().state == "received"

    alice, base = world.applicant(), f"/my/{issued.case_id}"
    page = alice.get(f"{base}/deed").text
    assert issued.number in page
    assert "网页上" in page
    assert alice.form(f"{base}/deed/file").data[:5] == b"%PDF-"
    assert alice.form(f"{base}/rate/delivery", stars="5", text="谢谢").status_code == 200
    assert alice.form(f"{base}/rate/delivery", stars="1").status_code == 422
    assert alice.form(f"{base}/rate/interview", stars="9").status_code == 422
    stranger = world.applicant("+8613900139000")
    assert stranger.get(f"{base}/deed").status_code == 404
    assert world.case(issued.case_id).state == "delivered"


@contextlib.contextmanager
def kept_as_h264(world, interview):
    """As if the interview's parties had had no VP8."""
    before = interview.manifest

    def put(manifest):
        with world.parts.db.begin() as db:
            db.get_one(type(interview), interview.id).manifest = manifest

    put({**before, "segments": [{**one, "codec": "H264"} for one in before["segments"]]})
    try:
        yield
    finally:
        put(before)


@pytest.mark.req("D08", "D11")
def test_a_recording_plays_in_stretches_only_for_a_reason_that_is_kept(world, issued):
    carol, base = world.browser("wangshu"), f"/desk/cases/{issued.case_id}/recordings"
    assert "data-seek" not in carol.get(base).text
    with world.parts.db() as db:
        from notary.models import Interview

        interview = db.scalars(sa.select(Interview).where(Interview.case_id == issued.case_id)).one()
    segment = interview.manifest["segments"][0]
    path = f"{base}/{interview.id}/{segment['segment']}.webm"
    assert carol.http.get(path).status_code == 403
    assert carol.form(base, reason="看").status_code == 422
    assert carol.form(base, reason="审批前核对签字").status_code == 303
    page = carol.get(base).text
    assert page.count("data-seek") >= 9
    whole = carol.http.get(path)
    assert (whole.mimetype, len(whole.data)) == ("video/webm", segment["bytes"])
    assert hashlib.sha256(whole.data).hexdigest() == segment["sha256"]
    part = carol.http.get(path, headers={"Range": "bytes=1000-2999"})
    assert (part.status_code, part.data) == (206, whole.data[1000:3000])
    assert part.headers["Content-Range"] == f"bytes 1000-2999/{segment['bytes']}"
    assert carol.http.get(path, headers={"Range": f"bytes={segment['bytes']}-"}).status_code == 416
    assert "data-h264" not in page
    with kept_as_h264(world, interview):
        assert carol.http.get(path).status_code == 404
        assert carol.http.get(path.replace(".webm", ".mkv")).mimetype == "video/x-matroska"
        page = carol.get(base).text
        assert "data-h264" in page
        assert f'download="{segment["segment"]}.mkv"' in page
    with world.parts.db() as db:
        kept = db.scalars(sa.select(Event).where(Event.kind == "recording.opened")).all()
    assert [one.payload["reason"] for one in kept] == ["审批前核对签字"]


@pytest.mark.req("D08", "D11")
def test_who_looks_gets_both_parties_in_one_film_and_the_originals_stay(world, issued, tmp_path):
    carol, base = world.browser("wangshu"), f"/desk/cases/{issued.case_id}/recordings"
    with world.parts.db() as db:
        from notary.models import Interview

        interview = db.scalars(sa.select(Interview).where(Interview.case_id == issued.case_id)).one()
    path = f"{base}/{interview.id}/side-by-side.webm"
    assert carol.http.get(path).status_code == 403
    assert carol.form(base, reason="审批前核对签字").status_code == 303
    if "data-both-waits" in carol.get(base).text:
        assert carol.http.get(path).status_code == 404
    world.work()
    assert "data-both " in carol.get(base).text
    whole = carol.http.get(path)
    (tmp_path / "both.webm").write_bytes(whole.data)
    with av.open(str(tmp_path / "both.webm")) as film:
        pictures = [frame.time for frame in film.decode(video=0)]
    with av.open(str(tmp_path / "both.webm")) as film:
        assert sum(frame.samples for frame in film.decode(audio=0)) > 0
    length = max(one["offset"] + one["seconds"] for one in interview.manifest["segments"])
    assert abs(len(pictures) / 10 - length) < 1
    assert carol.http.get(path, headers={"Range": "bytes=100-299"}).data == whole.data[100:300]
    folder = world.settings.under("recordings", str(interview.id))
    (folder / "side-by-side.box").unlink()
    with ThreadPoolExecutor(2) as twice:  # two reviewers at once, or a job that was taken over
        list(twice.map(lambda _n: composing.make(world.parts, str(interview.id)), range(2)))
    with av.open(io.BytesIO(carol.http.get(path).data)) as film:
        assert [frame.time for frame in film.decode(video=0)] == pictures
    assert {one.suffix for one in folder.iterdir()} == {".jsonl", ".json", ".rec", ".box"}
    assert not [one for one in folder.iterdir() if b"webm" in one.read_bytes()[:4096]], "nothing stands there in clear"
    assert (
        world.browser("chenjing").form(f"/desk/cases/{issued.case_id}/bundle", **{"bundle-reason": "法院调取"}).mimetype
        == "application/zip"
    )


@pytest.mark.req("I03", "D11", "B07", "B08")
def test_the_evidence_proves_itself_with_the_deed_and_the_asking_is_kept(world, issued):
    bob, base = world.browser("chenjing"), f"/desk/cases/{issued.case_id}"
    data = bob.get(f"{base}/deed.pdf").data
    assert bob.form(f"{base}/bundle", **{"bundle-reason": ""}).status_code == 422
    reply = bob.form(f"{base}/bundle", **{"bundle-reason": "法院调取"})
    assert reply.mimetype == "application/zip"
    verdict = verify(data, Trust.from_pem(world.parts.seal.public().trust_pem), bundle=reply.data)
    assert verdict.verdict == "valid", verdict.reasons
    with pikepdf.open(io.BytesIO(data)) as deed, zipfile.ZipFile(io.BytesIO(reply.data)) as zipped:
        assert deed.attachments["evidence.json"].get_file().read_bytes() == zipped.read("manifest.json")
        (challenge,) = json.loads(zipped.read("challenge.json"))
        assert ("waived", "对方眼疾，看不清屏幕上的提示") == (challenge["decision"], challenge["reason"])
        (face,) = json.loads(zipped.read("faces.json"))
        assert "without" == face["decision"]
        assert isinstance(json.loads(zipped.read("card.json")), list)
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(reply.data)) as zipped, zipfile.ZipFile(changed, "w") as other:
        for name in zipped.namelist():
            held = zipped.read(name)
            other.writestr(name, held.replace(b"waived", b"passed") if name == "challenge.json" else held)
    trust = Trust.from_pem(world.parts.seal.public().trust_pem)
    assert verify(data, trust, bundle=changed.getvalue()).verdict != "valid"
    said = verdict.steps[9].detail
    for words in (
        "2 signed papers",
        "recording of 2 segments",
        "no gap",
        f"in {urlsplit(world.settings.base_url).netloc}/log",
    ):
        assert words in said


@pytest.mark.req("H11", "H12")
def test_a_review_and_a_revocation_are_seen_at_once_everywhere(world, issued):
    base, http = f"/desk/cases/{issued.case_id}/review", world.stranger().http
    with world.parts.db() as db:
        row = db.scalars(sa.select(Delivery).where(Delivery.case_id == issued.case_id, Delivery.kind == "bank")).one()
    head = {"X-API-Key": world.bank(row.to)[1]}

    def seen():
        page = http.post("/verify", data={"number": issued.number, "code": issued.code}).text
        qr = http.get(f"/v/{issued.code}").text
        api = http.get(f"/api/v1/deeds/{issued.code}", headers=head).json["standing"]
        return {re.search('data-verdict="(\\w+)"', page)[1], re.search('data-verdict="(\\w+)"', qr)[1], api}

    assert world.browser("chenjing").form(base, reason="自己办的不能自己查").status_code == 409
    assert world.browser("liyuan").form(base, reason="担保人身份可能不实").status_code == 303
    assert seen() == {"under_review"}
    said = {"outcome": "revoked", "decision": "申请人隐瞒了担保人身份的变更"}
    assert world.decide(issued.case_id, login="wangshu", **said).status_code == 403  # approved it himself
    assert world.decide(issued.case_id, **said | {"decision": ""}).status_code == 422
    other = world.browser("zhaozheng")
    other.get(base)
    swapped = world.touch(
        other, world.passkeys["wangshu"], f"{base}/decision/options", f"{base}/decision", **said
    )  # somebody else's key
    assert swapped.status_code == 403
    assert world.decide(issued.case_id, **said).status_code == 200
    assert seen() == {"revoked"}
    kinds = [one["type"] for one in http.get("/api/v1/events", headers=head).json["events"]]
    assert kinds == ["deed.issued", "deed.under_review", "deed.revoked"]


@pytest.mark.req("B04", "B08")
def test_the_seal_page_and_the_approval_are_for_whom_they_are(world):
    case_id = world.case_ids[1]
    world.draft_and_propose(case_id, text="兹证明王大川在本公证员面前签署后附声明，签名属实，并知悉后果。")
    with world.parts.db.begin() as db:  # what the machine found on the card
        exhibit = next(one for one in filing.exhibits_of(db, db.get_one(Case, case_id)) if one.material == "id-front")
        exhibit.read = {"type": "cn_id_front", "checks": {"number_checksum": False, "region": None}, "editor": "GIMP 2.10",
                        "signs": {"found": ["other-compression:portrait"], "looked": []}}  # fmt: skip
        exhibit.read_at = world.parts.clock()
    page = world.browser("wangshu").get(f"/desk/cases/{case_id}/approval").text
    for words in ("活体核对免做：对方眼疾", 'data-decision="waived"', "公证员决定免做", "对不上：号码的校验位", "头像和整张照片",
                  "GIMP 2.10"):  # fmt: skip
        assert words in page
    page_of_checks = world.browser("chenjing").get(f"/desk/cases/{case_id}/identity-checks").text
    for words in ("照片可能改过", "只是迹象，不是证明", "没看到"):
        assert words in page_of_checks
    assert "<ins>" in page
    assert "证词改过" in page
    assert world.browser("chenjing").get(f"/desk/cases/{case_id}/approval").status_code == 403
    assert world.browser("liyuan").get("/desk/seal").text.count('name="cases"') == 0


@pytest.mark.req("G05")
def test_an_approval_needs_the_approvers_own_passkey_over_this_very_draft(world):
    case_id = world.case_ids[1]
    carol, base = world.browser("wangshu"), f"/desk/cases/{case_id}/approval"
    carol.get(base)
    assert world.touch(carol, world.passkeys["zhaozheng"], f"{base}/options", base, seen="yes").status_code == 403
    unverified = carol.json(f"{base}/options").get_json(force=True)
    from webauthn.helpers import base64url_to_bytes

    lazy = world.passkeys["wangshu"].sign(base64url_to_bytes(unverified["challenge"]), verified=False)
    assert carol.json(base, assertion=lazy, seen="yes").status_code == 403
    assert carol.form(f"/desk/cases/{case_id}/send-back", remarks="请写明主债权编号").status_code == 303
    assert world.case(case_id).state == "drafting"
    with world.parts.db() as db:
        assert db.scalars(sa.select(Number).where(Number.case_id == case_id)).all() == []


@pytest.mark.req("G05", "H02")
def test_two_approvals_at_once_one_wins(world):
    import threading

    case_id = world.case_ids[1]
    world.draft_and_propose(case_id)
    replies, ready = [], threading.Barrier(2)

    def approve(login):
        ready.wait()
        replies.append(world.approve(case_id, login).status_code)

    both = [threading.Thread(target=approve, args=(login,)) for login in ("wangshu", "zhaozheng")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(replies) == [200, 409]
    with world.parts.db() as db:
        assert len(db.scalars(sa.select(Number).where(Number.case_id == case_id)).all()) == 1


@pytest.mark.req("H02")
def test_a_number_is_voided_with_a_reason_or_at_the_end_of_its_day(world):
    from notary.office import issuing

    case_id = world.case_ids[1]
    bob = world.browser("chenjing")
    assert bob.form(f"/desk/cases/{case_id}/void", reason="").status_code == 422
    assert bob.form(f"/desk/cases/{case_id}/void", reason="银行名称要更正").status_code == 303
    world.draft_and_propose(case_id)
    assert world.approve(case_id).status_code == 200
    lost = "FROM procrastinate_jobs WHERE task_name = 'render-body' AND status = 'todo'"
    with world.parts.db.begin() as db:
        db.execute(sa.text(f"DELETE {lost}"))
    world.clock.pass_by(minutes=2)
    issuing.finish(world.parts)
    issuing.finish(world.parts)
    with world.parts.db() as db:
        assert db.scalar(sa.text(f"SELECT count(*) {lost}")) == 1  # set going again, and once
    world.work()
    world.clock.pass_by(hours=12)  # past midnight in Beijing
    try:
        assert world.seal(case_id).status_code == 409
        issuing.finish(world.parts)
        with world.parts.db() as db:
            rows = db.scalars(sa.select(Number).where(Number.case_id == case_id).order_by(Number.n)).all()
        assert [(one.n, str(one.state)) for one in rows] == [(2, "void"), (3, "void")]
        assert all(one.why_void for one in rows)
        assert world.case(case_id).state == "drafting"
    finally:
        world.clock.pass_by(hours=-12)
