"""An application as a list of tasks: each one page, each with a word for how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from notary.models import Case, Exhibit, Gap
from notary.office import filing


@dataclass(frozen=True)
class Task:
    """One page of the application. `left`: what is still missing or wrong, in words."""

    key: str
    title: str
    url: str
    done: bool
    begun: bool
    left: tuple[str, ...] = ()


def tasks_of(db: Session, case: Case, now: datetime) -> list[Task]:
    """Every task of a case in the order in which the pages follow each other."""
    matter, language = filing.matter_of(case), filing.language()
    filed = {key: str(value) for key, value in case.filed.items()}
    materials = filing.materials_of(db, case)
    problems = filing.problems_of(db, case)
    given = {one.material for one in filing.exhibits_of(db, case)}
    missing = set(filing.missing_materials(db, case))
    party = filing.party_of(db, case)

    def papers(key: str, title: str, endpoint: str, card: bool) -> Task:
        mine = [one for one in materials if bool(one.role) == card]
        left = tuple(one.title.to(language) for one in mine if one.key in missing)
        begun = any(one.key in given for one in mine)
        return Task(key, title, url_for(endpoint, case_id=case.id), not left, begun, left)

    found = [papers("card", _("证件"), "papers.card", True)]
    wrong = filing.party_problems(party, now)
    sure = bool(party.confirmed.get("at")) and not wrong
    left = () if sure else (tuple(wrong.values()) if party.name else (_("请核对您的姓名、证件号码和住址。"),))
    found.append(Task("who", _("您的身份信息"), url_for("filing.who", case_id=case.id), sure, bool(party.name), left))
    for section in matter.sections:
        fields = [one for one in matter.fields_for(filed) if one.section == section.key]
        if not fields:
            continue
        left = tuple(problems[one.key] for one in fields if one.key in problems)
        begun = any(filed.get(one.key) for one in fields)
        seen = any(one.required for one in fields) or all(one.key in filed for one in fields)
        found.append(
            Task(
                f"form-{section.key}", section.title.to(language), url_for("filing.form", case_id=case.id, section=section.key),
                not left and seen, begun, left,
            )
        )  # fmt: skip
    found.append(papers("papers", _("材料"), "papers.others", False))
    barred = filing.barred(case)
    found.append(
        Task(
            "declare", _("几句声明"), url_for("filing.declare", case_id=case.id), not barred, bool(filing.declared(case)),
            tuple(dict.fromkeys(barred.values())),
        )
    )  # fmt: skip
    agreed = filing.agreed_recipients(db, case)
    asked = [one for one in matter.recipients if one.consent]
    if asked:
        left = tuple(
            _("公证书要送给%(who)s，请您同意。", who=one.title.to(language))
            for one in asked
            if one.mandatory and not agreed.get(one.key)
        )
        answered = all(one.key in agreed for one in asked)
        found.append(
            Task(
                "recipients", _("同意送给谁"), url_for("filing.recipients", case_id=case.id), not left and answered,
                bool(agreed), left,
            )
        )  # fmt: skip
    return found


def after(tasks: list[Task], key: str, case: Case) -> str:
    """Where to go when the page `key` is done: the next page, or the check of everything."""
    keys = [one.key for one in tasks]
    place = keys.index(key) + 1 if key in keys else len(keys)
    return tasks[place].url if place < len(tasks) else url_for("filing.check", case_id=case.id)


@dataclass(frozen=True)
class Missing:
    """One gap of a returned case, and the place where it is closed; `url` empty where there is none."""

    title: str
    words: str
    url: str


def places_of(case: Case, gaps: list[Gap]) -> list[Missing]:
    matter, language = filing.matter_of(case), filing.language()
    found = []
    for gap in gaps:
        kind, _sep, key = gap.item.partition(":")
        title = url = ""
        if kind == "field" and key == "party":
            title, url = _("您的身份信息"), url_for("filing.who", case_id=case.id)
        elif kind == "field" and any(one.key == key for one in matter.fields):
            field = matter.field(key)
            title = field.label.to(language)
            url = url_for("filing.form", case_id=case.id, section=field.section) + f"#f-{key}"
        elif kind == "material" and any(one.key == key for one in matter.materials):
            material = matter.material(key)
            title = material.title.to(language)
            url = url_for("papers.card" if material.role else "papers.others", case_id=case.id) + f"#m-{key}"
        found.append(Missing(title, gap.words, url))
    return found


def by_material(exhibits: list[Exhibit]) -> dict[str, list[Exhibit]]:
    found: dict[str, list[Exhibit]] = {}
    for one in exhibits:
        found.setdefault(one.material, []).append(one)
    return found
