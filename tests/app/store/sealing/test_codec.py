"""What is sealed opens only with its key, in its place, unaltered."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.sealing.codec import Cipher, Unreadable, estimate_tokens

KEY = bytes(range(32))


@given(plain=st.binary(max_size=4_000), where=st.text(st.characters(codec="utf-8"), max_size=40))
def test_what_is_sealed_comes_back(plain: bytes, where: str) -> None:
    cipher = Cipher(KEY)
    sealed = cipher.seal(plain, where)
    assert cipher.open(sealed, where) == plain
    assert len(plain) < 8 or plain not in sealed
    assert cipher.seal(plain, where) != sealed


@given(
    plain=st.binary(min_size=1, max_size=2_000), position=st.integers(0), flip=st.integers(1, 255)
)
def test_one_altered_byte_makes_it_unreadable(plain: bytes, position: int, flip: int) -> None:
    cipher = Cipher(KEY)
    sealed = bytearray(cipher.seal(plain, "here"))
    sealed[position % len(sealed)] ^= flip
    with pytest.raises(Unreadable):
        cipher.open(bytes(sealed), "here")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + b"0" * 12, b"\x09" + b"0" * 40])
def test_what_was_never_sealed_is_unreadable(sealed: bytes) -> None:
    with pytest.raises(Unreadable):
        Cipher(KEY).open(sealed, "here")


def test_another_place_or_key_does_not_open_it() -> None:
    sealed = Cipher(KEY).seal(b"a secret", "turn:1")
    with pytest.raises(Unreadable):
        Cipher(KEY).open(sealed, "turn:2")
    with pytest.raises(Unreadable):
        Cipher(os.urandom(32)).open(sealed, "turn:1")


def test_long_texts_are_stored_shorter() -> None:
    assert len(Cipher(KEY).seal(b"the same words again " * 500, "x")) < 1_000


def test_a_digest_stands_for_a_text_under_one_key_only() -> None:
    assert Cipher(KEY).digest("likes:tea") == Cipher(KEY).digest("likes:tea")
    assert Cipher(KEY).digest("likes:tea") != Cipher(KEY).digest("likes:coffee")
    assert Cipher(KEY).digest("likes:tea") != Cipher(os.urandom(32)).digest("likes:tea")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Cipher(b"short")


def test_token_estimates_grow_with_the_text() -> None:
    assert estimate_tokens("") == 1
    assert estimate_tokens("a" * 400) == 101
    assert estimate_tokens("\ud83d") >= 1
