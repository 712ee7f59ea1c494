"""The Flask CLI lists the scripts and runs one by name."""

from __future__ import annotations

from app.cli import create_app, names


def test_the_scripts_are_listed() -> None:
    result = create_app().test_cli_runner().invoke(args=["scripts"])
    assert result.exit_code == 0
    assert {"serve", "test", "check", "build_index", "train_generator"} <= set(
        result.output.split()
    )
    assert result.output.split() == names()


def test_an_unknown_script_is_named() -> None:
    result = create_app().test_cli_runner().invoke(args=["script", "nothing"])
    assert result.exit_code == 2
    assert "nothing" in result.output
