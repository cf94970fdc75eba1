"""How runs are given to the commands that read them: every bad word and file is a sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from robustbench_gnl.cli._options import Format
from tests.cli.conftest import gnlbench, gnlbench_json
from tests.cli.stored import Stored

READERS = {
    "compare": ("compare", "base_net"),
    "check": ("check", "base_net", "--fail-on", "mCE:+1", "--baseline"),
    "plan": ("plan",),
    "explain": ("explain",),
}
"""Commands that take a stored run or a file of one as their last word."""


@pytest.fixture(params=READERS.values(), ids=READERS)
def reader(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("nobody", "no run 'nobody'"),
        ("bas_net", "did you mean 'base_net'"),
        ("20261123", "is the start of 7 run ids"),
        ("", "no run ''"),
        ("none.json", "no run 'none.json': there is no such file"),
        ("none/run", "there is no such file"),
        ("caf\udce9.json", "there is no such file"),
        ("x" * 300, "no run 'xxx"),
        ("/", "no run '/'"),
    ],
)
def test_a_run_that_is_missing_is_wrong_usage(
    stored: Stored, reader: tuple[str, ...], word: str, words: str
) -> None:
    done = gnlbench(*reader, word, "--db", stored.db, check=2)
    assert words in done.stderr
    assert done.stdout == ""


def test_a_word_that_names_several_runs_says_which_is_taken(
    stored: Stored, reader: tuple[str, ...]
) -> None:
    newest, ids = stored.ids["worse_net"], stored.ids
    done = gnlbench(*reader, "release", "--db", stored.db)
    assert f"Note: 'release' names 2 runs; taken is the newest, {newest} (checkpoint" in done.stderr
    assert f"not {ids['base_net']}" in done.stderr
    alone = gnlbench("plan", ids["near_net"], "--against", "v1", "--db", stored.db)
    assert "Note" not in alone.stderr


def test_a_folder_is_no_run(stored: Stored, reader: tuple[str, ...], tmp_path: Path) -> None:
    done = gnlbench(*reader, tmp_path, "--db", stored.db, check=2)
    assert "that is a folder; write a file with `gnlbench runs export" in done.stderr


def test_a_word_that_is_no_unicode_is_refused(stored: Stored, reader: tuple[str, ...]) -> None:
    done = gnlbench(*reader, "caf\udce9", "--db", stored.db, check=None)
    assert done.returncode in (2, 5)
    assert "caf\\udce9" in done.stderr


@pytest.fixture(scope="module")
def files(stored: Stored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good file, and files that are bad in each way."""
    folder = tmp_path_factory.mktemp("files")
    good = folder / "good.json"
    gnlbench("runs", "export", "twin_net", "-o", good, "--db", stored.db)
    text = good.read_text()
    document = json.loads(text)
    (folder / "truncated.json").write_text(text[: len(text) // 2])
    (folder / "empty.json").touch()
    (folder / "other.json").write_text('{"results": []}')
    (folder / "list.json").write_text("[1, 2]")
    (folder / "newer.json").write_text(json.dumps({**document, "schema_version": 99}))
    first = document["pieces"][0]
    for name, change in (
        ("nan", {"negative_log_likelihood_sum": float("nan")}),
        ("forged", {"correct": "AA=="}),
    ):
        changed = {**document, "pieces": [{**first, **change}]}
        (folder / f"{name}.json").write_text(json.dumps(changed))
    (folder / "noise.json").write_bytes(bytes(range(256)))
    shutil.copy(good, os.fsencode(folder / "caf") + b"\xe9.json")
    shutil.copy(stored.db, folder / "several.sqlite")
    return folder


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("truncated.json", 5, "nor complete JSON"),
        ("empty.json", 5, "empty.json is empty"),
        ("noise.json", 5, "nor complete JSON"),
        ("other.json", 5, "gnlbench runs export RUN"),
        ("list.json", 5, "gnlbench runs export RUN"),
        ("newer.json", 5, "schema_version 1, got 99"),
        ("forged.json", 5, "bits"),
        ("nan.json", 5, "expected float in pieces[0].negative_log_likelihood_sum"),
        ("several.sqlite", 2, "expected one run in"),
    ],
)
def test_a_file_that_holds_no_run_is_said(
    stored: Stored, reader: tuple[str, ...], files: Path, name: str, code: int, words: str
) -> None:
    done = gnlbench(*reader, files / name, "--db", stored.db, check=code)
    assert name in done.stderr
    assert words in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["good.json", "caf\udce9.json"])
def test_a_file_needs_no_store(stored: Stored, files: Path, name: str, tmp_path: Path) -> None:
    from_file = gnlbench_json("explain", files / name, "--db", tmp_path / "none.sqlite")
    assert from_file == gnlbench_json("explain", "twin_net", "--db", stored.db)
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_store_without_runs_has_none_to_read(
    reader: tuple[str, ...], tmp_path: Path, kind: str
) -> None:
    db = tmp_path / "store.sqlite"
    if kind == "empty":
        db.touch()
    done = gnlbench(*reader, "base_net", "--db", db, check=2)
    assert "the store is empty" in done.stderr
    assert db.exists() == (kind == "empty")


def test_a_name_that_is_no_unicode_names_no_run(reader: tuple[str, ...], stored: Stored) -> None:
    done = gnlbench(*reader, "caf\udce9", "--db", stored.db, check=2)
    assert "no run 'caf\\udce9': expected Unicode text" in done.stderr


def test_a_store_that_is_none_is_said(reader: tuple[str, ...], tmp_path: Path) -> None:
    db = tmp_path / "store.sqlite"
    db.write_text("no database at all")
    assert "is not a database" in gnlbench(*reader, "base_net", "--db", db, check=5).stderr


@pytest.mark.parametrize("format", ["yaml"])
def test_an_unknown_format_lists_the_known(
    stored: Stored, reader: tuple[str, ...], format: str
) -> None:
    done = gnlbench(*reader, "near_net", "--format", format, "--db", stored.db, check=2)
    assert all(f"'{known}'" in done.stderr for known in Format)
    assert done.stdout == ""


LEVELS = {
    "compare": ("compare", "base_net", "near_net"),
    "explain": ("explain", "base_net"),
    "runs show": ("runs", "show", "base_net"),
    "leaderboard --ci": ("leaderboard", "--ci"),
    "leaderboard": ("leaderboard",),
}


@pytest.mark.parametrize("words", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("level", ["0", "1", "nan"])
def test_a_level_is_between_0_and_1(stored: Stored, words: tuple[str, ...], level: str) -> None:
    done = gnlbench(*words, "--level", level, "--db", stored.db, check=2)
    assert "expected a level between 0 and 1" in done.stderr
    assert done.stdout == ""


REFERENCES = {**LEVELS, "check": (*READERS["check"], "near_net"), "plan": ("plan", "base_net")}


@pytest.mark.parametrize("words", REFERENCES.values(), ids=REFERENCES)
@pytest.mark.parametrize("text", [None, "", "a,b\n1,2\n", "corruption,severity_1\nfog,30\n"])
def test_a_reference_that_is_none_is_bad_data(
    stored: Stored, tmp_path: Path, words: tuple[str, ...], text: str | None
) -> None:
    path = tmp_path / "reference.csv"
    if text is not None:
        path.write_text(text)
    done = gnlbench(*words, "--reference", path, "--db", stored.db, check=3)
    assert "reference.csv" in done.stderr
    assert done.stdout == ""


def test_none_of_them_loads_torch(
    stored: Stored, files: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    code = (
        "import json, sys\n"
        "from robustbench_gnl.cli import app\n"
        "for line, heavy in json.loads(sys.argv[1]):\n"
        "    try: app(line)\n"
        "    except SystemExit as end: assert end.code == 0, (line, end.code)\n"
        "    assert not set(heavy) & set(sys.modules), (line, set(heavy) & set(sys.modules))\n"
    )
    light, heavy = ["numpy", "torch", "pandas"], ["torch", "timm", "torchvision", "numba"]
    db, good = ["--db", str(stored.db)], str(files / "good.json")
    lines = [([*words, "--help"], light) for words in (["check"], ["compare"], ["plan"])]
    lines += [
        (["compare", "base_net", "near_net", *db], heavy),
        (["check", "near_net", "--baseline", good, "--fail-on", "mCE:+1", *db], heavy),
        (["plan", "base_net", "--against", "near_net", *db], heavy),
        (["explain", "base_net", *db], heavy),
        (["leaderboard", "--ci", *db], heavy),
        (["runs", "show", "base_net", *db], heavy),
        (["runs", "cite", *db], heavy),
    ]
    done = run_python(code, json.dumps(lines))
    assert done.returncode == 0, done.stderr
    assert "near_net compared with base_net" in done.stdout
