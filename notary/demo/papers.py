"""The papers that the demo's applicant photographs: a specimen card that says so, and drawn contracts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from signing.render import font_file

if TYPE_CHECKING:
    from identity.specimen import Card

ASSESSMENT = {
    "held_on": "2026-01-05",
    "owner": "样本负责人",
    "purpose": "示例：远程办公证时帮公证员看清镜头前的人是不是证上的人；公证员自己看是同等的办法，不同意就不用。",
    "risks": "示例：认错人会让别人的房子、存款受损；光线暗、年纪大、证件照旧的时候更容易不准；照片泄露无法收回。",
    "measures": "示例：单独同意，可以随时收回；机器只提意见，由公证员决定；特征不存盘，照片随案卷加密，谁看都有记录。",
}
"""What the office of a trial writes down before faces are compared by machine (B14)."""
FACES = Path(__file__).resolve().parents[2] / "tests" / "faces"
"""Three faces of nobody: 1 the applicant, 2 the notary, 3 somebody else at the camera."""


@dataclass(frozen=True)
class Props:
    front: Path
    back: Path
    contract: Path
    guarantee: Path
    extension: Path
    applicant: Path
    notary: Path
    stranger: Path


def sheet(path: Path, title: str, lines: list[str]) -> Path:
    """A page of a contract as somebody would photograph it."""
    page = Image.new("RGB", (1240, 1754), "#fbfaf5")
    pen = ImageDraw.Draw(page)
    face, small = ImageFont.truetype(font_file(), 54), ImageFont.truetype(font_file(), 34)
    pen.text((620, 140), title, font=face, fill="#1b1b1b", anchor="mm")
    for n, line in enumerate(lines):
        pen.text((140, 300 + n * 70), line, font=small, fill="#2a2a2a")
    page.save(path, "JPEG", quality=88)
    return path


def card(folder: Path, of: Card) -> tuple[Path, Path]:
    """Both sides of somebody's specimen card, with the applicant's made face."""
    import cv2

    from identity import pictures, specimen

    front, back = folder / f"{of.number}-front.jpg", folder / f"{of.number}-back.jpg"
    portrait = pictures.decode((FACES / "1.jpg").read_bytes())
    cv2.imwrite(str(front), specimen.front(of, portrait))
    cv2.imwrite(str(back), specimen.back(of))
    return front, back


def make(folder: Path) -> Props:
    """Draws everything into `folder`. The card is a specimen, named 样本甲."""
    from identity.specimen import YANG_JIA

    folder.mkdir(parents=True, exist_ok=True)
    front, back = card(folder, YANG_JIA)
    bank = "江岸村镇银行"
    return Props(
        front=front.rename(folder / "front.jpg"),
        back=back.rename(folder / "back.jpg"),
        contract=sheet(
            folder / "contract.jpg",
            "借款合同（样本）",
            [f"贷款人：{bank}", "借款人：样本乙", "编号：借字2024-0088号", "本金：人民币480,000.00元"],
        ),
        guarantee=sheet(
            folder / "guarantee.jpg",
            "保证合同（样本）",
            [f"债权人：{bank}", "保证人：样本甲", "编号：保字2024-0088号", "连带责任保证"],
        ),
        extension=sheet(
            folder / "extension.jpg",
            "展期通知（样本）",
            [f"{bank}", "原到期日：2026年11月24日", "展期至：2027年5月20日"],
        ),
        applicant=FACES / "1.jpg",
        notary=FACES / "2.jpg",
        stranger=FACES / "3.jpg",
    )
