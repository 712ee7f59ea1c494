"""Who may import whom, and where each heavy library lives: the architecture, enforced."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Room → what it may import of the project (besides itself). Longest prefix wins.
LEAVES = {
    "app.domain",
    "app.errors",
    "app.settings",
    "app.telemetry",
    "app.secrets",
    "app.redaction",
}
ALLOWED: dict[str, set[str]] = {
    "wsgi": {"app.factory"},
    "app.factory": {"app"},
    "app.cli": LEAVES,
    "app.web": LEAVES | {"app.dialog", "app.store", "app.experiments"},
    "app.dialog": LEAVES | {"app.serving", "app.store", "app.experiments"},
    "app.serving": LEAVES | {"models", "retrieval"},
    "app.store": LEAVES,
    "app.experiments": set(),
    "app.domain": set(),
    "app.errors": set(),
    "app.settings": {"app.errors"},
    "app.telemetry": {"app.redaction"},
    "app.redaction": set(),
    "app.worker": set(),
    "app.secrets": {"app.errors", "app.settings"},
    "app": set(),
    "models": set(),
    "retrieval": set(),
    "scripts": {"app", "models", "retrieval"},
    "gunicorn.conf": set(),
}
FORBIDDEN = {"scripts": {"app.web"}}

# Library → the rooms that may import it.
HOMES: dict[str, tuple[str, ...]] = {
    "flask": ("app.web", "app.factory", "app.cli", "scripts.benches"),
    "gevent": ("app.serving", "app.factory", "gunicorn.conf", "scripts"),
    "redis": ("app.store",),
    "hiredis": ("app.store",),
    "torch": ("models", "scripts"),
    "transformers": ("models", "scripts"),
    "openvino": ("models", "scripts"),
    "openvino_genai": ("models", "scripts"),
    "nncf": ("models", "scripts.benches"),
    "onnx": ("models", "scripts.benches"),
    "onnxruntime": ("models", "scripts.benches"),
    "faiss": ("retrieval",),
    "sqlite3": ("app.store",),
    "jwt": ("app.web",),
    "pyarrow": ("models.training", "scripts"),
    "trl": ("models.training",),
    "peft": ("models.training",),
    "accelerate": ("models.training",),
    "datasets": ("models.training", "scripts"),
    "sentence_transformers": ("models", "scripts.benches"),
    "matplotlib": ("models.training", "scripts"),
}


def modules() -> list[Path]:
    folders = ("app", "models", "retrieval", "scripts")
    files = [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]
    return [*files, ROOT / "wsgi.py", ROOT / "gunicorn.conf.py"]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the rooms"
            module = node.module or ""
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def room_of(name: str) -> str:
    return max((room for room in ALLOWED if within(name, room)), key=len)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    name = name_of(path)
    room = room_of(name)
    wrong = []
    for target, line in imports_of(path):
        if target.split(".")[0] not in {"app", "models", "retrieval", "scripts", "tests", "wsgi"}:
            continue
        fine = within(target, room) or any(within(target, to) for to in ALLOWED[room])
        barred = any(within(target, to) for to in FORBIDDEN.get(room, ()))
        if not fine or barred:
            wrong.append(f"{path.relative_to(ROOT)}:{line} imports {target}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_heavy_libraries_stay_at_home(path: Path) -> None:
    name = name_of(path)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {target}"
        for target, line in imports_of(path)
        for library, homes in HOMES.items()
        if within(target, library) and not any(within(name, home) for home in homes)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_leaves_of_app_import_no_room_of_app() -> None:
    for leaf in LEAVES:
        assert ALLOWED[leaf] <= LEAVES
