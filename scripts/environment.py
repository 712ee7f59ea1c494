"""Where the commands run: in the project's own `.venv`, whichever Python started them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
_PYTHON = ROOT / ".venv" / "bin" / "python"
_TELLING = {"requirements.txt": "torch", "requirements-train.txt": "accelerate"}
"""Of what each file installs, the package that nothing else would have brought."""


def run_in_venv(
    main: Callable[[list[str]], int], requirements: str = "requirements-train.txt"
) -> NoReturn:
    """End the process with `main(arguments)`; the system's Python goes on in `.venv` first.

    Who started it in an environment of their own stays there. Where packages are missing, the
    command ends with a line that says how they are installed, and status 1.

    Args:
        requirements: the file at the root whose packages the command needs.
    """
    if sys.prefix == sys.base_prefix and _PYTHON.exists():
        os.execv(_PYTHON, [str(_PYTHON), *sys.argv])
    if find_spec(_TELLING[requirements]) is None:
        name = Path(sys.argv[0]).name
        sys.exit(
            f"{name}: {requirements} is not installed in {sys.prefix}: "
            "./scripts/test makes .venv with all of it"
        )
    sys.exit(main(sys.argv[1:]))
