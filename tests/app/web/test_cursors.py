from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.web.cursors import Cursors

CURSORS = Cursors("a secret of this test")


@given(st.text(min_size=1, max_size=80).filter(lambda t: t.isprintable()))
def test_what_is_sealed_opens_again(cursor: str) -> None:
    sealed = CURSORS.seal("list:u1", cursor)
    assert CURSORS.open("list:u1", sealed) == cursor


def test_nothing_is_nothing() -> None:
    assert CURSORS.seal("list", None) is None
    assert CURSORS.open("list", None) is None


@given(st.text(max_size=80))
def test_nobody_elses_cursor_opens(text: str) -> None:
    with pytest.raises(InputError) as caught:
        CURSORS.open("list:u1", text)
    assert caught.value.errors[0].pointer == "/cursor"


def test_a_cursor_belongs_to_its_listing() -> None:
    sealed = CURSORS.seal("list:u1", "12")
    for cursors, place in ((CURSORS, "list:u2"), (Cursors("another secret"), "list:u1")):
        with pytest.raises(InputError):
            cursors.open(place, sealed)
