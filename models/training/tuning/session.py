"""One tuning run from its data to its best weights; every part of it can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from models.metrics import distinct_n
from models.sampling import Sampling
from models.training.record import Run
from models.training.tuning.config import DPO, TuneConfig
from models.training.tuning.contexts import DEV, TRAIN, Talk, draw_contexts
from models.training.tuning.evaluate import Answers, first_words, words_of
from models.training.tuning.heldout import HeldText, rehearsal
from models.training.tuning.leash import Kept, Leash, Look, best_file, newest_checkpoint, read_kept
from models.training.tuning.policy import SERVING, Base, answers, load_policy, served
from models.training.tuning.preferences import Preference, ranked_preferences
from models.training.tuning.reward import RewardModel
from models.training.tuning.shaping import Scale, ShapedReward, scale_of
from models.training.tuning.trainers import make_dpo, make_online, policy_state

SCALE_FILE = "scale.json"
PAIRS_FOLDER = "preferences"
CHECKPOINTS = "checkpoints"
SCALE_CONTEXTS = 64
RESPONSES_EACH = 4
# distinct-2 falls with the words it is taken over: all checks take it over as many.
_DISTINCT_SHARE = 0.6
# So many contexts are tuned on before one comes again.
MAX_CONTEXTS = 20_000


@dataclass
class Session:
    """What a run works with. `preferences` None: pairs are ranked by the reward (DPO)."""

    run: Run
    config: TuneConfig
    base: Base
    talk: Talk
    reward: RewardModel
    preferences: Sequence[Preference] | None = None
    pairs: int = 2000
    minutes: float | None = None
    save_seconds: float = 180.0

    def __post_init__(self) -> None:
        transformers_logging.set_verbosity_error()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model: GPT2LMHeadModel
        self.tokenizer: PreTrainedTokenizerBase
        self.model, self.tokenizer = load_policy(self.base.path)
        self.model.to(self.device).eval()
        self.held = HeldText(self.tokenizer, self.talk.parts[DEV], self.device)
        self._dev = draw_contexts(
            self.talk.parts[DEV], self.config.check_contexts, f"{self.config.seed}:dev"
        )
        self._words = 0

    def tune(self, keep_last: bool = False) -> dict[str, Tensor] | None:
        """Tune (or go on); the weights to keep, or None if the run was stopped before its end.

        Without `keep_last` the weights are those with the highest reward at a check within the
        bounds: the base's own where no check was better.
        """
        start, shaped = self._baseline()
        checkpoint = newest_checkpoint(self.run.folder / CHECKPOINTS)
        kept = read_kept(checkpoint) if checkpoint else start
        if not kept.done or keep_last:
            trainer = self._trainer(shaped, kept)
            if trainer is None:
                return None
            if checkpoint is not None:
                self.run.log(f"resumed at step {kept.step}")
            if not kept.done:
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            elif checkpoint is not None:
                trainer._load_from_checkpoint(str(checkpoint))
            if not kept.done:
                return None
            if keep_last:
                return policy_state(trainer)
        return self._best(kept)

    def _best(self, kept: Kept) -> dict[str, Tensor]:
        if kept.best_step == 0:
            self.run.log("no check was better than the base within the bounds")
            untuned: dict[str, Tensor] = load_policy(self.base.path)[0].state_dict()
            return untuned
        self.run.log(f"the best: step {kept.best_step}, {kept.best_rise:+.2f} deviations")
        path = best_file(self.run.folder, kept.best_step)
        state: dict[str, Tensor] = torch.load(path, weights_only=True)
        return state

    def _baseline(self) -> tuple[Kept, ShapedReward]:
        """What the base model is like: the scale of the reward, and the first look."""
        config = self.config
        path = self.run.folder / SCALE_FILE
        if not path.exists():
            asked = draw_contexts(self.talk.parts[TRAIN], SCALE_CONTEXTS, f"{config.seed}:scale")
            sampling = Sampling(config.temperature, 1.0, 0, 1.0, 0)
            said = self._answers(self.model, asked, sampling)
            scale_of(self.reward, asked, said).save(path)
        shaped = ShapedReward(self.reward, Scale.load(path), config.variety)
        said = self._answers(self.model, self._dev, SERVING)
        self._words = round(_DISTINCT_SHARE * sum(map(len, words_of(said))))
        scores = self._scores(said)
        seen = self._seen(self.model, said, scores)
        kept = Kept(base=vars(seen), deviation=max(1e-6, float(scores.std())), beta=config.beta)
        self.run.log(
            f"the base: reward {seen.reward:.3f} (deviation {kept.deviation:.3f}), perplexity "
            f"{seen.perplexity:.2f}, distinct-2 {seen.distinct_2:.3f}"
        )
        return kept, shaped

    def look(self, model: GPT2LMHeadModel) -> Look:
        """What a policy says to the contexts of the checks, and its held-out perplexity."""
        said = self._answers(model, self._dev, SERVING)
        return self._seen(model, said, self._scores(said))

    def _answers(self, model: GPT2LMHeadModel, contexts: Any, sampling: Sampling) -> Answers:
        return answers(
            served(model, self.tokenizer), contexts, RESPONSES_EACH, sampling,
            self.config.seed, self.config.max_new_tokens,
        )  # fmt: skip

    def _scores(self, said: Answers) -> Any:
        pairs = [(c, a.text) for c, found in zip(self._dev, said, strict=True) for a in found]
        return self.reward.score([c for c, _ in pairs], [text for _, text in pairs])

    def _seen(self, model: GPT2LMHeadModel, said: Answers, scores: Any) -> Look:
        words = words_of(said)
        return Look(
            reward=float(np.mean(scores)) if len(scores) else -np.inf,
            perplexity=self.held.perplexities(model, full=False)["all"],
            distinct_2=distinct_n(first_words(words, self._words), 2),
            length=float(np.mean([len(text) for text in words])) if words else 0.0,
        )

    def _trainer(self, shaped: ShapedReward, kept: Kept) -> Any:
        """The trainer, or None if the run was stopped while pairs were ranked."""
        config, folder = self.config, self.run.folder
        leash = Leash(
            self.run, folder, self.look, kept, steps=config.steps,
            check_every=config.check_every, minutes=self.minutes, save_seconds=self.save_seconds,
        )  # fmt: skip
        language = None
        if config.language_weight > 0.0:
            dialogs = self.talk.parts[TRAIN]
            language = rehearsal(self.tokenizer, dialogs, config.language_tokens, config.seed)
        checkpoints = folder / CHECKPOINTS
        if config.method == DPO:
            pairs = self._pairs(shaped)
            if pairs is None:
                return None
            self.run.log(f"{len(pairs)} pairs to learn from")
            trainer = make_dpo(
                self.model, self.tokenizer, pairs, config, checkpoints, leash, language
            )
        else:
            contexts = self._contexts(min(MAX_CONTEXTS, config.steps * config.contexts))
            self.run.log(f"{len(contexts)} contexts to answer")
            trainer = make_online(
                self.model, self.tokenizer, contexts, shaped, config, checkpoints, leash, language
            )
        leash.trainer = trainer
        return trainer

    def _contexts(self, count: int) -> Any:
        return draw_contexts(self.talk.parts[TRAIN], count, f"{self.config.seed}:train")

    def _pairs(self, shaped: ShapedReward) -> Sequence[Preference] | None:
        if self.preferences is not None:
            return self.preferences
        contexts = self._contexts(self.pairs)
        progress = self.run.progress(len(contexts), "contexts ranked")

        def going(done: int) -> bool:
            progress.update(done - progress.done)
            return not self.run.stopping

        found = ranked_preferences(
            served(self.model, self.tokenizer), contexts, shaped, self.run.folder / PAIRS_FOLDER,
            n=self.config.group, temperature=self.config.temperature,
            max_new_tokens=self.config.max_new_tokens, seed=self.config.seed, going=going,
        )  # fmt: skip
        if found is not None and not found:
            raise ValueError("the reward tells no two responses apart: there are no pairs")
        return found
