"""LoRA: adapters of low rank are trained, and merged into the weights that they were added to.

h = W x + 2 B A x with W frozen, A random and B zero at the start (Hu et al. 2021,
arXiv:2106.09685), by peft. What is looked at, kept and written is always a plain GPT-2.
"""

from __future__ import annotations

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import GPT2LMHeadModel

# All matrices of a block: attention in and out, the two of the MLP.
_MATRICES = ["c_attn", "c_proj", "c_fc"]
_ADAPTER = "default"


def lora_of(rank: int) -> LoraConfig | None:
    """What trl wraps the policy in; None for rank 0, where all weights are trained."""
    if not rank:
        return None
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=_MATRICES,
        fan_in_fan_out=True,  # GPT-2's matrices are stored transposed
        bias="none",
        task_type="CAUSAL_LM",
    )


def merged_state(network: GPT2LMHeadModel | PeftModel) -> dict[str, Tensor]:
    """The weights of a plain GPT-2 that answers as `network` does; `network` stays as it is.

    They are added up beside the frozen ones: merging in place and taking it back would leave
    rounding in the base that the policy is leashed to.
    """
    if not isinstance(network, PeftModel):
        return dict(network.state_dict())
    base = network.get_base_model()
    adapted = {n: module for n, module in base.named_modules() if isinstance(module, LoraLayer)}
    state: dict[str, Tensor] = {}
    for name, tensor in base.state_dict().items():
        if ".lora_" in name:
            continue
        plain = name.replace(".base_layer.", ".")
        owner, _, kind = plain.rpartition(".")
        with torch.no_grad():
            delta = adapted[owner].get_delta_weight(_ADAPTER) if owner in adapted else None
        state[plain] = tensor if delta is None or kind != "weight" else tensor + delta
    return state


def plain_network(network: GPT2LMHeadModel | PeftModel) -> GPT2LMHeadModel:
    """`network` itself, or where it has adapters a plain GPT-2 that answers as it does."""
    if not isinstance(network, PeftModel):
        return network
    plain = GPT2LMHeadModel(network.get_base_model().config)
    plain.load_state_dict(merged_state(network))
    return plain.to(next(network.parameters()).device)
