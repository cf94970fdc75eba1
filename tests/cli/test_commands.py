"""What holds for every command: help with an example, a place in the README, speed of --help."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from robustbench_gnl import __version__
from robustbench_gnl.cli import app
from tests.cli.conftest import CHECKOUT, command, environment


def commands() -> Iterator[tuple[str, ...]]:
    """Every command, as it is typed."""

    def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, child in getattr(command, "commands", {}).items():
            if hasattr(child, "commands"):
                yield from walk(child, (*path, name))
            else:
                yield (*path, name)

    yield from walk(typer.main.get_command(app), ())


COMMANDS = list(commands())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"gnlbench {' '.join(path)}" in result.stdout.split("Usage", 1)[1]
    assert "Example" in result.stdout


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_stands_in_the_readme(path: tuple[str, ...]) -> None:
    readme = (CHECKOUT / "README.md").read_text()
    table = readme.split("## Commands")[1].split("##")[0]
    assert all(word in table for word in path)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_unknown_option_is_wrong_usage(path: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, [*path, "--no-such-option"]).exit_code == 2


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"gnlbench {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("leaderboard",), ("runs", "list"), ("eval", "--help")]
)
def test_what_only_reads_never_loads_torch(arguments: tuple[str, ...], tmp_path: object) -> None:
    script = (
        "import sys\nfrom robustbench_gnl.cli import app\n"
        "try: app(sys.argv[1:])\nexcept SystemExit: pass\n"
        "loaded = {'torch', 'timm', 'numpy', 'pandas', 'alembic'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, cwd=str(tmp_path), env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_fault_of_ours_is_one_line_and_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    import robustbench_gnl.store

    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(robustbench_gnl.store, "open_store", broken)
    result = CliRunner().invoke(app, ["leaderboard"])
    assert result.exit_code == 70
    assert "no such luck" in result.stderr
    report = result.stderr.split("The traceback is in ")[1].split(";")[0]
    with open(report) as file:
        assert "ZeroDivisionError" in file.read()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a full device")
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("models",)])
def test_an_output_that_cannot_be_written_is_said_plainly(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, env=environment()
        )
    assert done.returncode == 5
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a full device")
def test_the_exit_code_stands_where_stderr_cannot_be_written() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("eval", "--model", "resnet18"), stderr=full, env=environment(), check=False
        )
    assert done.returncode == 2
