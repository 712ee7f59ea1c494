"""How the trainings' commands show their options: each with the value that it has by itself."""

from __future__ import annotations

import argparse
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


class Help(argparse.RawDescriptionHelpFormatter):
    """Puts an option's default behind its help, where it has one and the help names none.

    Paths within the project are shown from its root: where that lies says nothing.
    """

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        silent = default in (None, "", [], argparse.SUPPRESS) or isinstance(default, bool)
        if silent or not action.option_strings or "default" in text:
            return text
        return f"{text} (default {str(default).removeprefix(f'{_ROOT}/')})"
