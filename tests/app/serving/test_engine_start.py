"""Starting the engine: the index is built once, and what is wrong is said in one line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import StartupError
from app.serving.engine import Engine
from app.serving.versions.loading import threads_for
from app.settings import Settings
from app.telemetry import Metrics

MakeSettings = Callable[..., Settings]
Open = Callable[..., Engine]

_START = """
import sys
from pathlib import Path
from app.serving.engine import Engine
from app.settings import Settings
from app.telemetry import Metrics
tiny, var = Path(sys.argv[1]), Path(sys.argv[2])
settings = Settings(
    encoder=str(tiny / "encoder"), reranker=str(tiny / "reranker"), candidates_max=0,
    data_dir=tiny / "data", var_dir=var, device="cpu", dtype="fp32", threads=1,
)
engine = Engine.open(settings, Metrics())
print(engine.versions["index"])
engine.close()
"""


def test_the_index_is_built_once_and_used_again(
    open_engine: Open, capfd: pytest.CaptureFixture[str]
) -> None:
    open_engine()
    assert "building the index" in capfd.readouterr().err
    open_engine()
    said = capfd.readouterr().err
    assert "building the index" not in said
    assert "models ready" in said


def test_a_changed_bank_is_indexed_anew(open_engine: Open, tiny: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny / "data", data)
    first = open_engine(data_dir=data).versions["index"]
    bank = data / "bank" / "tiny.jsonl"
    bank.write_text(bank.read_text().replace("hi there", "hey there"))
    assert open_engine(data_dir=data).versions["index"] != first


def test_an_altered_index_is_built_anew(open_engine: Open, tmp_path: Path) -> None:
    version = open_engine().versions["index"]
    (tmp_path / "var" / "index" / "replies.faiss").write_bytes(b"no index")
    assert open_engine().versions["index"] == version


def test_workers_that_start_together_build_one_index(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _START, str(tiny), str(tmp_path / "var")]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    assert len({out.splitlines()[-1] for out, _ in ended}) == 1  # before it: the log
    assert sum(err.count("index built:") for _, err in ended) == 1


def altered(folder: Path, tmp_path: Path, name: str) -> str:
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    with (copy / name).open("ab") as file:
        file.write(b"x")
    return str(copy)


def test_altered_weights_are_refused(
    tiny: Path, tiny_settings: MakeSettings, tmp_path: Path
) -> None:
    for setting, name in (("reranker", "delta.safetensors"), ("generator", "model.safetensors")):
        path = altered(tiny / setting, tmp_path, name)
        with pytest.raises(StartupError, match=f"^KINDRED_{setting.upper()}: .*{name}"):
            Engine.open(tiny_settings(**{setting: path}), Metrics())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"reranker": "/nowhere"}, "^KINDRED_RERANKER: .*nowhere"),
        ({"generator": "/nowhere/at/all"}, "^KINDRED_GENERATOR: "),
        ({"data_dir": Path("/nowhere")}, "^KINDRED_DATA_DIR: no response bank"),
        ({"var_dir": Path("/proc/nowhere")}, "^KINDRED_VAR_DIR: "),
        ({"context_tokens": 150, "new_tokens": 20}, "^KINDRED_CONTEXT_TOKENS .* 160 positions"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tiny_settings: MakeSettings, changes: dict[str, object], line: str
) -> None:
    with pytest.raises(StartupError, match=line) as refused:
        Engine.open(tiny_settings(**changes), Metrics())
    assert "\n" not in refused.value.detail


def test_threads_are_shared_among_workers(tiny_settings: MakeSettings) -> None:
    assert threads_for(tiny_settings(threads=3, workers=8)) == 3
    everything = threads_for(tiny_settings(threads=0, workers=1))
    assert everything >= 1
    assert threads_for(tiny_settings(threads=0, workers=64)) == max(1, everything // 64)
