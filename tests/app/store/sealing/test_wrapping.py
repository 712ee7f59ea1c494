"""What follows from a master key beside the wrapping: its signatures, and what outlives it."""

from __future__ import annotations

import hmac

import pytest

from app.store.sealing.wrapping import LEDGER_OWNER, Lineage, Wrapping, WrongMaster

FIRST, SECOND, THIRD = (Wrapping(bytes([number]) * 32) for number in (1, 2, 3))


def test_a_signature_is_of_one_statement_under_one_master_key() -> None:
    signature = FIRST.signer.sign(b"all is well")
    assert len(signature) == 64
    assert Wrapping(bytes([1]) * 32).signer.signed(b"all is well", signature)
    assert not FIRST.signer.signed(b"all is well!", signature)
    assert not SECOND.signer.signed(b"all is well", signature)
    for odd in ("", signature[:-1], signature.upper(), "é" * 64, "\ud800"):
        assert not FIRST.signer.signed(b"all is well", odd)


def test_what_signs_is_not_what_names_the_erased_and_is_not_shown() -> None:
    keys = {FIRST.signer.key, FIRST.ledger_key, bytes([1]) * 32}
    assert len(keys) == 3
    assert repr(FIRST.signer.key) not in repr(FIRST.signer)


def test_former_masters_are_remembered_with_what_they_signed_by() -> None:
    lineage = Lineage(FIRST.ledger_key, (FIRST.signer, SECOND.signer))
    assert Lineage.opened(THIRD, lineage.packed(THIRD)) == lineage
    with pytest.raises(WrongMaster):
        Lineage.opened(SECOND, lineage.packed(THIRD))


def test_a_lineage_of_an_earlier_release_names_its_masters_and_trusts_no_signature() -> None:
    prints = [wrapping.signer.fingerprint for wrapping in (FIRST, SECOND)]
    packed = THIRD.wrap(LEDGER_OWNER, FIRST.ledger_key + b"".join(map(bytes.fromhex, prints)))
    lineage = Lineage.opened(THIRD, packed)
    assert lineage.ledger_key == FIRST.ledger_key
    assert [signer.fingerprint for signer in lineage.former] == prints
    for signer, wrapping in zip(lineage.former, (FIRST, SECOND), strict=True):
        assert not signer.signed(b"x", wrapping.signer.sign(b"x"))
        assert not signer.signed(b"x", hmac.digest(bytes(32), b"x", "sha256").hex())
    kept = Lineage.opened(THIRD, lineage.packed(THIRD))
    assert [signer.fingerprint for signer in kept.former] == prints
