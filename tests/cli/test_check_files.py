"""What `gnlbench check` reads and leaves: exported files, the document, JUnit, the summary."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Done, command, environment, gnlbench
from tests.cli.stored import Stored


def check(stored: Stored, *arguments: object, code: int) -> Done:
    """The command against the newer `base_net`, whose exit code must be this."""
    options = ("--baseline", "v1", "--db", stored.db)
    return gnlbench("check", *arguments, *options, check=code)


@pytest.fixture
def exported(stored: Stored, tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    gnlbench("runs", "export", "v1", "-o", path, "--db", stored.db)
    return path


def test_the_baseline_may_be_an_exported_file(stored: Stored, exported: Path) -> None:
    found = []
    for baseline in (exported, "v1"):
        arguments = ("--baseline", baseline, "--fail-on", "mCE:+0.5", "--db", stored.db)
        found.append(gnlbench("check", "worse_net", *arguments, check=1).stdout)
    assert found[0] == found[1]


@pytest.fixture
def twin(stored: Stored, tmp_path: Path) -> Path:
    path = tmp_path / "twin.json"
    gnlbench("runs", "export", "twin_net", "-o", path, "--db", stored.db)
    return path


def test_files_may_come_through_pipes(exported: Path, twin: Path) -> None:
    line = '"$0" -m robustbench_gnl check <(cat "$1") --baseline <(cat "$2") --fail-on mCE:+0'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, twin, exported],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASSED")


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown", "latex", "html"])
def test_stdout_is_the_document_alone(
    stored: Stored, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    arguments = ("worse_net", "--fail-on", "mCE:+0.5", "--junit", tmp_path / "junit.xml")
    done = check(stored, *arguments, "--format", format, code=1)
    assert done.stderr == ""
    first_line = done.stdout.splitlines()[0]
    if format == "json":
        assert not json.loads(done.stdout)["passed"]
    elif format == "csv":
        (row,) = csv.DictReader(io.StringIO(done.stdout))
        assert (row["rule"], row["passed"]) == ("mCE:+0.5", "False")
    else:
        starts = {"table": "FAILED: worse", "markdown": "### FAILED", "latex": "% FAILED",
                      "html": "<!DOCTYPE html>"}  # fmt: skip
        assert first_line.startswith(starts[format])


def test_junit_has_a_case_for_each_rule(stored: Stored, tmp_path: Path) -> None:
    junit = tmp_path / "reports" / "junit.xml"
    rules = ("--fail-on", "mCE:+0.5", "--fail-on", "relative_mCE:+5")
    check(stored, "worse_net", *rules, "--junit", junit, code=1)
    root = ElementTree.parse(junit).getroot()
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    failed, kept = root.iter("testcase")
    assert failed.get("name") == "mCE:+0.5"
    assert "where +0.50 is allowed" in failed.find("failure").get("message")
    assert kept.find("failure") is None
    assert [path.name for path in junit.parent.iterdir()] == ["junit.xml"]
    check(stored, "twin_net", *rules, "--junit", junit, code=0)
    assert ElementTree.parse(junit).getroot().get("failures") == "0"


@pytest.mark.parametrize("where", ["a folder", "below a file", "too long"])
def test_a_junit_file_that_cannot_be_written_is_said(
    stored: Stored, tmp_path: Path, where: str
) -> None:
    (tmp_path / "file").touch()
    junit = {"a folder": tmp_path, "below a file": tmp_path / "file" / "x.xml"}.get(
        where, tmp_path / ("x" * 300)
    )
    done = check(stored, "twin_net", "--fail-on", "mCE:+1", "--junit", junit, code=2)
    assert "with --junit" in done.stderr
    assert done.stdout.startswith("PASSED")
    done = check(stored, "worse_net", "--fail-on", "mCE:+1", "--junit", junit, code=1)
    assert "with --junit" in done.stderr
    assert done.stdout.startswith("FAILED")


@pytest.mark.parametrize(
    ("arguments", "code", "case", "words"),
    [
        (("part_net", "--fail-on", "mCE:+1"), 2, "mCE:+1", "needs 60 cells"),
        (("base_net", "--fail-on", "mCE:+1", "--alpha", "0"), 2, "gnlbench check", "an alpha"),
        (("other_net", "--fail-on", "mCE:+1"), 2, "gnlbench check", "different protocols"),
        (("twin_net", "--fail-on", "nll:+1"), 2, "nll:+1", "needs a unit"),
        (("twin_net",), 2, "gnlbench check", "at least one --fail-on"),
        (("broken.json", "--fail-on", "mCE:+1"), 5, "gnlbench check", "neither a store nor"),
    ],
)
def test_files_say_why_nothing_could_be_judged(
    stored: Stored,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    case: str,
    words: str,
) -> None:
    (tmp_path / "broken.json").write_text("{")
    junit = tmp_path / "junit.xml"
    junit.write_text("of the run before")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    run, *rules = arguments
    run = tmp_path / run if run.endswith(".json") else run
    done = check(stored, run, *rules, "--junit", junit, code=code)
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("### gnlbench check could not decide\n")
    assert words in summary
    root = ElementTree.parse(junit).getroot()
    (told,) = root.iter("testcase")
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("1", "0", "1")
    assert told.get("name") == case
    message = told.find("error").get("message")
    assert words in message
    assert message in done.stderr
    assert done.stdout == ""


def test_an_error_that_junit_cannot_take_is_told_with_its_own_code(
    stored: Stored, tmp_path: Path
) -> None:
    done = check(stored, "part_net", "--fail-on", "mCE:+1", "--junit", tmp_path, code=2)
    assert "with --junit" in done.stderr
    assert "needs 60 cells" in done.stderr


def test_a_junit_file_is_whole_or_as_it_was(exported: Path, twin: Path) -> None:
    junit = exported.with_name("junit.xml")
    junit.write_text("of the run before")
    arguments = ("check", twin, "--baseline", exported, "--fail-on", "mCE:+0")
    words = command(*arguments, "--junit", junit)
    # No file may grow: as on a disk that is full.
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$0" "$@"', *words],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 5
    assert "cannot be written" in done.stderr
    assert junit.read_text() == "of the run before"
    assert sorted(path.name for path in junit.parent.iterdir()) == [
        "baseline.json", "junit.xml", "twin.json",
    ]  # fmt: skip


def test_the_summary_of_a_github_step_is_added_to(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    done = check(stored, "twin_net", "--fail-on", "mCE:+1", "--format", "markdown", code=0)
    check(stored, "worse_net", "--fail-on", "mCE:+1", code=1)
    text = summary.read_text()
    assert text.startswith(f"# before\n{done.stdout}")
    assert "FAILED: worse_net compared with base_net" in text
    assert "| mCE:+1 |" in text


def test_a_summary_that_cannot_be_written_is_said(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "summary.md"))
    assert "summary.md cannot be written" in check(
        stored, "twin_net", "--fail-on", "mCE:+1", code=2
    ).stderr  # fmt: skip


@pytest.mark.parametrize(("run", "code"), [("worse_net", 1), ("twin_net", 0)])
def test_the_answer_stands_where_nobody_reads_on(stored: Stored, run: str, code: int) -> None:
    arguments = ("check", run, "--baseline", "v1", "--fail-on", "mCE:+1", "--db", stored.db)
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    process.stdout.close()  # as `head` does
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == code


def test_a_summary_that_nobody_asked_for_is_not_made(stored: Stored) -> None:
    """Markdown needs pandas, which takes a third of the time of the command to load."""
    arguments = ("check", "twin_net", "--baseline", "v1", "--fail-on", "mCE:+1", "--db", stored.db)
    script = (
        "import sys\nfrom robustbench_gnl.cli import app\n"
        "try: app(sys.argv[1:])\nexcept SystemExit: pass\n"
        "sys.exit('pandas' in sys.modules)"
    )
    plain = {name: value for name, value in environment().items() if not name.startswith("GITHUB")}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True, text=True, env=plain, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout[:6]) == (0, "PASSED")


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_a_workflow_gets_annotations_on_stderr(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    arguments = ("--fail-on", "mCE:+0.5", "--fail-on", "mCE<=72", "--format", format)
    plain = check(stored, "worse_net", *arguments, code=1)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = check(stored, "worse_net", *arguments, code=1)
    error, warning = done.stderr.splitlines()
    assert error.startswith("::error title=gnlbench check%3A mCE%3A+0.5 failed::worse_net compared")
    assert warning.startswith(
        "::warning title=gnlbench check%3A mCE<=72 is inconclusive::worse_net"
    )
    assert (done.stdout, plain.stderr) == (plain.stdout, "")
    check(stored, "twin_net", "--fail-on", "mCE:+0.5", code=0)
    assert check(stored, "twin_net", "--fail-on", "mCE:+0.5", code=0).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("part_net", "--fail-on", "mCE:+1"), 2),
        (("nobody\n::stop-commands::x", "--fail-on", "mCE:+1"), 2),
        (("broken.json", "--fail-on", "mCE:+1"), 5),
    ],
)
def test_a_workflow_gets_one_error_where_nothing_was_decided(
    stored: Stored,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    done = check(stored, *arguments, code=code)
    commands = [line for line in done.stderr.splitlines() if line.startswith("::")]
    (command_line,) = commands
    assert command_line.startswith("::error title=gnlbench check could not decide::")
    assert done.stdout == ""


def test_an_internal_error_leaves_no_answer_of_the_run_before(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text("of the run before")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr("robustbench_gnl.statistics.verdicts_of", broken)
    done = gnlbench(
        "check", "twin_net", "--baseline", "v1", "--fail-on", "mCE:+1", "--db", stored.db,
        "--junit", junit, check=70,
    )  # fmt: skip
    assert "out of order" in done.stderr
    (error,) = ElementTree.parse(junit).getroot().iter("error")
    assert error.attrib == {"type": "RuntimeError", "message": "out of order"}


def test_an_inconclusive_rule_is_skipped_or_an_error(stored: Stored, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    arguments = ("near_net", "--fail-on", "mCE:+0", "--junit", junit)
    for more, code, tag in (((), 0, "skipped"), (("--fail-inconclusive",), 2, "error")):
        check(stored, *arguments, *more, code=code)
        (case,) = ElementTree.parse(junit).getroot().iter("testcase")
        assert "exceeds what is allowed, but not significantly" in case.find(tag).get("message")
        assert [child.tag for child in case] == [tag, "system-out"]
