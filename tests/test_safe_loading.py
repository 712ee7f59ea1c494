"""Weights are safetensors, code comes from this tree alone: what the source may not say.

Read as a syntax tree, so that a comment or a string counts for nothing, and a keyword for all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Pickles that this project writes and reads itself while it trains: optimiser states, in the run's
# own folder. `weights_only=True` lets them hold tensors and numbers and run nothing. No served
# model is loaded from one: models.checkpoint refuses a folder that holds any.
MAY_LOAD_STATES = ("models/training/",)
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# What takes no file of weights by that name: tokenizers, configurations, torch's own table of
# vectors; and optimum's exporter, which a bench gives the folder of a shipped generator.
NO_WEIGHTS = re.compile(r"Tokenizer\w*$|Config$|\bnn\.Embedding$|^OVModelForCausalLM$")
RUN_TEXT = {"eval", "exec", "compile", "__import__"}


@cache
def sources() -> tuple[Path, ...]:
    found = [
        p for room in ("app", "models", "retrieval", "scripts") for p in (ROOT / room).rglob("*.py")
    ]
    commands = [
        path
        for path in (ROOT / "scripts").iterdir()
        if path.is_file() and path.read_bytes()[:40].startswith(b"#!/usr/bin/env python")
    ]
    return (*sorted(found), *sorted(commands), ROOT / "wsgi.py", ROOT / "gunicorn.conf.py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """(file:line, the called name with its dots, the call)."""
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                yield f"{path.relative_to(ROOT)}:{node.lineno}", name, node


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


def is_constant(value: ast.expr | None, wanted: object) -> bool:
    return isinstance(value, ast.Constant) and value.value is wanted


def test_there_is_something_to_read() -> None:
    assert len(sources()) > 200
    assert any(name == "torch.load" for _, name, _ in calls())


def test_code_of_a_model_is_never_trusted() -> None:
    wrong = []
    for path in sources():
        for node in ast.walk(tree(path)):
            given: list[tuple[object, ast.expr]] = []
            if isinstance(node, ast.Call):
                given = [(one.arg, one.value) for one in node.keywords]
            elif isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                given = [(k.value, v) for k, v in pairs if isinstance(k, ast.Constant)]
            wrong += [
                f"{path.relative_to(ROOT)}:{node.lineno}"  # type: ignore[attr-defined]
                for name, value in given
                if name == "trust_remote_code" and not is_constant(value, False)
            ]
    assert not wrong


def test_models_are_read_from_safetensors() -> None:
    """Every network that transformers loads: tokenizers and configurations hold no weights."""
    wrong = [
        f"{where}: {name}"
        for where, name, call in calls()
        if name.endswith(".from_pretrained")
        and not NO_WEIGHTS.search(name.rpartition(".")[0])
        and not is_constant(keyword(call, "use_safetensors"), True)
    ]
    assert not wrong


def test_states_of_trainings_are_read_as_tensors_alone() -> None:
    for where, name, call in calls():
        if name == "torch.load":
            assert where.startswith(MAY_LOAD_STATES), where
            assert is_constant(keyword(call, "weights_only"), True), where


def test_no_pickle_is_read_or_written() -> None:
    wrong = []
    for path in sources():
        for node in ast.walk(tree(path)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            wrong += [
                f"{path.relative_to(ROOT)}:{node.lineno}: {name}"  # type: ignore[attr-defined]
                for name in names
                if name.split(".")[0] in PICKLES
            ]
    assert not wrong


@pytest.mark.parametrize("function", ["np.load", "numpy.load"])
def test_arrays_are_read_without_objects(function: str) -> None:
    wrong = [
        where
        for where, name, call in calls()
        if name == function
        and keyword(call, "allow_pickle") is not None
        and not is_constant(keyword(call, "allow_pickle"), False)
    ]
    assert not wrong


def test_no_text_is_run_as_code_or_by_a_shell() -> None:
    wrong = [
        f"{where}: {name}"
        for where, name, call in calls()
        if name in RUN_TEXT
        or name in {"os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "torch.hub.load"}
        or is_constant(keyword(call, "shell"), True)
    ]
    assert not wrong


def test_no_weights_that_ship_are_pickles() -> None:
    from models.checkpoint import PICKLE_SUFFIXES

    names = [p.name for p in (ROOT / "artifacts").rglob("*") if p.is_file()]
    assert names
    assert not [name for name in names if Path(name).suffix.lower() in PICKLE_SUFFIXES]
