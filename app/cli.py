"""The Flask CLI that groups the scripts: `flask --app app.cli scripts`, `… script NAME …`.

The scripts are started by name, as processes of their own: this module loads no model, and
nothing imports `scripts`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import click
from flask import Flask

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def create_app() -> Flask:
    """A bare application that only carries the commands."""
    app = Flask("kindred", static_folder=None)
    app.cli.add_command(list_scripts)
    app.cli.add_command(run_script)
    return app


def names() -> list[str]:
    """The scripts by name: the executable files of `scripts/`."""
    return sorted(p.name for p in SCRIPTS.iterdir() if p.is_file() and os.access(p, os.X_OK))


@click.command("scripts")
def list_scripts() -> None:
    """List the scripts."""
    for name in names():
        click.echo(name)


@click.command("script", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_script(name: str, arguments: tuple[str, ...]) -> None:
    """Run the script NAME with the rest of the line."""
    if name not in names():
        raise click.BadParameter(f"no script {name!r}; there are: {', '.join(names())}")
    raise SystemExit(subprocess.call([str(SCRIPTS / name), *arguments]))
