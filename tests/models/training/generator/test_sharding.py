"""Several processes that share one model: the same learning, less memory for each."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

from models.training.generator.launch import launch
from models.training.generator.muon import Muon
from models.training.generator.sharding import Group, load_optimizer, local_bytes, whole
from tests.models.training.generator.command import (
    PATIENCE,
    finish,
    losses,
    run,
    start,
    training,
    wait_for_step,
    weights,
)
from tests.models.training.generator.talk import ROOT

TWO = ("--processes", 2, "--checkpointing", "--tokens-at-once", 120)
# One block of a model large enough that its weights outweigh what is replicated.
LARGER = ("--layers", 2, "--width", 32)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_with_less_memory_each(
    tmp_path: Path, public: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    run(*training(public, one, "--steps", 12, *LARGER))
    run(*training(public, two, "--steps", 12, *LARGER, *TWO))
    alone, shared = losses(one), losses(two)
    assert list(alone) == list(shared) == list(range(1, 13))
    assert max(abs(alone[step] - shared[step]) for step in alone) < 1e-3
    assert alone[12] < alone[1] - 0.1

    figures = [json.loads((f / "run.json").read_text())["metrics"] for f in (one, two)]
    assert [f["processes"] for f in figures] == [1, 2]
    assert figures[1]["state_bytes"] < 0.55 * figures[0]["state_bytes"]
    assert figures[1]["peak_bytes"] > figures[1]["state_bytes"]
    for name, value in figures[0]["held_out_perplexity"].items():
        assert figures[1]["held_out_perplexity"][name] == pytest.approx(value, rel=1e-3)
    assert figures[0]["held_out_tokens"] == figures[1]["held_out_tokens"]


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path, public: Path) -> None:
    run(*training(public, tmp_path / "one", "--steps", 40))
    folder = tmp_path / "changed"
    first = start(*training(public, folder, "--steps", 40, *TWO))
    wait_for_step(folder, 4, first)
    first.send_signal(signal.SIGTERM)
    assert "the same command resumes" in finish(first)
    halfway = max(losses(folder))
    assert 4 <= halfway < 40
    assert "resumed at" in run(*training(public, folder, "--steps", 40))
    alone, changed = losses(tmp_path / "one"), losses(folder)
    assert list(changed) == list(alone)
    assert max(abs(alone[step] - changed[step]) for step in alone) < 1e-3
    theirs = weights(tmp_path / "one")
    for name, value in weights(folder).items():
        torch.testing.assert_close(value, theirs[name], atol=2e-3, rtol=0.0)


@pytest.mark.slow
def test_a_process_that_fails_ends_the_others(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(
        "import os, sys, time\nsys.exit(7) if os.environ['RANK'] == '1' else time.sleep(600)\n"
    )
    assert launch([str(tmp_path / "worker.py")], 2, 1) == 7
    out = start("--examples", "/dev/null", "--run", tmp_path / "run", "--processes", 2)
    said = out.communicate(timeout=PATIENCE)[0]
    assert out.returncode == 1
    assert "nothing to learn" in said


ACCELERATE = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, {root!r})
import torch
from accelerate import Accelerator, FullyShardedDataParallelPlugin, InitProcessGroupKwargs
from torch.distributed.tensor import DTensor
from models.training.generator.sharding import STORE_VARIABLE

plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
group = InitProcessGroupKwargs(init_method="file://" + os.environ[STORE_VARIABLE])
accelerator = Accelerator(cpu=True, fsdp_plugin=plugin, kwargs_handlers=[group])
model = torch.nn.Linear(4, 4)
model, _ = accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
said = dict(
    processes=accelerator.num_processes,
    kind=accelerator.distributed_type.value,
    sharded=any(isinstance(p, DTensor) for p in model.parameters()),
    wrapper=type(model).__name__,
)
open({out!r} + os.environ["RANK"], "w").write(json.dumps(said))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_accelerate_itself_shards_nothing_on_cpus(tmp_path: Path) -> None:
    """The reason why `sharding.py` calls `fully_shard`; when this fails, accelerate has learned."""
    (tmp_path / "worker.py").write_text(ACCELERATE.format(root=str(ROOT), out=f"{tmp_path}/said"))
    assert launch([str(tmp_path / "worker.py")], 2, 1) == 0
    said = json.loads((tmp_path / "said1").read_text())
    expected = {"processes": 2, "kind": "MULTI_CPU", "sharded": False}
    assert said == {**expected, "wrapper": "DistributedDataParallel"}


def test_alone_a_group_is_this_process() -> None:
    group = Group.join()
    assert (group.rank, group.count, group.orphaned) == (0, 1, False)
    assert group.sum([1.5, 2.0]) == [1.5, 2.0]
    with group.in_turn():
        group.leave()


def test_a_state_goes_through_a_file_and_back() -> None:
    torch.manual_seed(1)
    layer = torch.nn.Linear(6, 4, bias=False)
    optimizers = [Muon(layer.parameters(), lr=0.1), torch.optim.AdamW(layer.parameters())]
    layer(torch.ones(2, 6)).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
        saved = whole(optimizer.state_dict())
        fresh = type(optimizer)(layer.parameters(), lr=0.1)
        load_optimizer(fresh, saved)
        theirs = optimizer.state[layer.weight]
        assert all(torch.equal(v, theirs[k]) for k, v in fresh.state[layer.weight].items())
        assert fresh.state[layer.weight]
    held = layer.weight.numel() * 4
    assert local_bytes(layer, optimizers[:1]) == 2 * held
