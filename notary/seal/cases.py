"""What seal reads about a case by itself, on a database role that can only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True)
class Approved:
    """A case between approval and deed. `approved_on` in the office's zone is the date of issue (G06)."""

    number: str
    body_sha256: str
    notary_id: str
    notary_name: str
    office_id: str
    office_name: str
    approver_id: str
    approved_on: date
    zone: str


class CaseReader(Protocol):
    def approved(self, case_id: str) -> Approved | None:
        """None unless the case stands approved and its number is reserved, neither voided nor issued yet."""
