"""TOML into frozen dataclasses; every complaint names the file and the key."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import date, time
from typing import Any, TypeVar, Union

T = TypeVar("T")
PLAIN = (str, int, bool, date, time)


class BadRules(ValueError):
    """A file under rules/ that cannot be used; says where and why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages. `str()` is the Chinese, which is the one that counts."""

    zh: str
    en: str

    def to(self, language: str) -> str:
        return self.en if language == "en" else self.zh

    def __str__(self) -> str:
        return self.zh

    def __post_init__(self) -> None:
        if not self.zh.strip() or not self.en.strip():
            raise ValueError("a text is empty")


def build(kind: type[T], data: Any, where: str) -> T:
    """`data` (as TOML gave it) as a `kind`: a dataclass, plain value, tuple, dict or X | None.

    Unknown and missing keys are refused. Raises BadRules with `where` (file: key.key[n]).
    """
    made = _build(kind, data, where)
    return typing.cast("T", made)


def _build(kind: Any, data: Any, where: str) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _build(next(one for one in inner if one is not type(None)), data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise BadRules(f"{where}: a list is wanted, not {data!r}")
        return tuple(_build(inner[0], one, f"{where}[{i}]") for i, one in enumerate(data))
    if origin is dict:
        if not isinstance(data, dict):
            raise BadRules(f"{where}: a table is wanted, not {data!r}")
        return {key: _build(inner[1], one, f"{where}.{key}") for key, one in data.items()}
    if origin is typing.Literal:
        if data not in inner:
            raise BadRules(f"{where}: {data!r} is none of {', '.join(map(str, inner))}")
        return data
    if dataclasses.is_dataclass(kind):
        return _record(kind, data, where)
    if kind not in PLAIN or type(data) is not kind:
        raise BadRules(f"{where}: {getattr(kind, '__name__', kind)} is wanted, not {data!r}")
    return data


def _record(kind: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise BadRules(f"{where}: a table is wanted, not {data!r}")
    hints = typing.get_type_hints(kind)
    fields = {f.name.rstrip("_"): f for f in dataclasses.fields(kind) if f.init}
    if unknown := sorted(data.keys() - fields.keys()):
        raise BadRules(f"{where}: nobody knows {', '.join(unknown)}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[field.name] = _build(hints[field.name], data[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise BadRules(f"{where}: {name} is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise BadRules(f"{where}: {error}") from error
