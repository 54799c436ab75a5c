"""What only both sides of one document show together. PURE."""

from collections.abc import Mapping
from typing import Any

from identity import cn_card, permits
from identity.cn_card import Checks


def checks_of(front: Mapping[str, Any], back: Mapping[str, Any]) -> Checks:
    """Of two readings (`documents.Reading.as_json`; empty where there is none); empty unless they are two sides of one kind."""
    kinds = front.get("type"), back.get("type")
    if kinds == ("cn_id_front", "cn_id_back"):
        return cn_card.sides_checks(dict(front), dict(back))
    if kinds[0] in permits.KINDS and kinds[1] == "td1":
        return permits.sides_checks(dict(front), dict(back))
    return {}
