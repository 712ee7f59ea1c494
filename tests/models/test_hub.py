"""A hub id may name its commit; what is loaded is then that, whatever the hub has by then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.generator import Generator
from models.hub import DEFAULT_REVISION, split_revision
from models.runtimes.torch_bert import resolve_base

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("owner/name", ("owner/name", DEFAULT_REVISION)),
        (f"owner/name@{COMMIT}", ("owner/name", COMMIT)),
        ("owner/name@v1.0", ("owner/name", "v1.0")),
        ("owner/na@me@v1", ("owner/na@me@v1", DEFAULT_REVISION)),
        ("owner/name@../x", ("owner/name@../x", DEFAULT_REVISION)),
        ("owner/name@", ("owner/name@", DEFAULT_REVISION)),
    ],
)
def test_the_name_and_the_revision(given: str, wanted: tuple[str, str]) -> None:
    assert split_revision(given) == wanted


def test_a_base_model_is_asked_for_by_its_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    def download(name: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        assert not any(pattern.endswith((".bin", ".py")) for pattern in allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert resolve_base(f"owner/name@{COMMIT}") == tmp_path
    assert asked == [("owner/name", COMMIT)]


def test_a_generator_is_asked_for_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def refuse(name: str, **options: Any) -> None:
        asked.update(name=name, **options)
        raise OSError("no hub here")

    monkeypatch.setattr("transformers.GPT2LMHeadModel.from_pretrained", refuse)
    with pytest.raises(OSError, match="no hub here"):
        Generator.load(f"owner/name@{COMMIT}")
    assert (asked["name"], asked["revision"]) == ("owner/name", COMMIT)
    assert (asked["use_safetensors"], asked["trust_remote_code"]) == (True, False)
