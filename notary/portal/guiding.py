"""The four steps of 五不准 as a guide: what the notary asks for, and what there is to look at."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _

from notary.office import identifying


@dataclass(frozen=True)
class Guide:
    """`how`: what to do, in a sentence; `pieces`: items to look at, by key."""

    how: str
    pieces: tuple[str, ...]


def steps() -> dict[str, Guide]:
    how = {
        "look": _("请对方拿起证件，正反面各取一帧（护照只取有照片的一页），和本人、和交来的照片对照着看。"),
        "talk": _("请别人离开，只和本人谈：是不是自己愿意，有没有人逼他。"),
        "cross": _("把他说的和材料、登记、证件上的内容互相对照。"),
        "device": _("身边有识别仪的，请对方刷证；没有的，写明理由免做。"),
    }
    return {key: Guide(how[key], identifying.ITEMS[key]) for key in identifying.STEPS}


def item_words(item: str) -> str:
    return {
        "tilt": _("证件慢慢倾斜，看反光和花纹"), "hand": _("手在脸前慢慢划过，看脸有没有破"),
        "profile": _("转到侧脸，看轮廓"), "unscripted": _("问一个没准备的问题"),
        "answers": _("说的和材料对得上"),
    }[item]  # fmt: skip


def moment_words(item: str, text: str) -> str:
    """A line `item.<item>` of the timeline."""
    result = {"fine": _("正常"), "odd": _("不对劲"), "skipped": _("没做")}[text.partition(" ")[0]]
    return f"{item_words(item)}：{result}"
