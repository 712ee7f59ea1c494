"""LoRA: adapters learn, the base stays, and what is written is a plain generator."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model

from models.generator import Generator
from models.training.record import read_metrics
from models.training.tuning import leash
from models.training.tuning.adapters import lora_of, merged_state, plain_network
from models.training.tuning.config import LORA_RATE, METHODS, TuneConfig
from models.training.tuning.contexts import TRAIN, Talk, draw_contexts
from models.training.tuning.leash import Look
from models.training.tuning.policy import describe, load_policy, write_served
from models.training.tuning.preferences import Preference
from models.training.tuning.session import CHECKPOINTS
from tests.models.training.tuning.conftest import LINES, SessionMaker, small

RANK = 4


def pairs(talk: Talk) -> list[Preference]:
    contexts = draw_contexts(talk.parts[TRAIN], 24, "pairs")
    return [Preference(context, LINES[0], LINES[3]) for context in contexts]


def test_merged_weights_answer_as_the_adapters_do(tiny: Path) -> None:
    network = load_policy(str(tiny))[0].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    ids = torch.arange(40).view(2, 20)
    base = network(ids).logits
    adapted = get_peft_model(network, lora_of(RANK)).eval()
    assert torch.equal(adapted(ids).logits, base), "B is zero at the start"
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    said = adapted(ids).logits
    assert (said - base).abs().max() > 0.1
    plain = plain_network(adapted).eval()
    torch.testing.assert_close(plain(ids).logits, said, atol=1e-4, rtol=1e-4)
    state = merged_state(adapted)
    assert state.keys() == before.keys()
    changed = {name for name in state if not torch.equal(state[name], before[name])}
    block = "transformer.h.0"
    matrices = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert changed == {f"{block}.{name}.weight" for name in matrices}
    with adapted.disable_adapter():
        assert torch.equal(adapted(ids).logits, base), "merging left nothing in the base"


def test_adapters_learn_faster_unless_a_rate_is_given() -> None:
    for method in METHODS:
        plain, adapted = TuneConfig.of(method), TuneConfig.of(method, lora=RANK)
        assert adapted.learning_rate == pytest.approx(LORA_RATE * plain.learning_rate)
    assert TuneConfig.of("dpo", lora=RANK, learning_rate=0.5).learning_rate == 0.5
    with pytest.raises(ValueError, match="rank"):
        TuneConfig.of("dpo", lora=-1)


@pytest.mark.parametrize("method", ["dpo", "grpo", pytest.param("rloo", marks=pytest.mark.slow)])
def test_it_tunes_by_adapters_and_writes_what_serving_loads(
    method: str, session: SessionMaker, tiny: Path, talk: Talk, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(leash, "BOUND", 1e9)
    monkeypatch.setattr(leash, "TIGHTEN_ABOVE", 1e9)
    config = small(method, lora=RANK, learning_rate=2e-2, beta=0.1, language_weight=0.1)
    state = session(config, preferences=pairs(talk) if method == "dpo" else None).tune(True)
    assert state is not None
    before = load_policy(str(tiny))[0].state_dict()
    assert state.keys() == before.keys()
    for name, tensor in state.items():
        assert torch.equal(tensor, before[name]) != (".c_" in name and name.endswith("weight"))
    if method == "dpo":
        rows = [row for row in read_metrics(tmp_path / "run") if "margin" in row]
        assert rows[0]["margin"] == pytest.approx(0.0, abs=1e-4)  # policy and reference are one
        assert rows[-1]["margin"] > 0.3
    newest = tmp_path / "run" / CHECKPOINTS / f"checkpoint-{config.steps}"
    assert (newest / "adapter_model.safetensors").exists()
    assert not (newest / "model.safetensors").exists(), "a state holds the adapters alone"
    base = describe(str(tiny))
    manifest = write_served(tmp_path / "out", base, state, command="a test", metrics={}, data=())
    assert {"adapter_model.safetensors", "adapter_config.json"}.isdisjoint(manifest.files)
    assert Generator.load(tmp_path / "out", runtime="torch").version == manifest.version


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_a_stopped_run_ends_where_the_uninterrupted_does(
    method: str, session: SessionMaker, talk: Talk
) -> None:
    config = small(method, lora=RANK, learning_rate=1e-2)
    given = pairs(talk) if method == "dpo" else None
    whole = session(config, "whole", given).tune(keep_last=True)
    stopped = session(config, "stopped", given)
    look = stopped.look

    def look_and_stop(model: Any) -> Look:
        signal.raise_signal(signal.SIGTERM)
        return look(model)

    stopped.look = look_and_stop  # type: ignore[method-assign]
    with stopped.run.stoppable():
        assert stopped.tune(keep_last=True) is None
    resumed = session(config, "stopped", given).tune(keep_last=True)
    assert whole is not None
    assert resumed is not None
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, atol=1e-6, rtol=0.0, msg=name)
    again = session(config, "stopped", given).tune(keep_last=True)  # a finished run stays as it is
    assert again is not None
    assert all(torch.equal(again[name], resumed[name]) for name in again)
