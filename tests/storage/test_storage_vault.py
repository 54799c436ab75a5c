"""What is sealed opens with its own key at its own place, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import BadBox, vault

KEY = bytes(range(32))


@pytest.mark.req("D13")
@given(st.binary(max_size=2000), st.binary(max_size=50))
def test_a_box_opens_to_what_went_in(plain, place):
    box = vault.encrypt(KEY, plain, place)
    assert vault.decrypt(KEY, box, place) == plain
    assert len(box) == len(plain) + vault.OVERHEAD
    assert len(plain) < 8 or plain not in box


@given(st.binary(min_size=1, max_size=200), st.data())
def test_one_changed_bit_or_a_cut_box_does_not_open(plain, data):
    box = bytearray(vault.encrypt(KEY, plain, b"place"))
    bit = data.draw(st.integers(0, len(box) * 8 - 1))
    box[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadBox):
        vault.decrypt(KEY, bytes(box), b"place")
    box[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadBox):
        vault.decrypt(KEY, bytes(box[: data.draw(st.integers(0, len(box) - 1))]), b"place")


def test_another_place_or_key_does_not_open():
    box = vault.encrypt(KEY, b"x", vault.aad("case", "name", 1, 3))
    for place in (
        ("case", "name", 2, 3),
        ("case", "name", 1, 2),
        ("casen", "ame", 1, 3),
        ("other", "name", 1, 3),
    ):
        with pytest.raises(BadBox):
            vault.decrypt(KEY, box, vault.aad(*place))
    with pytest.raises(BadBox):
        vault.decrypt(bytes(32), box, vault.aad("case", "name", 1, 3))
    with pytest.raises(ValueError, match="32 bytes"):
        vault.encrypt(b"short", b"x", b"")


def test_no_salt_comes_twice():
    boxes = [vault.encrypt(KEY, b"", b"") for _ in range(5000)]
    assert len({box[1:17] for box in boxes}) == len(boxes)


def test_a_data_key_travels_wrapped_and_bound_to_its_case():
    data_key, storage_key = vault.new_data_key(), vault.new_data_key()
    wrapped = vault.wrap(data_key, storage_key, "case 1")
    assert vault.unwrap(wrapped, storage_key, "case 1") == data_key
    assert data_key not in wrapped
    for key, case in ((storage_key, "case 2"), (vault.new_data_key(), "case 1")):
        with pytest.raises(BadBox):
            vault.unwrap(wrapped, key, case)
