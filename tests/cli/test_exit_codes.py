"""Exit codes that hold whatever surrounds the command: streams, windows, limits, odd files."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from robustbench_gnl.cli._process import MOST_COLUMNS
from tests.cli.conftest import command, environment, gnlbench
from tests.cli.stored import Stored
from tests.cli.test_commands import COMMANDS

HELP = [("--help",), ("leaderboard", "--help"), ("--no-such-option",)]


def shell(line: str, *arguments: object, **extra: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which `$@` is the command."""
    return subprocess.run(
        ["bash", "-c", line, "bash", *command(*arguments)],
        capture_output=True, text=True, timeout=60, check=False, env={**environment(), **extra},
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(stored: Stored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "run.json"
    gnlbench("runs", "export", "v1", "-o", path, "--db", stored.db)
    return path


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
@pytest.mark.parametrize(
    ("line", "of_data"),
    [
        ('"$@" | head -c0; exit ${PIPESTATUS[0]}', 0),
        ('"$@" 2> >(head -c0)', 0),
        ('"$@" >&-', 5),
        ('"$@" 2>&-', 0),
        ('"$@" <&- >&- 2>&-', 5),
        ('"$@" >/dev/full', 5),
        ('"$@" 2>/dev/full', 0),
    ],
)
def test_help_and_wrong_usage_where_nobody_reads(
    line: str, of_data: int, arguments: tuple[str, ...]
) -> None:
    code = 2 if arguments == ("--no-such-option",) else of_data
    assert shell(line, *arguments).returncode == code


@pytest.mark.parametrize("format", ["table", "json"])
def test_a_closed_stdout_is_said(stored: Stored, format: str) -> None:
    done = shell('"$@" >&-', "leaderboard", "--db", stored.db, "-f", format)
    assert done.returncode == 5
    assert done.stderr.startswith("Error: the output cannot be written: Bad file descriptor")
    assert len(done.stderr.splitlines()) == 1


def test_a_store_never_takes_the_place_of_a_closed_stream(exported: Path, tmp_path: Path) -> None:
    db = tmp_path / "new.sqlite"
    shell('"$@" <&- >&- 2>&-', "runs", "import", exported, "--db", db)
    assert gnlbench("runs", "list", "--db", db, "-f", "json").stdout.count('"id"') == 1


@pytest.mark.parametrize(
    "width", ["0", "1", "5", "-1", "abc", "1000000000", "9" * 30, "\u00b2", ""]
)
@pytest.mark.parametrize("name", ["COLUMNS", "TERMINAL_WIDTH", "LINES"])
def test_a_window_of_any_size(name: str, width: str) -> None:
    if name != "COLUMNS" and width not in ("abc", "0", "1000000000"):
        pytest.skip("one name with all widths, all names with some")
    assert shell('"$@"', "--help", **{name: width}).returncode == 0
    wrong = shell('"$@"', "leaderboard", "--no-such-option", **{name: width})
    assert wrong.returncode == 2
    assert max(map(len, wrong.stderr.splitlines())) <= MOST_COLUMNS


def test_a_letter_that_the_output_cannot_encode(stored: Stored) -> None:
    done = shell('"$@"', "demo", "--nonsense\u20ac", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "\\u20ac" in done.stderr


@pytest.mark.parametrize("limit", ["-n 16", "-n 32", "-v 60000", "-v 160000", "-v 250000"])
@pytest.mark.parametrize("which", ["leaderboard", "compare"])
def test_little_memory_and_few_files(stored: Stored, limit: str, which: str) -> None:
    arguments = {"leaderboard": (), "compare": ("base_net", "twin_net")}[which]
    done = shell(f'ulimit {limit}; "$@"', which, *arguments, "--db", stored.db)
    assert done.returncode in (0, 5), done.stderr
    if done.returncode:
        assert "not enough memory" in done.stderr


def test_ctrl_c_while_modules_load() -> None:
    script = (
        "import sys, builtins\nimport robustbench_gnl.__main__ as main\n"
        "real = builtins.__import__\n"
        "def stop(name, *rest, **more):\n"
        "    if name.startswith('robustbench_gnl.cli'): raise KeyboardInterrupt\n"
        "    return real(name, *rest, **more)\n"
        "builtins.__import__ = stop\nmain.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), check=False)
    assert done.returncode == 130


def test_an_aborted_question_is_an_interruption(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    import robustbench_gnl.store

    def aborted(*arguments: object, **options: object) -> None:
        raise typer.Abort

    monkeypatch.setattr(robustbench_gnl.store, "open_store", aborted)
    assert "interrupted" in gnlbench("leaderboard", "--db", stored.db, check=130).stderr


def test_memory_that_ends_is_no_internal_error(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    import robustbench_gnl.store

    def full(*arguments: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(robustbench_gnl.store, "open_store", full)
    assert "not enough memory" in gnlbench("leaderboard", "--db", stored.db, check=5).stderr


HUGE = "1" + "0" * 30
LONG = "f" * 5000


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("runs", "list", "--limit", HUGE), 0),
        (("leaderboard", "--limit", HUGE), 0),
        (("leaderboard", "--level", "1e400"), 2),
        (("runs", "show", "v1", "--level", "nan"), 2),
        (("compare", "base_net", "twin_net", "--level", "inf"), 2),
        (("explain", "v1", "--level", "-1"), 2),
        (("plan", "v1", "--images", "9" * 400), 2),
        (("plan", "v1", "--images", "9" * 5000), 2),
        (("plan", "v1", "--severities", "1-999999999999"), 2),
        (("plan", "v1", "--correlation", "nan"), 2),
        (("check", "v1", "--baseline", "v1", "--fail-on", "mCE:+" + "9" * 5000), 2),
        (("check", "v1", "--baseline", "v1", "--fail-on", "mCE:+1", "--alpha", "nan"), 2),
        (("runs", "show", LONG), 2),
        (("runs", "export", "v1", "-o", LONG), 2),
        (("runs", "show", "v1", "--reference", LONG), 3),
        (("check", LONG, "--baseline", "v1", "--fail-on", "mCE:+1"), 2),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else str(value),
)  # fmt: skip
def test_values_beyond_all_measure(stored: Stored, arguments: tuple[str, ...], code: int) -> None:
    gnlbench(*arguments, "--db", stored.db, check=code)


@pytest.mark.parametrize("name", ["f" * 300 + ".jpg", "f" * 5000 + ".jpg"])
def test_a_picture_whose_name_is_too_long(name: str, tmp_path: Path) -> None:
    assert "too long" in gnlbench("preview", name, "-o", tmp_path / "x.png", check=3).stderr
    target = tmp_path / f"{name}.png"
    done = gnlbench("preview", "--corruption", "pixelate", "-o", target, check=5)
    assert "too long" in done.stderr


def odd_file(kind: str, folder: Path) -> Path:
    path = folder / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(folder)  # a socket's name must be short
            server.bind("odd")
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(400 * 2**30)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path(kind)
    return path


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "sparse", "/dev/zero", "/dev/full"])
@pytest.mark.parametrize("how", ["run", "import", "reference", "image"])
def test_what_is_no_file_is_refused_at_once(
    kind: str, how: str, stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("robustbench_gnl.files.SECONDS_FOR_A_WRITER", 0.2)
    if (kind, how) == ("sparse", "image"):
        pytest.skip("the reading of images bounds it")
    odd = odd_file(kind, tmp_path)
    arguments = {
        "run": ("compare", "v1", odd, "--db", stored.db),
        "import": ("runs", "import", odd, "--db", tmp_path / "new.sqlite"),
        "reference": ("leaderboard", "--reference", odd, "--db", stored.db),
        "image": ("preview", odd, "--corruption", "fog"),
    }[how]
    done = gnlbench(*arguments, check=2 if kind == "folder" and how in ("run", "import") else 3)
    told = "".join(done.stderr.split()).replace("\N{BOX DRAWINGS LIGHT VERTICAL}", "")
    assert "odd" in told or kind in told
    assert not (tmp_path / "new.sqlite").exists()


def test_a_pipe_with_a_writer_is_read_however_slow(exported: Path, tmp_path: Path) -> None:
    db = tmp_path / "new.sqlite"
    line = 'mkfifo "$0.pipe"; (sleep 1; cat "$0" > "$0.pipe") & shift 0; "$@" "$0.pipe"'
    done = subprocess.run(
        ["bash", "-c", line, exported, *command("runs", "import", "--db", db)],
        capture_output=True, text=True, timeout=60, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Imported 1 run.")


def test_a_reference_may_come_through_a_pipe(stored: Stored, yardstick: Path) -> None:
    line = f'"$@" --reference <(sleep 0.5; cat {yardstick})'
    done = shell(line, "leaderboard", "--db", stored.db)
    assert "yardstick" in done.stdout, done.stderr


def test_nothing_reads_the_pipe_that_is_to_be_written(stored: Stored, tmp_path: Path) -> None:
    odd = odd_file("pipe", tmp_path)
    arguments = ("check", "twin_net", "--baseline", "v1", "--fail-on", "mCE:+1", "--db", stored.db)
    for extra in (("--junit", odd), ()):
        summary = "" if extra else str(odd)
        done = shell('"$@"', *arguments, *extra, GITHUB_STEP_SUMMARY=summary)
        assert done.returncode == 2
        assert "cannot be written" in done.stderr


def test_numbers_that_json_does_not_know_are_refused(exported: Path, tmp_path: Path) -> None:
    text = exported.read_text().replace('"device": "cpu"', '"device": NaN')
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    done = gnlbench("runs", "import", bad, "--db", tmp_path / "new.sqlite", check=5)
    assert "finite numbers" in done.stderr
    assert "got nan" in done.stderr


@pytest.mark.parametrize("which", ["export", "preview"])
def test_an_output_is_whole_or_as_it_was(stored: Stored, tmp_path: Path, which: str) -> None:
    target = tmp_path / "out.png"
    target.write_text("before")
    target.chmod(0o640)
    arguments = {
        "export": ("runs", "export", "v1", "--db", stored.db, "-o", target),
        "preview": ("preview", "--corruption", "pixelate", "-o", target),
    }[which]
    done = shell('ulimit -f 0; "$@"', *arguments)  # as on a full disk
    assert done.returncode == 5, done.stderr
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    link = tmp_path / "link.png"
    link.symlink_to(target)
    gnlbench(*arguments[:-1], link)
    assert link.is_symlink()
    assert target.stat().st_size > 1000
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    if which == "export":
        gnlbench(*arguments[:-1], "/dev/null")
        assert Path("/dev/null").is_char_device()


def test_a_name_of_many_bytes_is_written(stored: Stored, tmp_path: Path) -> None:
    target = tmp_path / ("模" * 80 + ".json")
    gnlbench("runs", "export", "v1", "--db", stored.db, "-o", target)
    assert json.loads(target.read_text())["model"]["name"] == "base_net"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_command_fails_on_a_reader_that_has_gone(path: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        command(*path, "--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_ctrl_c_in_a_command_that_waits(tmp_path: Path) -> None:
    odd = odd_file("pipe", tmp_path)
    keeper = os.open(odd, os.O_RDWR)  # a writer that never writes
    process = subprocess.Popen(
        command("runs", "import", odd, "--db", tmp_path / "new.sqlite"),
        stderr=subprocess.PIPE, env=environment(), text=True,
    )  # fmt: skip
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert "interrupted" in process.stderr.read()
    finally:
        os.close(keeper)
        process.stderr.close()
