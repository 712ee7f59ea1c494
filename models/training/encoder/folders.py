"""Model folders that a training reads and writes: bases by name, and whole folders put in place."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.checkpoint import (
    Manifest,
    ManifestError,
    file_sha256,
    load_manifest,
    write_manifest,
)
from models.runtimes.torch_bert import PACKAGED_BASE_ID, resolve_base

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"


def base_name(base: str) -> str:
    """The folder of a base that is on this machine, else the hub id as it was given."""
    if base in ("auto", PACKAGED_BASE_ID) or Path(base).is_dir():
        return str(resolve_base(base))
    return base


def base_record(base: str) -> dict[str, Any]:
    """What a manifest says of the base: its name, and the hash of its weights where they are."""
    folder = Path(base_name(base))
    name = PACKAGED_BASE_ID if base == "auto" else Path(base).name if folder.is_dir() else base
    weights = folder / WEIGHTS
    return {"name": name, **({"sha256": file_sha256(weights)} if weights.is_file() else {})}


def public_command(program: str, arguments: Sequence[str]) -> str:
    """The command with absolute paths cut to their last name: where a folder lay says nothing."""
    shown = [Path(a).name if a.startswith("/") else a for a in map(str, arguments)]
    return shlex.join([program, *shown])


def refuse_to_replace(out: Path, kind: str) -> None:
    """Raise ValueError if `out` holds anything that is not a model of this kind.

    An empty folder holds nothing that could be lost. A `manifest.json` alone proves nothing: other
    programs write files of that name too.
    """
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        try:
            found = load_manifest(out).kind
        except ManifestError:
            raise ValueError(f"--out: {out} exists and is no model folder") from None
        if found != kind:
            raise ValueError(f"--out: {out} holds a model of kind {found}, not {kind}")


def write_model(
    out: Path,
    write: Callable[[Path], None],
    *,
    kind: str,
    tokenizer: str | None = None,
    **said: Any,
) -> Manifest:
    """Have `write` fill a folder, give it a manifest, and put it at `out`.

    Whoever reads `out` meanwhile finds the old folder or the new one, never half of one; what
    fails leaves the old one where it was.

    Args:
        kind: of the model; `out` may hold an older one of it.
        tokenizer: the base whose tokenizer is kept, to the byte, where it is on this machine.
        said: what `models.checkpoint.write_manifest` takes besides.

    Raises ValueError where `out` holds something else.
    """
    refuse_to_replace(out, kind)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        write(fresh)
        if tokenizer is not None:
            same = Path(base_name(tokenizer)) / TOKENIZER
            if same.is_file():
                shutil.copyfile(same, fresh / TOKENIZER)
        fresh.chmod(0o755)
        for path in fresh.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)  # safetensors writes 0600
        manifest = write_manifest(fresh, kind=kind, **said)
        _put(fresh, out)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return manifest


def _put(fresh: Path, out: Path) -> None:
    """Rename `fresh` to `out`; what was there goes only once the new one stands."""
    old = fresh.with_name(f"{fresh.name}.old")
    try:
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
