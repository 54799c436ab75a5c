"""What the demo leaves behind: steps with seconds, waivers, refusals, recordings, the verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Report:
    """`report.json` of a run; `verdict` stays `unknown` until a fresh process has said otherwise."""

    verdict: str = "unknown"
    deed_number: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, str]] = field(default_factory=list)
    waivers: list[dict[str, str]] = field(default_factory=list)
    recording: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times one step of the journey and says it aloud."""
        began = time.monotonic()
        print(f"  {name} … ", end="", flush=True)
        yield
        seconds = round(time.monotonic() - began, 1)
        self.steps.append({"name": name, "seconds": seconds})
        print(f"{seconds} s", flush=True)

    def refused(self, what: str, words: str) -> None:
        """A refusal that the demo provoked itself, with the words that the page said."""
        self.refusals.append({"what": what, "words": " ".join(words.split())[:300]})

    def waived(self, what: str, reason: str) -> None:
        self.waivers.append({"what": what, "reason": reason})

    def check(self, what: str, good: bool, saw: object) -> None:
        """One thing that must hold at the end; a false one fails the run."""
        self.checks.append({"what": what, "good": good, "saw": saw})
        print(f"  {'ok ' if good else 'BAD'} {what}: {saw}", flush=True)

    @property
    def good(self) -> bool:
        return self.verdict == "valid" and all(one["good"] for one in self.checks)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n")
