"""Mends `asn1crypto` 1.5.1: a definite length whose last byte is 0x80 was taken for an indefinite one.

The library then encodes the value anew, and every level of nesting does so again: some signatures take
seconds instead of milliseconds, depending on lengths in the chain. Indefinite length is the single length
byte 0x80 (X.690 8.1.3.6); a header of our tags has then exactly two bytes. Default-valued children also stay
"mutated" for ever; they are settled once encoded. Who signs or verifies calls `apply()`, once per process.
"""

from __future__ import annotations

from typing import Any

from asn1crypto import core

_applied = False


class _Header(bytes):
    """Header bytes that answer `[-1:]` with the truth about indefinite length."""

    def __getitem__(self, at: Any) -> Any:
        part = bytes.__getitem__(self, at)
        if at == slice(-1, None, None) and part == b"\x80" and len(self) != 2:
            return b""  # a long-form length that only ends in 0x80
        return part

    def __add__(self, other: Any) -> bytes:
        joined: bytes = bytes(self) + other
        return joined


def apply() -> None:
    global _applied
    if _applied:
        return
    _applied = True

    def guarded(dump: Any) -> Any:
        def mended(self: Any, force: bool = False) -> Any:
            header = self._header
            if header is not None and type(header) is bytes and header[-1:] == b"\x80":
                self._header = _Header(header)
            return dump(self, force=force)

        return mended

    for kind in (core.Asn1Value, core.Choice, core.Primitive, core.Sequence, core.SequenceOf):
        kind.dump = guarded(kind.dump)

    for kind in (core.Sequence, core.SequenceOf, core.Set, core.SetOf):
        encode = kind._set_contents

        def settled(self: Any, force: bool = False, _encode: Any = encode) -> None:
            _encode(self, force=force)
            self._mutated = False

        kind._set_contents = settled
