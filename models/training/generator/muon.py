"""Muon: momentum, orthogonalised, for the hidden matrices of a transformer.

Follows K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), with
the scale that matches AdamW's update size of Liu et al., "Muon is scalable for LLM training"
(2025). The Newton-Schulz iteration runs in the parameters' own precision: a CPU without bf16
arithmetic would be slower in bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.distributed.tensor import DTensor, distribute_tensor

# The quintic's coefficients: steepest at zero, singular values end within about 0.7 to 1.2.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """An approximation of U Vᵀ for matrix = U S Vᵀ, shape [m, n] as given."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.T if tall else x


def _orthogonalised(update: torch.Tensor) -> torch.Tensor:
    """As `orthogonalise`; of a sharded matrix every process computes the whole and keeps its part.

    Singular vectors belong to the whole matrix. It is gathered one matrix at a time, so that the
    memory of a process grows by one matrix, not by the model.
    """
    if not isinstance(update, DTensor):
        return orthogonalise(update)
    whole = orthogonalise(update.full_tensor())
    return distribute_tensor(whole, update.device_mesh, update.placements, src_data_rank=None)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; decoupled weight decay. For 2-D parameters only."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        average: torch.Tensor = state["momentum"]
        average.lerp_(gradient, 1.0 - group["momentum"])
        update = _orthogonalised(gradient.lerp(average, group["momentum"]))
        scale = 0.2 * max(parameter.shape) ** 0.5
        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
        parameter.add_(update, alpha=-group["lr"] * scale)
