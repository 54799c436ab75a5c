"""A log as static files: C2SP tlog-tiles. Level L of a tile holds tree nodes of level 8L, 256 to a tile.

`Tiles` reads through any function path -> bytes (a folder, an HTTP server); `write` adds what is new to a folder. A file,
once written, never changes: a tile that is not full carries its width in its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from signing.merkle import SIZE, leaf_hash, node_hash, root

WIDTH = 256
LONGEST_ENTRY = 0xFFFF


class BadTiles(ValueError):
    """A tile is missing, has another length than its name says, or does not fit its parent."""


def path_of(level: int | str, number: int, width: int = WIDTH) -> str:
    """tile/L/NNN or tile/entries/NNN, in groups of three digits; `.p/W` behind a partial one."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


class Tiles:
    """The tree of `size` lines behind `fetch`. Raises BadTiles (and whatever `fetch` raises)."""

    def __init__(self, size: int, fetch: Callable[[str], bytes]) -> None:
        self.size, self._fetch = size, fetch
        self._held: dict[tuple[int, int], bytes] = {}
        self._above: dict[tuple[int, int], list[list[bytes]]] = {}

    def _tile(self, level: int, number: int) -> bytes:
        if (level, number) not in self._held:
            nodes = self.size >> (8 * level)
            width = min(WIDTH, nodes - number * WIDTH)
            data = self._fetch(path_of(level, number, width)) if width > 0 else b""
            if width <= 0 or len(data) != width * SIZE:
                raise BadTiles(f"{path_of(level, number, max(width, 1))}: {len(data)} bytes")
            self._held[level, number] = data
        return self._held[level, number]

    def _rows(self, level: int, number: int) -> list[list[bytes]]:
        """A tile's nodes and the full nodes above them, reckoned once: whoever asks again pays look-ups only."""
        if (level, number) not in self._above:
            data = self._tile(level, number)
            rows = [[data[at : at + SIZE] for at in range(0, len(data), SIZE)]]
            while len(row := rows[-1]) > 1:
                rows.append([node_hash(row[n], row[n + 1]) for n in range(0, len(row) - 1, 2)])
            self._above[level, number] = rows
        return self._above[level, number]

    def node(self, level: int, index: int) -> bytes:
        """The hash of a full subtree of 2^level leaves."""
        tile_level, below = divmod(level, 8)
        number, at = divmod(index, WIDTH >> below)
        rows = self._rows(tile_level, number)
        if below >= len(rows) or at >= len(rows[below]):
            raise BadTiles(f"no node {index} of level {level}")
        return rows[below][at]

    def subtree(self, begin: int, end: int) -> bytes:
        """MTH(D[begin:end]), RFC 9162 2.1.1, for ranges as its proofs use them."""
        span = end - begin
        if span & (span - 1) == 0 and begin % span == 0:
            return self.node(span.bit_length() - 1, begin // span)
        k = 1 << ((span - 1).bit_length() - 1)
        return node_hash(self.subtree(begin, begin + k), self.subtree(begin + k, end))

    def root(self, size: int | None = None) -> bytes:
        size = self.size if size is None else size
        return self.subtree(0, size) if size else root([])

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """PATH(m, D_n), RFC 9162 2.1.3.1. IndexError where there is no such line."""
        size = self.size if size is None else size
        if not 0 <= index < size <= self.size:
            raise IndexError("no such line")
        proof: list[bytes] = []
        begin, end = 0, size
        while end - begin > 1:
            k = 1 << ((end - begin - 1).bit_length() - 1)
            if index < begin + k:
                proof.append(self.subtree(begin + k, end))
                end = begin + k
            else:
                proof.append(self.subtree(begin, begin + k))
                begin += k
        return proof[::-1]

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """PROOF(m, D_n), RFC 9162 2.1.4.1. ValueError where `first` is larger."""
        second = self.size if second is None else second
        if not 0 <= first <= second <= self.size:
            raise ValueError("the earlier tree is not smaller")
        if first in (0, second):
            return []
        proof: list[bytes] = []
        begin, end, whole = 0, second, True
        while first != end - begin:
            k = 1 << ((end - begin - 1).bit_length() - 1)
            if first <= k:
                proof.append(self.subtree(begin + k, end))
                end = begin + k
            else:
                proof.append(self.subtree(begin, begin + k))
                begin, first, whole = begin + k, first - k, False
        if not whole:
            proof.append(self.subtree(begin, end))
        return proof[::-1]

    def entries(self, begin: int, end: int) -> Iterator[bytes]:
        """The lines themselves, from `begin` up to `end`, each checked against its hash in the tree."""
        for number in range(begin // WIDTH, (end + WIDTH - 1) // WIDTH):
            width = min(WIDTH, self.size - number * WIDTH)
            data, at = self._fetch(path_of("entries", number, width)), 0
            for n in range(width):
                length = int.from_bytes(data[at : at + 2], "big")
                entry = data[at + 2 : at + 2 + length]
                at += 2 + length
                index = number * WIDTH + n
                if len(entry) != length or self.node(0, index) != leaf_hash(entry):
                    raise BadTiles(f"line {index} is not the one whose hash stands in the tree")
                if begin <= index < end:
                    yield entry
            if at != len(data):
                raise BadTiles(f"{path_of('entries', number, width)}: bytes behind its last line")


def in_folder(folder: Path) -> Callable[[str], bytes]:
    return lambda path: (folder / path).read_bytes()


def write(folder: Path, size: int, entries: Iterable[bytes]) -> int:
    """Adds lines behind the first `size`; returns the new size. Safe to run again after a crash: the same lines give the
    same files, and a checkpoint, written by the caller afterwards, is what makes them count. Raises BadTiles."""
    have = Tiles(size, in_folder(folder))
    fresh = list(entries)
    if any(len(one) > LONGEST_ENTRY for one in fresh):
        raise BadTiles("a line is longer than 65,535 bytes")
    total = size + len(fresh)
    _write_bundles(folder, have, size, fresh)
    level, nodes, begin = 0, [leaf_hash(one) for one in fresh], size
    while nodes:
        begin_tile = begin // WIDTH
        if begin % WIDTH:  # what stands already in the tile that is not full
            kept = have._tile(level, begin_tile)
            nodes = [kept[n * SIZE : (n + 1) * SIZE] for n in range(len(kept) // SIZE)] + nodes
        above = []
        for n in range(0, len(nodes), WIDTH):
            tile = nodes[n : n + WIDTH]
            _keep(folder / path_of(level, begin_tile + n // WIDTH, len(tile)), b"".join(tile))
            if len(tile) == WIDTH:
                above.append(root(tile))
        level, nodes, begin = level + 1, above, size >> (8 * (level + 1))
        nodes = nodes[: (total >> (8 * level)) - begin] if nodes else nodes
    return total


def _write_bundles(folder: Path, have: Tiles, size: int, fresh: list[bytes]) -> None:
    first = size // WIDTH
    lines = [*have.entries(first * WIDTH, size), *fresh] if size % WIDTH else fresh
    for n in range(0, len(lines), WIDTH):
        some = lines[n : n + WIDTH]
        data = b"".join(len(one).to_bytes(2, "big") + one for one in some)
        _keep(folder / path_of("entries", first + n // WIDTH, len(some)), data)


def _keep(path: Path, data: bytes) -> None:
    """Write-once and durable. Raises BadTiles where other bytes stand under this name already."""
    if path.exists():
        if path.read_bytes() != data:
            raise BadTiles(f"{path.name}: other bytes stand there already")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, data)


def replace(path: Path, data: bytes) -> None:
    """The whole file or none of it, on the disk when this returns."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
