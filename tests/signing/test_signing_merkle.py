import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import merkle

# the eight entries and roots that Certificate Transparency implementations share as test vectors
ENTRIES = [
    bytes.fromhex(h)
    for h in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}

leaves = st.lists(st.binary(max_size=8), max_size=70).map(lambda xs: [merkle.leaf_hash(x) for x in xs])


def recursive(ls):
    """The definition of RFC 9162 2.1.1, word for word."""
    if not ls:
        return hashlib.sha256(b"").digest()
    if len(ls) == 1:
        return ls[0]
    k = 1
    while k * 2 < len(ls):
        k *= 2
    return hashlib.sha256(b"\x01" + recursive(ls[:k]) + recursive(ls[k:])).digest()


@pytest.mark.parametrize("size", ROOTS)
def test_known_roots(size):
    assert merkle.root([merkle.leaf_hash(e) for e in ENTRIES[:size]]).hex() == ROOTS[size]


@given(leaves)
def test_the_root_is_the_definitions(ls):
    assert merkle.root(ls) == recursive(ls)


@given(leaves.filter(bool), st.data())
def test_inclusion(ls, data):
    index = data.draw(st.integers(0, len(ls) - 1))
    proof, top = merkle.inclusion_proof(ls, index), merkle.root(ls)
    assert merkle.verify_inclusion(ls[index], index, len(ls), proof, top)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"another entry"), index, len(ls), proof, top)
    assert not merkle.verify_inclusion(ls[index], index, len(ls), [*proof, top], top)
    if proof:
        assert not merkle.verify_inclusion(ls[index], index, len(ls), proof[:-1], top)
        bad = [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]]
        assert not merkle.verify_inclusion(ls[index], index, len(ls), bad, top)


@given(leaves, st.data())
def test_consistency(ls, data):
    first = data.draw(st.integers(0, len(ls)))
    proof = merkle.consistency_proof(ls, first)
    old, new = merkle.root(ls[:first]), merkle.root(ls)
    assert merkle.verify_consistency(first, len(ls), proof, old, new)
    if 0 < first < len(ls):
        assert not merkle.verify_consistency(first, len(ls), proof, merkle.leaf_hash(b"fork"), new)
        assert not merkle.verify_consistency(first, len(ls), proof, old, merkle.leaf_hash(b"fork"))
        assert not merkle.verify_consistency(first, len(ls), proof[:-1], old, new)
        assert not merkle.verify_consistency(first, len(ls), [*proof, old], old, new)


def test_a_tree_cannot_shrink_and_indexes_are_bounded():
    ls = [merkle.leaf_hash(e) for e in ENTRIES]
    with pytest.raises(ValueError, match="not smaller"):
        merkle.consistency_proof(ls, 9)
    with pytest.raises(IndexError):
        merkle.inclusion_proof(ls, 8)
    assert not merkle.verify_consistency(9, 8, [], b"", b"")
    assert not merkle.verify_inclusion(ls[0], 8, 8, [], merkle.root(ls))
    assert not merkle.verify_inclusion(ls[0], 0, 8, [b"short"], merkle.root(ls))
