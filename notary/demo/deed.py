"""The second half of the demo: draft, approval, deed, copies, verdict, and what happens when it is revoked."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from notary.demo.cast import Somebody, Staff, newest_message

FINDINGS = {
    "identity": "一人申请，身份已核，有完全行为能力。", "intention": "自愿，清楚后果。", "document": "文书内容完备，用词准确。",
    "materials": "材料齐全，与陈述一致。", "legality": "事项真实、合法。",
}  # fmt: skip


def notary_drafts(notary: Staff, case: str) -> None:
    notary.go(f"/desk/cases/{case}/draft")
    for point, words in FINDINGS.items():
        notary.page.fill(f"#f-{point}", words)
    notary.page.click("#draft-save")
    notary.wait_for("#draft-propose:not([disabled])")
    notary.screen("desk-draft")
    notary.page.click("#draft-propose")
    notary.page.wait_for_load_state()


def approver_approves(approver: Staff, case: str) -> None:
    approver.go(f"/desk/cases/{case}/approval")
    approver.wait_for("#approve")
    approver.page.check("#f-seen", force=True)
    approver.screen("desk-approval")
    approver.page.click("#approve")
    approver.page.wait_for_function("() => !document.querySelector('#approve')", timeout=60_000)


def notary_seals(notary: Staff, case: str) -> str:
    """Activates over the very body that is shown; returns the deed's number once it is issued."""
    for _try in range(60):
        notary.go(f"/desk/seal?case={case}")
        if notary.page.locator("#seal-act:not([disabled])").count():
            break
        notary.page.wait_for_timeout(1000)
    notary.screen("desk-seal")
    for box in notary.page.locator('input[name="cases"]').all():
        box.check(force=True)
    notary.page.click("#seal-act")
    for _try in range(90):
        notary.page.wait_for_timeout(1000)
        notary.go(f"/desk/cases/{case}/deed")
        if notary.page.locator("#deed").count():
            break
    notary.wait_for("#deed")
    notary.screen("desk-deed")
    found = re.search(r"（\d{4}）\S+?字第\d+号", notary.page.inner_text("body"))
    assert found is not None
    return found[0]


def fetch_copy(someone: Somebody, reader: Somebody, to: str, folder: Path, name: str) -> Path:
    """Opens the link of the text message and downloads the copy, which is its receipt."""
    message = newest_message(reader.page, someone.url, to, "/d/")
    link = re.search(r"http\S+/d/[\w-]+", message)
    assert link is not None
    someone.go(link[0])
    with someone.page.expect_download() as got:
        someone.page.click("#copy-download")
    path = folder / name
    got.value.save_as(str(path))
    someone.screen(f"copy-{name.removesuffix('.pdf')}")
    return path


def verdict_by_code(bank: Somebody, code: str) -> str:
    bank.go(f"/v/{code}")
    bank.wait_for("#verify-verdict")
    return bank.page.get_attribute("#verify-verdict", "data-verdict") or ""


def verdict_by_file(bank: Somebody, path: Path) -> tuple[str, str]:
    """The service's verdict on a file that it reads, and its sentence."""
    bank.go("/verify")
    bank.page.set_input_files("#f-file", str(path))
    bank.page.wait_for_timeout(600)
    if bank.page.locator("#verify-verdict[data-verdict]").count() and "/verify" not in bank.page.url:
        pass
    elif bank.page.locator("#verify-by-file").is_visible():
        bank.page.click("#verify-by-file")
    bank.wait_for("#verify-verdict[data-verdict]", 60)
    return bank.page.get_attribute("#verify-verdict", "data-verdict") or "", bank.page.inner_text("#verify-verdict")


def one_byte_changed(path: Path) -> Path:
    """A copy with one letter of the page's text stream changed; still a PDF that opens."""
    data = bytearray(path.read_bytes())
    at = data.index(b"endstream", len(data) // 4) - 40
    data[at] ^= 0x01
    changed = path.with_name("changed.pdf")
    changed.write_bytes(bytes(data))
    return changed


def evidence(notary: Staff, case: str, folder: Path) -> list[Path]:
    """The evidence bundle by the portal, with a reason; returns the recordings that were in it."""
    notary.go(f"/desk/cases/{case}/deed")
    notary.page.fill("#f-bundle-reason", "演示：取证据包核对")
    with notary.page.expect_download(timeout=120_000) as got:
        notary.page.click("#bundle-form button")
    bundle = folder / "bundle.zip"
    got.value.save_as(str(bundle))
    recordings = folder / "recording"
    recordings.mkdir(exist_ok=True)
    found = []
    with zipfile.ZipFile(bundle) as packed:
        for name in packed.namelist():
            if name.endswith((".webm", ".mkv")):
                target = recordings / Path(name).name
                target.write_bytes(packed.read(name))
                found.append(target)
        (recordings / "manifest.json").write_bytes(packed.read("recording/manifest.json"))
    return found


def revoke(other_notary: Staff, approver: Staff, case: str) -> None:
    """A notary who did not handle it opens a review, an approver decides."""
    other_notary.go(f"/desk/cases/{case}/review")
    other_notary.page.fill("#f-reason", "演示：有人举报材料不真实，启动复查")
    other_notary.page.click("#review-form button")
    other_notary.page.wait_for_load_state()
    approver.go(f"/desk/cases/{case}/review")
    approver.page.check('input[name="outcome"][value="revoked"]', force=True)
    approver.page.fill("#f-decision", "演示：经复查予以撤销")
    approver.page.click("#decide")
    approver.wait_for('[data-outcome="revoked"]')
    approver.screen("desk-review")
