"""PURE. Which question comes next, which are open, and what an answer stops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from notary.matters import Declaration, Question


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, or why the question was left out (C16). One of the two is never empty."""

    text: str = ""
    omitted: str = ""

    def __post_init__(self) -> None:
        if bool(self.text.strip()) == bool(self.omitted.strip()):
            raise ValueError("an answer or a reason for leaving it out, not both and not neither")


def asked(questions: Iterable[Question], filed: Mapping[str, str]) -> tuple[Question, ...]:
    """The questions that this application calls for, in order. `filed`: field key -> stored value."""
    fitting = (q for q in questions if q.when is None or q.when.holds(filed))
    return tuple(sorted(fitting, key=lambda q: (q.order, q.key)))


def still_open(
    questions: Iterable[Question], filed: Mapping[str, str], answers: Mapping[str, Answer]
) -> tuple[Question, ...]:
    """Questions without an answer or a reason; signing waits for them."""
    return tuple(q for q in asked(questions, filed) if q.key not in answers)


def following(
    questions: Iterable[Question], filed: Mapping[str, str], answers: Mapping[str, Answer]
) -> Question | None:
    """The next question, or None when all have an answer."""
    return next(iter(still_open(questions, filed, answers)), None)


def blocking(
    questions: Iterable[Question], filed: Mapping[str, str], answers: Mapping[str, Answer]
) -> tuple[Question, ...]:
    """Questions whose answer stops the signing. Leaving out a question that can block blocks too."""
    return tuple(q for q in asked(questions, filed) if q.key in answers and _stops(q, answers[q.key]))


def alerting(
    questions: Iterable[Question], filed: Mapping[str, str], answers: Mapping[str, Answer]
) -> tuple[Question, ...]:
    """Questions whose answer the notary should look at again."""
    found = asked(questions, filed)
    return tuple(q for q in found if q.key in answers and answers[q.key].text in q.alerts)


def contrary(declarations: Iterable[Declaration], given: Mapping[str, str]) -> tuple[Declaration, ...]:
    """Declarations (A08) whose answer bars the application; a missing answer bars it too."""
    return tuple(d for d in declarations if given.get(d.key) not in ("yes", "no") or given[d.key] in d.blocks)


def fits(question: Question, text: str) -> bool:
    """Whether `text` is an answer to it: yes or no, or some words."""
    return text in ("yes", "no") if question.kind == "yesno" else bool(text.strip())


def _stops(question: Question, answer: Answer) -> bool:
    return bool(question.blocks) and (bool(answer.omitted) or answer.text in question.blocks)
