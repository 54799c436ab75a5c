"""
Names as people write them and machines read them: the dot within a name, and old forms of letters. PURE.

A name is kept as its owner writes it, with one kind of dot; it is compared without what only differs in writing. Two names
that compare equal may still belong to two people.
"""

import re
import unicodedata
from functools import cache
from typing import Any

DOT = "\u00b7"
"""The dot between the parts of a name, 买买提·吐尔逊: U+00B7, A1A4 in GB 18030, the one that offices are told to use
(circular 民委发〔2016〕33号 on one way to take down names)."""
_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# What keyboards, fonts and readers put in its place. A full stop and a comma of the ideographic kind are here too: between
# two letters of a name nothing else can be meant.
_LIKE_DOTS = "\u00b7\u0387\u05bc\u16eb\u2022\u2024\u2027\u2218\u2219\u22c5\u25cf\u25e6\u2981\u2e30\u2e31\u2e33\u30fb\uff65\ua78f\U00010101\uff0e\u3002\uff61\ufe52\u02d9\u00b0."
_BETWEEN = re.compile(rf"(?<=[{_HAN}])\s*[{re.escape(_LIKE_DOTS)}]+\s*(?=[{_HAN}])")


def dotted(name: str) -> str:
    """`name` with U+00B7 wherever a dot stands between two Chinese letters, without blanks around it; the rest as it is.

    Letters stay in the form they were written in. `Jr.` and `O'Neil` are left alone.
    """
    return _BETWEEN.sub(DOT, unicodedata.normalize("NFC", name)).strip()


def folded(text: str) -> str:
    """`text` for comparison alone, never to be kept or shown: one width, one case, one kind of dot, no blanks, and every
    traditional or variant form as its simplified one.

    Each letter is folded by itself (OpenCC's tables), so that what stands beside it changes nothing: 張國榮 and 张国荣 are
    the same, 乾 and 干 too.
    """
    wide = unicodedata.normalize("NFKC", dotted(text))
    return "".join(_simple(letter) for letter in "".join(wide.split()).casefold())


def same(one: str, other: str) -> bool:
    """Whether two names, or two addresses, differ in nothing but their writing."""
    return folded(one) == folded(other)


@cache
def _tables() -> Any:
    from opencc import OpenCC  # the tables of Taiwan and Hong Kong lead to the same simplified forms

    return OpenCC("t2s")


@cache
def _simple(letter: str) -> str:
    return str(_tables().convert(letter)) if ord(letter) > 0x2E7F else letter
