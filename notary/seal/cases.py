"""What seal reads about a case by itself, on a database role that can only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True)
class Approved:
    """A case between approval and deed. `approved_on` in the office's zone is the date of issue (G06).

    `notice`: not the deed but the paper of a decision about one; `notary_id` opened that review, `approver_id` decided it on
    `approved_on`. It may be signed on a later day, since the decision holds already.
    """

    number: str
    body_sha256: str
    notary_id: str
    notary_name: str
    office_id: str
    office_name: str
    approver_id: str
    approved_on: date
    zone: str
    notice: bool = False


class CaseReader(Protocol):
    def approved(self, paper_id: str) -> Approved | None:
        """By the case's id, or the notice's. None unless the case stands approved and its number is reserved, neither
        voided nor issued yet; or the notice's review is decided and its paper not sealed yet.
        """
