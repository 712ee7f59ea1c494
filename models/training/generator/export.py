"""From a run's state to what ships: fp16 safetensors, tokenizer, manifest, and samples to read."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import GPT2LMHeadModel

from models.checkpoint import DataSource, Manifest, write_atomically, write_manifest
from models.generator import KIND, GenerateItem, GenerateResult, Generator
from models.metrics import distinct_n
from models.sampling import Sampling
from models.training import corpora
from models.training.corpora import Dialog
from models.training.examples import Example
from models.training.generator.config import TrainConfig
from models.training.generator.data import HeldOut, read_own
from models.training.generator.network import new_model
from models.training.generator.perplexity import Total, evaluate_totals, perplexities
from models.training.generator.schedule import FINISH, Progress
from models.training.generator.states import load_state
from models.training.generator.tokenizer import load_tokenizer

NAME = "kindred-generator"
SAMPLE_CONTEXTS = 10
SAMPLES_EACH = 4
SAMPLE_SEED = 2026
Log = Callable[[str], None]


@dataclass(frozen=True)
class Origin:
    """Where an exported model comes from: its manifest says so.

    `public` and `own` are the folders whose held-out parts it is measured on, `judged` the
    replies that people judged; `sources` is what it was trained on from the start, `late_sources`
    from the finishing phase on, `command` how.
    """

    command: str
    sources: tuple[DataSource, ...] = ()
    late_sources: tuple[DataSource, ...] = ()
    public: Path | None = None
    own: Path | None = None
    judged: Sequence[Example] = ()


def load_run(run: Path) -> tuple[GPT2LMHeadModel, TrainConfig, Progress]:
    """The model of a run as last saved. Raises FileNotFoundError if it has saved nothing yet."""
    state = load_state(run)
    if state is None:
        raise FileNotFoundError(f"{run}: holds no saved state")
    config = TrainConfig.of_state(state["config"])
    model = new_model(config, int(load_tokenizer(run / "tokenizer").eos_token_id))
    model.load_state_dict(state["model"])
    return model.eval(), config, Progress(**state["progress"])


def export(
    run: Path, artifact: Path, origin: Origin, log: Log, *, measured: bool = True
) -> Manifest:
    """Write `artifact` anew from the run's state; the folder is replaced when all is written.

    If `measured`, the held-out perplexity of each source is taken, on the weights as shipped, and
    kept in the manifest with the number of target tokens.
    """
    model, config, progress = load_run(run)
    model.half().float()  # measured as shipped: rounded to fp16
    totals: dict[str, Total] = {}
    held_out = HeldOut.of_run(run, origin.public, origin.own, origin.judged) if measured else None
    if held_out:
        log("measuring the held-out perplexity")
        totals = evaluate_totals(model, held_out, full=True)
        figures = perplexities(totals)
        log("  ".join(f"{source} {value:.1f}" for source, value in figures.items()))
    fresh = artifact.with_name(f".{artifact.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _write_model(model, fresh)
    load_tokenizer(run / "tokenizer").save_pretrained(fresh)
    name, _, version = config.base.rpartition("@")
    manifest = write_manifest(
        fresh,
        name=NAME,
        kind=KIND,
        command=origin.command,
        data=_sources(origin, progress),
        metrics=_metrics(model, config, progress, totals),
        base={"name": name, "version": version} if config.base else None,
        people=(example.rater for example in origin.judged),
    )
    shutil.rmtree(artifact, ignore_errors=True)
    fresh.replace(artifact)
    log(f"wrote {artifact.name}, version {manifest.version}")
    return manifest


def _write_model(model: GPT2LMHeadModel, folder: Path) -> None:
    # gelu_new is the name that every GPT-2 runtime knows; the function is the same.
    model.config.activation_function = "gelu_new"
    model.half().save_pretrained(folder)
    model.float()
    # transformers writes weights readable by their owner alone.
    for path in folder.iterdir():
        path.chmod(0o644)


def _sources(origin: Origin, progress: Progress) -> list[DataSource]:
    read = origin.sources + (origin.late_sources if progress.phase == FINISH else ())
    return list({source.name: source for source in read}.values())


def _metrics(
    model: GPT2LMHeadModel, config: TrainConfig, progress: Progress, totals: dict[str, Total]
) -> dict[str, Any]:
    figures = perplexities(totals)
    return {
        "held_out_perplexity": {source: round(value, 2) for source, value in figures.items()},
        "held_out_tokens": {source: total.tokens for source, total in totals.items()},
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_tokens": progress.tokens,
        "training_steps": progress.step,
        "training_minutes": round(progress.seconds / 60.0, 1),
        "schedule_done": round(min(1.0, progress.fraction), 3),
        "config": asdict(config),
    }


def write_samples(artifact: Path, run: Path, own: Path | None, path: Path, log: Log) -> None:
    """Candidates for contexts of our own held-out dialogs, for reading. Raises ValueError."""
    contexts = sample_contexts(read_own(run, own))
    if len(contexts) < SAMPLE_CONTEXTS:
        raise ValueError("there are too few held-out dialogs of our own to sample from")
    generator = Generator.load(artifact, device="cpu")
    items = [
        GenerateItem(generator.encode_context(turns), n=SAMPLES_EACH, seed=SAMPLE_SEED + number)
        for number, turns in enumerate(contexts)
    ]
    results = generator.run(items)
    texts = [c.text for result in results for c in result.candidates]
    words = [text.lower().split() for text in texts]
    distinct = {n: distinct_n(words, n) for n in (1, 2)}
    text = _page(contexts, results, generator.version, distinct)
    write_atomically(path, text)
    log(f"wrote {path.name}: {len(texts)} candidates")


def sample_contexts(dialogs: list[Dialog], count: int = SAMPLE_CONTEXTS) -> list[tuple[str, ...]]:
    """Beginnings of held-out dialogs, each ending with a turn of the person, fixed by a seed."""
    held = [
        d
        for d in dialogs
        if d.source == corpora.OWN_DIALOGS and corpora.is_held_out(d.source, d.id)
    ]
    rng = random.Random(SAMPLE_SEED)
    rng.shuffle(held)
    found: list[tuple[str, ...]] = []
    for dialog in held:
        ends = [n + 1 for n in range(len(dialog.turns)) if dialog.speaker(n) != dialog.target]
        found.append(dialog.turns[: rng.choice(ends[:4])])
    return found[:count]


def _page(
    contexts: list[tuple[str, ...]],
    results: list[GenerateResult],
    version: str,
    distinct: dict[int, float],
) -> str:
    sampling = Sampling()
    lines = [
        "# What the generator says",
        "",
        f"{SAMPLES_EACH} candidates for each of {len(contexts)} contexts, from dialogs of "
        "`data/dialogs` that were held out of training. Neither chosen nor edited: as sampled "
        f"by version `{version}` with {sampling}, seeds from {SAMPLE_SEED} on. A candidate in a "
        "slate must still pass the reranker and the output screen; these have not.",
        "",
        f"distinct-1 {distinct[1]:.2f}, distinct-2 {distinct[2]:.2f} over all candidates. "
        "The number in brackets is the mean log-probability of a token.",
        "",
    ]
    for number, (turns, result) in enumerate(zip(contexts, results, strict=True), 1):
        lines += [f"## {number}", ""]
        # A context ends with the person, and the two alternate.
        names = ["person" if (len(turns) - n) % 2 else "Kindred" for n in range(len(turns))]
        lines += [f"> **{name}**: {turn}  " for name, turn in zip(names, turns, strict=True)]
        lines += ["", *(f"- {c.text} [{c.mean_logprob:.2f}]" for c in result.candidates), ""]
        missing = SAMPLES_EACH - len(result.candidates)
        if missing:
            lines += [f"({missing} dropped: empty, repeating or the same as another.)", ""]
    return "\n".join(lines)


# Options that name a folder or a file, and what stands for it where a command is made public.
_STAND_INS = {
    "--data": "DIALOGS",
    "--examples": "EXAMPLES",
    "--reactions": "REACTIONS",
    "--run": "RUN",
    "--init": "FOLDER",
    "--artifact": "ARTIFACT",
}


def public_command(recorded: str) -> str:
    """A training command without the folders of this machine: absolute paths, and all of the data.

    A relative `--init`, `--run` or `--artifact` lies in the project, and stays.
    """
    words = recorded.split()
    option = ""
    for number, word in enumerate(words):
        if word.startswith("--"):
            option = word
        elif option in _STAND_INS and (
            word.startswith("/") or option in ("--data", "--examples", "--reactions", "--run")
        ):
            words[number] = _STAND_INS[option]
    return " ".join(words)
