"""trl's trainers on prompts that are already ids, with our reward, language loss and bounds.

trl tokenises texts; a rendered conversation is not a text (cut turns, special-token strings that a
person typed), so its ids go in as they are. Rows come in the order in which they stand: the seed
has shuffled them, and a resumed run needs no shuffling of trl's.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import GPT2LMHeadModel, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from models.training.generator.perplexity import learned_nll
from models.training.generator.windows import Batch
from models.training.tuning.adapters import lora_of, merged_state
from models.training.tuning.config import GRADIENT_NORM, GRPO, TuneConfig
from models.training.tuning.contexts import Context
from models.training.tuning.preferences import Preference
from models.training.tuning.shaping import ShapedReward

LanguageBatch = Callable[[int], Batch]


class _Ours:
    """What all three trainers do otherwise than trl's own."""

    language: LanguageBatch | None = None
    language_weight = 0.0

    def _send_telemetry(self) -> None:
        """Nothing about a run leaves the machine."""

    def create_model_card(self, *_arguments: Any, **_options: Any) -> None:
        """The manifest says what a card would."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """trl's loss and, weighted, the language loss on one batch of dialogs a step."""
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)  # type: ignore[misc]
        if self.language is None or return_outputs:
            return loss
        state, accelerator = self.state, self.accelerator  # type: ignore[attr-defined]
        batch = self.language(state.global_step)
        place = loss.device
        moved = Batch(batch.inputs.to(place), batch.targets.to(place))
        with accelerator.autocast():
            nll = learned_nll(accelerator.unwrap_model(model), moved).float().mean()
        parts: int = self.args.gradient_accumulation_steps  # type: ignore[attr-defined]
        return loss + self.language_weight * nll / parts


class _Online(_Ours):
    """GRPO and RLOO: prompts are ids."""

    def _tokenize_prompts(self, prompts: list[list[int]]) -> tuple[list[list[int]], None, Any]:
        return prompts, None, {}


class Grpo(_Online, GRPOTrainer):  # type: ignore[misc]
    """Group relative policy optimisation (Shao et al. 2024), trl's."""


class Rloo(_Online, RLOOTrainer):  # type: ignore[misc]
    """REINFORCE leave-one-out (Ahmadian et al. 2024), trl's."""


class Dpo(_Ours, DPOTrainer):  # type: ignore[misc]
    """Direct preference optimisation (Rafailov et al. 2023), trl's, on pairs that are ids."""

    def _prepare_dataset(self, dataset: Dataset, *_arguments: Any) -> Dataset:
        return dataset

    def _get_train_sampler(self, dataset: Dataset | None = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset if dataset is None else dataset)


def common_arguments(config: TuneConfig, folder: Path) -> dict[str, Any]:
    """The arguments that the three configurations share."""
    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(folder),
        "max_steps": config.steps,
        "per_device_train_batch_size": config.rows // config.accumulate,
        "gradient_accumulation_steps": config.accumulate,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": config.warmup,
        "weight_decay": 0.0,
        "max_grad_norm": GRADIENT_NORM,
        "optim": "adamw_torch",
        "beta": config.beta,
        "bf16": cuda and torch.cuda.is_bf16_supported(),
        "use_cpu": not cuda,
        "dataloader_pin_memory": cuda,
        "gradient_checkpointing": False,
        "disable_dropout": True,
        "logging_steps": 1,
        # The leash decides when to save; the last but one stays for a crash while saving.
        "save_strategy": "no",
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": config.seed,
    }


def make_online(
    model: GPT2LMHeadModel,
    tokenizer: Any,
    contexts: Sequence[Context],
    reward: ShapedReward,
    config: TuneConfig,
    folder: Path,
    callback: TrainerCallback,
    language: LanguageBatch | None = None,
) -> Any:
    """A GRPO or RLOO trainer over `contexts`, that checkpoints in `folder`.

    The reference that holds the policy is loaded from where `model` came from.
    """
    arguments = common_arguments(config, folder) | {
        "num_generations": config.group,
        "max_completion_length": config.max_new_tokens,
        "temperature": config.temperature,
        "top_p": 1.0,
        "top_k": 0,
        "shuffle_dataset": False,
    }
    if config.method == GRPO:
        # Deviations of single groups are noise at this size; the batch's is not (PPO practice).
        trainer_class, made = Grpo, GRPOConfig(**arguments, scale_rewards="batch")
    else:
        trainer_class = Rloo
        made = RLOOConfig(**arguments, normalize_advantages=True)
    rows = _cycled(len(contexts), config)
    ids = [context.ids(tokenizer) for context in contexts]
    dataset = Dataset.from_dict({"prompt": [ids[row] for row in rows], "row": rows})
    paid = _paying(contexts, reward, int(tokenizer.eos_token_id))
    return _built(
        trainer_class, model, tokenizer, made, dataset, callback, language, config,
        reward_funcs=paid,
    )  # fmt: skip


def _paying(
    contexts: Sequence[Context], reward: ShapedReward, eos: int
) -> Callable[..., list[float]]:
    """A reward function as trl calls it."""

    def paid(
        completions: list[str], completion_ids: list[list[int]], row: list[int], **_others: Any
    ) -> list[float]:
        finished = [bool(said) and said[-1] == eos for said in completion_ids]
        asked = [contexts[number] for number in row]
        rewards: list[float] = reward.pay(asked, completions, finished).tolist()
        return rewards

    return paid


def make_dpo(
    model: GPT2LMHeadModel,
    tokenizer: Any,
    preferences: Sequence[Preference],
    config: TuneConfig,
    folder: Path,
    callback: TrainerCallback,
    language: LanguageBatch | None = None,
) -> Any:
    """A DPO trainer over `preferences`, that checkpoints in `folder`."""
    arguments = common_arguments(config, folder) | {"max_length": None}
    encoded = [preference.ids(tokenizer) for preference in preferences]
    rows = _cycled(len(encoded), config)
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    columns = {name: [encoded[row][n] for row in rows] for n, name in enumerate(names)}
    # trl looks at the texts of the first row only to see whether they are chats.
    dataset = Dataset.from_dict(columns)
    return _built(
        Dpo, model, tokenizer, DPOConfig(**arguments), dataset, callback, language, config
    )


def _built(
    trainer_class: Any,
    model: GPT2LMHeadModel,
    tokenizer: Any,
    arguments: Any,
    dataset: Dataset,
    callback: TrainerCallback,
    language: LanguageBatch | None,
    config: TuneConfig,
    **options: Any,
) -> Any:
    with warnings.catch_warnings():
        # Notices of the libraries about their own future; nothing that a run depends on.
        warnings.simplefilter("ignore", category=FutureWarning)
        warnings.simplefilter("ignore", category=DeprecationWarning)
        trainer = trainer_class(
            model=model,
            args=arguments,
            train_dataset=dataset,
            processing_class=tokenizer,
            callbacks=[callback],
            peft_config=lora_of(config.lora),
            **options,
        )
    trainer.remove_callback(PrinterCallback)
    trainer.language = language if config.language_weight > 0.0 else None
    trainer.language_weight = config.language_weight
    return trainer


def _cycled(size: int, config: TuneConfig) -> list[int]:
    """The rows of a whole run: all of them shuffled, again and again."""
    rng = random.Random(f"{config.seed}:order")
    wanted = config.steps * config.contexts
    rows: list[int] = []
    while len(rows) < wanted:
        rows += rng.sample(range(size), size)
    return rows[:wanted]


def policy_state(trainer: Any) -> dict[str, Tensor]:
    """The tuned network's weights, adapters merged, on the CPU."""
    network = trainer.accelerator.unwrap_model(trainer.model)
    return {name: tensor.detach().cpu() for name, tensor in merged_state(network).items()}
