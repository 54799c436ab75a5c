"""Merkle tree of a transparency log, as RFC 9162 section 2.1 has it: SHA-256, leaf prefix 00, node prefix 01.

Pure. Hashes are 32 bytes; entries are bytes; indexes count from 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

SIZE = 32
EMPTY = hashlib.sha256(b"").digest()
"""Root of a tree without leaves, RFC 9162 2.1.1."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry), RFC 9162 2.1.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), RFC 9162 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes (not entries), RFC 9162 2.1.1."""
    if not leaves:
        return EMPTY
    level = list(leaves)
    while len(level) > 1:
        # the last of an odd level rises as it is: the split at the largest power of two, from below
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)] + odd
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(m, D_n), RFC 9162 2.1.3.1. IndexError where there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError("no such leaf")
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*inclusion_proof(leaves[:k], index), root(leaves[k:])]
    return [*inclusion_proof(leaves[k:], index - k), root(leaves[:k])]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """RFC 9162 2.1.3.2. `leaf`: leaf hash; `expected`: root of the tree of `size` leaves."""
    if not 0 <= index < size or any(len(p) != SIZE for p in proof):
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == expected


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """PROOF(m, D_n), RFC 9162 2.1.4.1: that the tree of `first` leaves is a prefix of this one.

    Empty where `first` is 0 or all. ValueError where `first` is larger than the tree.
    """
    if not 0 <= first <= len(leaves):
        raise ValueError("the earlier tree is not smaller")
    if first in (0, len(leaves)):
        return []
    return _subproof(leaves, first, whole=True)


def verify_consistency(first: int, second: int, proof: Sequence[bytes], old: bytes, new: bytes) -> bool:
    """RFC 9162 2.1.4.2. `old`, `new`: roots of the trees of `first` and `second` leaves."""
    if not 0 <= first <= second or any(len(p) != SIZE for p in proof):
        return False
    if first == second:
        return not proof and old == new
    if first == 0:
        return not proof and old == EMPTY
    if not proof:
        return False
    path = [old, *proof] if first & (first - 1) == 0 else list(proof)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old and sr == new


def _split(size: int) -> int:
    """Largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _subproof(leaves: Sequence[bytes], first: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D_n, b), RFC 9162 2.1.4.1."""
    size = len(leaves)
    if first == size:
        return [] if whole else [root(leaves)]
    k = _split(size)
    if first <= k:
        return [*_subproof(leaves[:k], first, whole=whole), root(leaves[k:])]
    return [*_subproof(leaves[k:], first - k, whole=False), root(leaves[:k])]
