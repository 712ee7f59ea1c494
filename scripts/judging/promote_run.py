"""What `scripts/promote` does: register, refuse what is worse, and give it to people by a flag.

The history goes first and the flag follows: whatever becomes of the flag (a crash between the two,
a Redis that was lost, an administrator's change), the next command sees that it differs from the
history, says so, and sets it again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import KindredError
from app.experiments.model_flags import MODEL_FLAGS
from app.settings import Settings, load_settings
from app.store.store import Store
from app.telemetry import Metrics
from models.checkpoint import MANIFEST_NAME, ModelFileError, verify
from models.registry import INSTALLED, KINDS, Entry, Registry, RegistryError, event_now
from scripts.judging import model_flag
from scripts.judging.verdict import FORMAT

_GOOD = ("better", "not-worse")


class Refused(Exception):
    """The model is not promoted; one line says why, and what would change that."""


def run(options: argparse.Namespace) -> int:
    """Promote, roll back or list, as the command line asks; the exit status.

    Raises:
        Refused, RegistryError, ModelFileError, KindredError, OSError: one line.
    """
    settings = load_settings()
    registry = Registry(settings.var_dir)
    if options.list:
        return show(registry, settings, KINDS if options.kind is None else (options.kind,))
    store = Store.open(settings, Metrics())
    try:
        with registry.changing(options.kind):
            if options.rollback:
                return roll_back(options, registry, store)
            return promote(options, registry, store, settings)
    finally:
        store.close()


def promote(
    options: argparse.Namespace, registry: Registry, store: Store, settings: Settings
) -> int:
    """Register the folder and give it to `--share` per cent of the people. Hold `changing`."""
    kind, share = options.kind, options.share
    version = verify(options.folder, kind=kind).version
    amiss = _amiss(options, registry, store)
    serving = _serving(registry, settings, kind, options.who)
    if version == serving:
        if amiss:
            return _mended(registry, store, kind)
        raise Refused(f"{kind} {version} is everybody's already")
    report = _report(options.report) if options.report else registry.report(kind, version)
    problem = objection(report, kind, version, serving)
    if problem and not options.force:
        raise Refused(f"{problem}; --force promotes it all the same")
    registry.register(kind, options.folder, who=options.who)
    if report is not None and options.report:
        registry.save_report(kind, version, report)
    registry.promoted(
        kind,
        version,
        share,
        who=options.who,
        before=serving,
        forced=bool(problem),
        why=options.why or (problem or "; ".join(map(str, (report or {}).get("reasons", [])))),
    )
    _follow(registry, store, kind)
    if problem:
        print(f"forced, although {problem}")
    whom = "everybody" if share == 100 else f"{share} % of the people"
    print(f"{kind} {version}: served to {whom} (flag {MODEL_FLAGS[kind]}), before: {serving}")
    print("Every worker loads it within seconds; GET /readyz lists what is loaded.")
    return 0


def roll_back(options: argparse.Namespace, registry: Registry, store: Store) -> int:
    """Return to what was everybody's before the last promotion. Hold `changing`."""
    kind = options.kind
    amiss = _amiss(options, registry, store)
    target = registry.before(kind)
    last = model_flag.last_step(registry, kind)
    if amiss and (target is None or (last is not None and last.action == "rolled-back")):
        return _mended(registry, store, kind)  # the step before is finished: nobody goes too far
    if target is None:
        raise Refused(f"no promotion of a {kind} stands: there is nothing to return to")
    if target != INSTALLED:
        registry.verified(kind, target)
    gone = registry.trial(kind)
    leaving = gone.version if gone else registry.serving(kind)
    registry.append(
        kind,
        event_now("rolled-back", target, who=options.who, before=leaving or "", why=options.why),
    )
    _follow(registry, store, kind)
    print(f"{kind} {target}: everybody's again; {leaving} is given to nobody")
    return 0


def objection(report: dict[str, Any] | None, kind: str, version: str, serving: str) -> str | None:
    """Why a model must not be promoted by this evaluation; None where nothing speaks against it."""
    if report is None:
        return f"{kind} {version} was never evaluated (scripts/evaluate)"
    if report.get("kind") != kind or _version(report, "candidate") != version:
        return f"its evaluation is of {report.get('kind')} {_version(report, 'candidate')}"
    if report.get("format") != FORMAT:
        return "its evaluation was made by another rule than today's; evaluate it anew"
    lacking = report.get("lacking")
    if lacking != []:
        return f"it lacks heads that keep replies back: {lacking}"
    data = report.get("data")
    if not isinstance(data, dict) or (data.get("source"), data.get("part")) == ("dataset", "all"):
        return "its evaluation is by all reactions, those that it was trained on among them"
    against = _version(report, "serving")
    if serving not in (against, INSTALLED):
        return f"its evaluation is stale: against {against}, and {serving} serves by now"
    verdict = report.get("verdict")
    if verdict not in _GOOD:
        reasons = "; ".join(map(str, report.get("reasons", [])))
        return f"its evaluation says {verdict}: {reasons}"
    return None


def show(registry: Registry, settings: Settings, kinds: tuple[str, ...]) -> int:
    """Print what is registered of each kind, what was done, and where the flag differs from it."""
    flags = _flags(settings)
    for kind in kinds:
        entries = registry.entries(kind)
        print(f"{kind}: everybody's is {registry.serving(kind) or 'what the settings name'}")
        if flags is not None:
            amiss = model_flag.difference(
                kind, flags.get(MODEL_FLAGS[kind]), model_flag.implied(registry, kind)
            )
            if amiss:
                print(f"  {amiss}")
        for entry in entries:
            print(f"  {_line(registry, kind, entry)}")
        for event in registry.history(kind)[-10:]:
            share = f" to {event.share} %" if event.share else ""
            forced = " (forced)" if event.forced else ""
            why = f": {event.why}" if event.why else ""
            print(f"    {event.at} {event.who} {event.action} {event.version}{share}{forced}{why}")
    return 0


def _amiss(options: argparse.Namespace, registry: Registry, store: Store) -> str | None:
    """Say how the flag differs from the history, if it does. Hold `changing`.

    Raises:
        Refused: it gives people versions that this history does not know, and nothing is forced.
    """
    kind = options.kind
    flag = store.flags.all().definitions.get(MODEL_FLAGS[kind])
    amiss = model_flag.difference(kind, flag, model_flag.implied(registry, kind))
    if amiss is None:
        return None
    unknown = model_flag.strangers(registry, kind, flag)
    if unknown and not options.force:
        whose = f"{', '.join(unknown)} is not of this {registry.root}"
        raise Refused(f"{amiss}; {whose}; --force goes by the history")
    print(f"note: {amiss}; the history counts")
    return amiss


def _mended(registry: Registry, store: Store, kind: str) -> int:
    """What there was to do is done in the history already: only the flag is set."""
    _follow(registry, store, kind)
    print(f"{kind}: the flag {MODEL_FLAGS[kind]} is as the history has it; no other step was made")
    return 0


def _follow(registry: Registry, store: Store, kind: str) -> None:
    """Set the flag to what the history says by now; Refused where that cannot be done."""
    try:
        model_flag.follow(store, registry, kind)
    except KindredError as error:
        raise Refused(
            f"it is written down, but flag {MODEL_FLAGS[kind]} could not be set ({error}); "
            "the same command sets it"
        ) from error


def _flags(settings: Settings) -> Mapping[str, Mapping[str, Any]] | None:
    """The flags as they are; None, and a line that says so, where Redis cannot be asked."""
    try:
        store = Store.open(settings, Metrics())
        try:
            return store.flags.all().definitions
        finally:
            store.close()
    except KindredError as error:
        print(f"the flags could not be read ({error}): below is what the history says")
        return None


def _line(registry: Registry, kind: str, entry: Entry) -> str:
    try:
        name = registry.manifest(kind, entry.version).name
    except ModelFileError:
        name = "(its files are gone)"
    verdict = (registry.report(kind, entry.version) or {}).get("verdict", "not evaluated")
    share = f" {entry.share} %" if 0 < entry.share < 100 else ""
    return f"{entry.version} {entry.state.value}{share}, {verdict}, {name}"


def _serving(registry: Registry, settings: Settings, kind: str, who: str) -> str:
    """What is everybody's now; an installed model is registered first: it may have to come back."""
    version = registry.serving(kind)
    if version and version != INSTALLED:
        return version
    folder = Path(settings.reranker_path if kind == "reranker" else settings.generator_path)
    if not (folder / MANIFEST_NAME).exists():
        return INSTALLED  # a hub id, or a service behind a URL
    return registry.register(kind, folder, who=who, why="installed").version


def _report(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RegistryError(f"{path}: no evaluation report: {error}") from None
    if not isinstance(document, dict):
        raise RegistryError(f"{path}: no evaluation report")
    return document


def _version(report: dict[str, Any], side: str) -> str:
    found = report.get(side)
    return str(found.get("version")) if isinstance(found, dict) else "nothing"
