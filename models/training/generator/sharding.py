"""The processes of one run: this one alone, or several that share the model (FSDP).

Sharded data parallel training (Rajbhandari et al. 2020, ZeRO stage 3; Zhao et al. 2023, PyTorch
FSDP): each process keeps a part of every parameter, gradient and optimizer state, gathers one
block at a time when it is needed, and reads its own share of each batch.

accelerate finds the process group (gloo on CPUs, nccl on GPUs) and the device from what its
launcher, torchrun or `launch.py` put into the environment. The sharding itself is torch's
`fully_shard`, which accelerate's FSDP calls too: `AcceleratorState` of accelerate 1.15 takes its
`fsdp_plugin` only on accelerators, and on CPUs passes over it in silence and replicates the model
(`tests/models/training/generator/test_sharding.py` looks). This way CPUs and GPUs run one path.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

# Set by `launch.py`: a file where the processes find each other, and who started them.
STORE_VARIABLE = "KINDRED_PROCESS_STORE"
PARENT_VARIABLE = "KINDRED_PROCESS_PARENT"


class Group:
    """`rank` of `count` processes, and the device of this one."""

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.count = rank, count
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @classmethod
    def join(cls) -> Group:
        """The group that the environment names, or this process alone."""
        if "LOCAL_RANK" not in os.environ:
            return cls()
        from accelerate import PartialState

        options: dict[str, Any] = {}
        if store := os.environ.get(STORE_VARIABLE):
            rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
            options = {"init_method": f"file://{store}", "rank": rank, "world_size": count}
        with warnings.catch_warnings():
            # It sets a number of threads if none is set; the command sets its own.
            warnings.filterwarnings("ignore", message="OMP_NUM_THREADS/MKL_NUM_THREADS unset")
            state = PartialState(cpu=not torch.cuda.is_available(), **options)
        return cls(state.process_index, state.num_processes, torch.device(state.device.type))

    @property
    def orphaned(self) -> bool:
        """Whether the process that started the group is gone."""
        parent = os.environ.get(PARENT_VARIABLE)
        return self.count > 1 and parent is not None and os.getppid() != int(parent)

    def leave(self) -> None:
        """End the group; nothing is to be called after it."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes; every process must call it."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(value) for value in total.tolist()]

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process alone, then the others: for what one writes and all read."""
        if self.count > 1 and self.rank:
            dist.barrier()
        try:
            yield
        finally:
            if self.count > 1 and not self.rank:
                dist.barrier()

    def shard(self, module: torch.nn.Module, blocks: Sequence[torch.nn.Module]) -> None:
        """Move `module` to the device; of several processes each keeps its part of it.

        Each of `blocks` is gathered for itself; what is left of `module` (embeddings, last norm)
        together. On GPUs blocks are gathered and computed in bf16, gradients summed in fp32.
        """
        module.to(self.device)
        if self.count == 1:
            return
        mesh = init_device_mesh(self.device.type, (self.count,))
        bf16 = torch.bfloat16 if self.device.type == "cuda" else None
        policy = MixedPrecisionPolicy(param_dtype=bf16, reduce_dtype=torch.float32)
        for block in blocks:
            fully_shard(block, mesh=mesh, mp_policy=policy)
        fully_shard(module, mesh=mesh, mp_policy=policy)


def reshard(module: torch.nn.Module) -> None:
    """Let go of what a forward without a backward pass left gathered."""
    if isinstance(module, FSDPModule):
        module.reshard()


def whole(state: Any) -> Any:
    """A state dict with its sharded tensors gathered, on the CPU; every process must call it."""
    if isinstance(state, DTensor):
        return state.full_tensor().cpu()
    if isinstance(state, torch.Tensor):
        return state.detach().cpu()
    if isinstance(state, Mapping):
        return {key: whole(value) for key, value in state.items()}
    if isinstance(state, list):
        return [whole(value) for value in state]
    return state


def load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Load a whole state dict into an optimizer whose parameters may be sharded."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        index: {name: _like(parameters[index], value) for name, value in values.items()}
        for index, values in saved["state"].items()
    }
    optimizer.load_state_dict({**saved, "state": state})


def _like(parameter: torch.Tensor, value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    if isinstance(parameter, DTensor) and value.shape == parameter.shape:
        mesh, placements = parameter.device_mesh, parameter.placements
        value = value.to(parameter.to_local().device)
        return distribute_tensor(value, mesh, placements, src_data_rank=None)
    return value.clone()


def local_bytes(module: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> int:
    """Bytes of parameters and optimizer states that this process holds."""
    tensors: list[torch.Tensor] = list(module.parameters())
    tensors += [
        value
        for optimizer in optimizers
        for values in optimizer.state.values()
        for value in values.values()
        if isinstance(value, torch.Tensor)
    ]
    local = [t.to_local() if isinstance(t, DTensor) else t for t in tensors]
    return sum(t.numel() * t.element_size() for t in local)
