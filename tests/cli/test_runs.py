"""`gnlbench runs`, called as people call it: what it prints, where, and its exit code."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import robustbench_gnl.cli.runs
from robustbench_gnl.cli import app
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.store import Store, open_store
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.store.samples import fill, make_model, make_piece

ROOT = Path(__file__).parents[2]
FOG = Condition("fog", 3)
Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`gnlbench runs ...` in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GNLBENCH_DB", raising=False)

    def invoke(*arguments: str, **options: object) -> Result:
        return CliRunner().invoke(app, ["runs", *arguments], **options)

    return invoke


@pytest.fixture
def run_id() -> str:
    """A run with one unfinished cell in the default store."""
    with open_store("results/gnlbench.sqlite", write=True) as store:
        made = fill(store, (CLEAN, FOG), tags=("paper", "v1"))
        store.add_piece(made, make_piece(Condition("snow", 1), 0, 8))
    return made


def test_a_missing_store_lists_nothing_and_stays_missing(call: Call, tmp_path: Path):
    result = call("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (
        "no runs in results/gnlbench.sqlite yet (it does not exist, or is empty)" in result.stderr
    )
    result = call("list", "--format", "json")
    assert json.loads(result.stdout) == {"schema_version": 1, "runs": []}
    for format in ("csv", "markdown", "latex"):
        assert call("list", "--format", format).exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_list_in_every_format(call: Call, run_id: str):
    table = call("list")
    assert table.exit_code == 0
    assert table.stderr == ""
    line = next(line for line in table.stdout.splitlines() if run_id in line)
    sha = make_model("resnet50").checkpoint_sha256[:8]
    assert line.split()[:6] == [run_id, "resnet50", sha, "released-20", "20", "1/75"]
    assert "paper, v1" in line
    (row,) = json.loads(call("list", "--format", "json").stdout)["runs"]
    assert (row["id"], row["n_cells_complete"], row["n_cells_stored"]) == (run_id, 2, 3)
    assert (row["tags"], row["checkpoint"]) == (["paper", "v1"], sha)
    (row,) = csv.DictReader(io.StringIO(call("list", "--format", "csv").stdout))
    assert (row["id"], row["n_images"], row["n_cells_complete"]) == (run_id, "20", "2")
    assert row["checkpoint"] == sha
    assert f"| {run_id} |" in call("list", "--format", "markdown").stdout
    assert r"\begin{tabular}" in call("list", "--format", "latex").stdout


def test_list_is_newest_first_and_can_be_short(call: Call, run_id: str):
    with open_store("results/gnlbench.sqlite", write=True) as store:
        newer = fill(store, (), model=make_model("vit"))
    ids = [row["id"] for row in json.loads(call("list", "-f", "json").stdout)["runs"]]
    assert ids == [newer, run_id]
    short = json.loads(call("list", "-f", "json", "--limit", "1").stdout)["runs"]
    assert [row["id"] for row in short] == [newer]


def test_the_store_may_be_named_by_the_environment(call: Call, run_id: str, tmp_path: Path):
    os.rename("results/gnlbench.sqlite", "other.sqlite")
    assert run_id in call("list", env={"GNLBENCH_DB": "other.sqlite"}).stdout
    assert run_id in call("list", "--db", f"sqlite:///{tmp_path}/other.sqlite").stdout


def test_show_prints_results_and_stored_facts(call: Call, run_id: str):
    shown = call("show", "paper")
    assert shown.exit_code == 0, shown.stderr
    for expected in (run_id, "resnet50", "fog", "torch: 2.8.0", "tags: paper, v1"):
        assert expected in shown.stdout
    assert "7 stored pieces of up to 8 images of a cell" in shown.stdout
    assert "; cells begun and not complete: 1; " in shown.stdout
    head, _ = shown.stdout.split("Top-1 error")
    assert f"checkpoint {make_model('resnet50').checkpoint_sha256[:12]}" in head
    assert "tags: paper, v1" in head
    document = json.loads(call("show", run_id[:15], "--format", "json").stdout)
    assert document["schema_version"] == 1
    assert document["run_id"] == run_id
    assert (document["n_pieces"], document["n_unfinished_cells"]) == (7, 1)
    assert document["environment"] == {"torch": "2.8.0", "device": "cpu"}
    for format in ("csv", "markdown", "latex"):
        assert "fog" in call("show", run_id, "--format", format).stdout


def test_a_block_holds_no_more_images_than_there_are(call: Call):
    with open_store("results/gnlbench.sqlite", write=True) as store:
        fill(store, (CLEAN,), n_images=5)
    shown = call("show", "resnet50").stdout
    assert "1 stored piece of up to 5 images of a cell; " in shown
    assert "0/75 cells complete" in shown
    assert "not complete" not in shown
    assert "unfinished" not in shown


def test_the_environment_is_in_words_without_what_is_unknown(call: Call, run_id: str):
    later = {"packages": {"numpy": "2.1.0", "timm": "1.0.9"}, "git_commit": None}
    with open_store("results/gnlbench.sqlite", write=True) as store:
        store.note_resumed(run_id, later)
    with sqlite3.connect("results/gnlbench.sqlite") as connection:
        (text,) = connection.execute("SELECT environment FROM runs").fetchone()
        both = json.dumps({**json.loads(text), **later})
        connection.execute("UPDATE runs SET environment = ?", [both])
    connection.close()
    lines = call("show", run_id).stdout.splitlines()
    assert "packages: numpy 2.1.0, timm 1.0.9" in lines
    (resumed,) = (line for line in lines if line.startswith("resumed: "))
    assert "packages numpy 2.1.0, timm 1.0.9" in resumed
    assert not any("None" in line or "{" in line for line in lines)


def test_show_of_a_run_without_pieces(call: Call):
    with open_store("results/gnlbench.sqlite", write=True) as store:
        made = fill(store, ())
    for format in ("table", "json", "csv", "markdown", "latex"):
        result = call("show", made, "--format", format)
        assert result.exit_code == 0, result.stderr


def test_a_run_that_is_missing_is_wrong_usage(call: Call, run_id: str):
    for command in ("show", "delete", "export"):
        result = call(command, "resnet5O")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "no run 'resnet5O'" in result.stderr
        assert "did you mean 'resnet50'" in result.stderr


def test_delete_asks_first(call: Call, run_id: str, monkeypatch: pytest.MonkeyPatch):
    refused = call("delete", run_id)
    assert refused.exit_code == 2
    assert "pass --yes" in refused.stderr
    monkeypatch.setattr(robustbench_gnl.cli.runs, "_is_terminal", lambda: True)
    declined = call("delete", run_id, input="n\n")
    assert declined.exit_code == 0
    assert "Nothing was deleted" in declined.stderr
    interrupted = call("delete", run_id, input="")
    assert interrupted.exit_code == 130
    assert run_id in call("list").stdout
    agreed = call("delete", run_id, input="y\n")
    assert agreed.exit_code == 0, agreed.stderr
    assert f"Deleted run {run_id}" in agreed.stderr
    assert call("list").stdout == ""


def test_delete_with_yes(call: Call, run_id: str):
    result = call("delete", run_id, "--yes")
    assert (result.exit_code, result.stdout) == (0, "")
    assert call("list").stdout == ""


def test_a_run_travels_by_file(call: Call, run_id: str, tmp_path: Path):
    result = call("export", run_id, "-o", "out/run.json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"], "no half files"
    document = json.loads(Path("out/run.json").read_text(encoding="utf-8"))
    assert json.loads(call("export", run_id).stdout) == document
    imported = call("import", "out/run.json", "--db", "new/store.sqlite")
    assert imported.exit_code == 0, imported.stderr
    assert imported.stdout == f"{run_id}\n"
    again = call("import", "out/run.json", "--db", "new/store.sqlite")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "Imported 0 runs; 1 run was stored already." in again.stderr
    assert json.loads(call("export", run_id, "--db", "new/store.sqlite").stdout) == document


def test_a_store_is_merged_whatever_its_name(call: Call, run_id: str, tmp_path: Path):
    shutil.copy("results/gnlbench.sqlite", "colleague.json")
    with open_store("mine.sqlite", write=True) as store:
        mine = fill(store, (CLEAN,))
    result = call("import", "colleague.json", "--db", "mine.sqlite")
    assert (result.exit_code, result.stdout) == (0, f"{run_id}\n"), result.stderr
    assert {run_id, mine} <= set(call("list", "--db", "mine.sqlite").stdout.split())


def _export(call: Call, run_id: str, change: Callable[[dict], None], name: str) -> None:
    document = json.loads(call("export", run_id).stdout)
    change(document)
    Path(name).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d["pieces"][0].update(correct="AA=="), "bits say so"),
        (lambda d: d["model"].update(fingerprint="0" * 64), "the model has the fingerprint"),
        (lambda d: d.update(schema_version=99), "schema_version 1, got 99"),
    ],
)
def test_one_bad_file_imports_nothing(call: Call, run_id: str, change, sentence: str):
    _export(call, run_id, lambda document: None, "good.json")
    _export(call, run_id, change, "bad.json")
    result = call("import", "good.json", "bad.json", "--db", "new.sqlite")
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith("Error: bad.json: ")
    assert sentence in result.stderr
    assert not Path("new.sqlite").exists()


def test_what_cannot_be_imported_is_told(call: Call, run_id: str):
    text = call("export", run_id).stdout
    Path("half.json").write_text(text[: len(text) // 2])
    Path("empty.json").touch()
    Path("binary.json").write_bytes(bytes(range(256)))
    Path("deep.json").write_text("[" * 100_000)
    for name in ("half.json", "empty.json", "binary.json", "deep.json"):
        result = call("import", name)
        assert result.exit_code == 5, name
        what = "empty" if name == "empty.json" else "neither a store nor complete JSON"
        assert f"{name} is {what}" in result.stderr
    assert call("import", "missing.json").exit_code == 2
    result = call("import", "half.json", "--db", "new.sqlite")
    assert not Path("new.sqlite").exists()


def test_a_store_that_is_none(call: Call, run_id: str):
    Path("notes.txt").write_text("nothing here that SQLite wrote\n" * 40)
    newer = shutil.copy("results/gnlbench.sqlite", "newer.sqlite")
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0042'")
    cases = {
        "notes.txt": "is not a database",
        "newer.sqlite": "newer gnlbench",
        ".": "is a folder",
        "foo://host/db": "expected a path such as",
        "postgresql+nodriver://host/db": "expected a path such as",
    }
    for location, sentence in cases.items():
        for command in (["list"], ["show", run_id], ["delete", run_id, "--yes"]):
            result = call(*command, "--db", location)
            assert result.exit_code == 5, (location, command, result.stderr)
            assert result.stdout == ""
            assert sentence in result.stderr
            assert "Traceback" not in result.stderr


def test_a_run_being_written_is_not_deleted(call: Call, run_id: str):
    with open_store("results/gnlbench.sqlite", write=True) as store, store.lock_run(run_id):
        result = call("delete", run_id, "--yes")
    assert result.exit_code == 5
    assert "is being written by another process" in result.stderr


def test_reading_a_read_only_store(call: Call, run_id: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    assert run_id in call("list").stdout
    result = call("delete", run_id, "--yes")
    assert result.exit_code == 5
    assert "is read-only" in result.stderr


def test_a_file_that_cannot_be_written_is_told(call: Call, run_id: str):
    result = call("export", run_id, "-o", "results/gnlbench.sqlite/run.json")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize("command", ["", "list", "show", "tag", "delete", "export", "import"])
def test_every_help_has_an_example(call: Call, command: str):
    result = call(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example: `gnlbench runs" in " ".join(result.stdout.replace("│", "").split())


def test_no_command_imports_torch(call: Call, run_id: str):
    call("export", run_id, "-o", "run.json")
    script = (
        "import sys\n"
        "import robustbench_gnl.cli.runs\n"
        "from robustbench_gnl.cli import app\n"
        "try:\n    app(['runs', *sys.argv[1:]])\n"
        "finally:\n    assert not {'torch', 'timm', 'torchvision'} & set(sys.modules)\n"
    )
    for arguments in (
        ["list", "-f", "markdown"],
        ["show", run_id],
        ["show", run_id, "-f", "latex"],
        ["export", run_id],
        ["import", "run.json"],
        ["delete", run_id, "--yes"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def test_a_complete_run_counts_all_its_cells(call: Call):
    with open_store("results/gnlbench.sqlite", write=True) as store:
        fill(store, (CLEAN, *DEFAULT_SUITE.main_conditions), n_images=8)
    (row,) = json.loads(call("list", "-f", "json").stdout)["runs"]
    assert (row["n_cells_complete"], row["n_cells_stored"]) == (76, 76)


def test_export_follows_links(call: Call, run_id: str, tmp_path: Path):
    Path("real.json").write_text("old")
    Path("link.json").symlink_to("real.json")
    Path("new.json").symlink_to(tmp_path / "folder" / "made.json")
    for link, target in (("link.json", "real.json"), ("new.json", "folder/made.json")):
        result = call("export", run_id, "-o", link)
        assert result.exit_code == 0, result.stderr
        assert Path(link).is_symlink()
        assert json.loads(Path(target).read_text(encoding="utf-8"))["run"]["id"] == run_id


def test_export_into_a_pipe_leaves_it(call: Call, run_id: str):
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    for name in ("pipe", "link"):
        reader = subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE)
        result = call("export", run_id, "-o", name)
        text, _ = reader.communicate(timeout=20)
        assert result.exit_code == 0, result.stderr
        assert json.loads(text)["run"]["id"] == run_id
        assert Path("pipe").is_fifo()
        assert Path("link").is_symlink()


@pytest.mark.parametrize("output", ["", "/", "..", "loop", "loop/run.json", "dangling/x"])
def test_export_to_what_is_no_file_is_wrong_usage(call: Call, run_id: str, output: str):
    Path("loop").symlink_to("loop")
    Path("dangling").touch()
    result = call("export", run_id, "-o", output)
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    assert "with --output" in result.stderr


def test_export_of_a_path_that_is_no_unicode(call: Call, run_id: str):
    with open_store("results/gnlbench.sqlite", write=True) as store:
        store.note_resumed(run_id, {"file": "caf\udce9"})
    assert call("export", run_id, "-o", "run.json").exit_code == 0
    assert call("import", "run.json", "--db", "new.sqlite").stdout == f"{run_id}\n"


@pytest.mark.parametrize("kind", ["json", "store"])
def test_import_from_a_pipe(call: Call, run_id: str, kind: str):
    assert call("export", run_id, "-o", "run.json").exit_code == 0
    source = {"json": "run.json", "store": "results/gnlbench.sqlite"}[kind]
    os.mkfifo("pipe")
    writer = subprocess.Popen(["sh", "-c", 'cat "$0" > pipe', source])
    result = call("import", "pipe", "--db", "new.sqlite")
    assert writer.wait(timeout=20) == 0
    assert (result.exit_code, result.stdout) == (0, f"{run_id}\n"), result.stderr


def test_export_through_a_link_to_the_output(call: Call, run_id: str):
    Path("link").symlink_to("/dev/stdout")
    done = subprocess.run(
        [sys.executable, "-m", "robustbench_gnl", "runs", "export", run_id, "-o", "link"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "Wrote link.\n")
    assert json.loads(done.stdout)["run"]["id"] == run_id
    assert Path("link").is_symlink()


def test_delete_without_an_input(call: Call, run_id: str):
    done = subprocess.run(
        ["sh", "-c", '"$0" -m robustbench_gnl runs delete "$1" <&-', sys.executable, run_id],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "pass --yes" in done.stderr


def test_a_damaged_run_can_be_deleted(call: Call, run_id: str):
    with sqlite3.connect("results/gnlbench.sqlite") as connection:
        connection.execute("UPDATE runs SET environment = 'x'")
    connection.close()
    for command in (["list"], ["show", run_id], ["export", run_id]):
        result = call(*command)
        assert (result.exit_code, result.stdout) == (5, "")
        assert f"`gnlbench runs delete {run_id}`" in result.stderr
    result = call("delete", run_id, "--yes")
    assert (result.exit_code, result.stderr) == (0, f"Deleted run {run_id}.\n")
    assert call("list").exit_code == 0


def test_tags_are_added_and_removed(call: Call, run_id: str):
    done = call("tag", run_id, "gate", "v2", "--remove", "v1", "--remove", "paper")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert f"Run {run_id} (resnet50) has the tags gate, v2." in done.stderr
    assert "no run has the tag 'v1' now" in done.stderr
    assert call("show", "gate").exit_code == 0
    assert call("show", "paper").exit_code == 2
    again = call("tag", "gate", "gate")  # by a tag, and one that it has
    assert (again.exit_code, again.stderr) == (
        0,
        f"Run {run_id} (resnet50) has the tags gate, v2.\n",
    )
    none = call("tag", run_id, "--remove", "gate", "--remove", "v2")
    assert f"Run {run_id} (resnet50) has no tags." in none.stderr


def test_what_a_tag_means_is_said(call: Call, run_id: str):
    with open_store("results/gnlbench.sqlite", write=True) as store:
        newer = fill(store, (CLEAN,), model=make_model("vit"))
    done = call("tag", newer, "paper")
    assert (
        f"Note: 2 runs have the tag 'paper', which selects the newest, {newer} (before: {run_id})"
        in done.stderr
    )
    done = call("tag", run_id, "paper")
    assert f"which selects the newest, {newer}\n" in done.stderr, (
        "the older run does not win it back"
    )
    done = call("tag", newer, "--remove", "paper")
    assert f"Note: the tag 'paper' now selects {run_id}" in done.stderr
    assert json.loads(call("show", "paper", "-f", "json").stdout)["run_id"] == run_id


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "expected a tag to add, or one to remove with --remove"),
        (["a", "--remove", "a"], "the tag 'a' is both to be added and to be removed"),
        ([""], "a tag needs a name"),
        (["  "], "a tag needs a name"),
        (["x" * 201], "a tag of at most 200 characters, got 201"),
        (["a\0b"], "NUL character"),
        (["caf\udce9"], "no Unicode"),
        (["20261123-142530-a1b2c3"], "does not look like a run id"),
        (["20"], "which would go on meaning that run"),
        (["release/1"], "would look for a file 'release/1'"),
        (["run.json"], "would look for a file 'run.json'"),
        (["--remove", "none"], "has no tag 'none': its tags are paper, v1"),
    ],
)
def test_a_tag_that_would_not_be_found_is_refused(
    call: Call, run_id: str, words: list[str], sentence: str
):
    done = call("tag", run_id, *words)
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert sentence in done.stderr
    with open_store("results/gnlbench.sqlite") as store:
        assert store.run(run_id).tags == ("paper", "v1")


def test_tagging_needs_a_run_and_a_store_that_can_be_written(
    call: Call, run_id: str, monkeypatch: pytest.MonkeyPatch
):
    assert call("tag", "nobody", "a").exit_code == 2
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    done = call("tag", run_id, "a")
    assert done.exit_code == 5
    assert "is read-only" in done.stderr


def _deleting(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Another process deletes all runs right after a store has answered."""
    answer = getattr(Store, method)

    def and_delete(self: Store, *arguments: object, **options: object):
        found = answer(self, *arguments, **options)
        with open_store("results/gnlbench.sqlite", write=True) as store:
            for run in queries_of(store):
                store.delete_run(run)
        return found

    def queries_of(store: Store) -> list[str]:
        with store._reading() as connection:
            return [*connection.exec_driver_sql("SELECT id FROM runs").scalars()]

    monkeypatch.setattr(Store, method, and_delete)


@pytest.mark.parametrize(
    ("command", "method", "code"),
    [
        (["show", "paper"], "resolve", 0),  # as it was when it was found
        (["tag", "paper", "new"], "resolve", 5),
        (["delete", "paper", "--yes"], "resolve_id", 5),
        (["export", "paper"], "resolve_id", 5),
    ],
)
def test_a_run_deleted_meanwhile_is_told(
    call: Call,
    run_id: str,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    method: str,
    code: int,
):
    _deleting(monkeypatch, method)
    done = call(*command)
    assert done.exit_code == code, done.stderr
    if code:
        assert done.stdout == ""
        assert f"run {run_id} is not in the store" in done.stderr
        assert "another process has deleted it" in done.stderr
        assert "did you mean" not in done.stderr


@pytest.mark.parametrize("command", [["compare", "base", "other"], ["explain", "base"]])
def test_a_run_deleted_while_it_is_read_is_read_as_it_was(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
):
    with open_store("results/gnlbench.sqlite", write=True) as store:
        for name in ("base", "other"):
            fill(store, (CLEAN, FOG), model=make_model(name, name))
    expected = CliRunner().invoke(app, command)
    assert expected.exit_code == 0, expected.stderr
    named = Store.named

    def and_delete(self: Store, selector: str) -> list[str]:
        ids = named(self, selector)
        with open_store("results/gnlbench.sqlite", write=True) as other:
            other.delete_run(ids[0])
        return ids

    monkeypatch.setattr(Store, "named", and_delete)
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.stdout) == (0, expected.stdout), done.stderr
    assert call("show", "base").exit_code == 2


@pytest.mark.parametrize("n_files", [6, 7, 8])
def test_few_open_files_are_no_fault_of_the_program(call: Call, run_id: str, n_files: int):
    script = f'ulimit -n {n_files}; exec "$0" -m robustbench_gnl runs show "$1"'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, run_id],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 5), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "not enough memory"),
        (OSError(errno.EMFILE, "Too many open files", "numpy/__init__.py"), "too many open files"),
    ],
)
def test_what_the_machine_is_short_of_is_said(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
):
    def fails(*_arguments: object, **_options: object) -> None:
        raise ValueError("a library gives up") from error

    monkeypatch.setattr(Store, "runs", fails)
    done = call("list")
    assert (done.exit_code, done.stdout) == (5, "")
    assert done.stderr.startswith(f"Error: {sentence}")


def test_a_foreign_database_is_not_changed_by_any_command(call: Call, run_id: str, tmp_path: Path):
    call("export", run_id, "-o", "run.json")
    with closing(sqlite3.connect("photos.sqlite")) as connection:
        connection.executescript("CREATE TABLE photos (id INTEGER);")
    before = (Path("photos.sqlite").read_bytes(), os.stat("photos.sqlite").st_mtime_ns)
    files = set(tmp_path.iterdir())
    commands = (
        ["runs", "list"], ["runs", "show", run_id], ["runs", "export", run_id], ["runs", "cite"],
        ["runs", "tag", run_id, "a"], ["runs", "delete", run_id, "--yes"],
        ["runs", "import", "run.json"], ["leaderboard", "--ci"], ["explain", run_id], ["plan"],
        ["compare", run_id, "x"], ["check", run_id, "--baseline", "x", "--fail-on", "mCE:+1"],
    )  # fmt: skip
    for command in commands:
        done = CliRunner().invoke(app, [*command, "--db", "photos.sqlite"])
        assert done.exit_code == 5, (command, done.stderr)
        assert "is a database of another program" in done.stderr
    done = call("import", "photos.sqlite")
    assert done.exit_code == 5
    after = (Path("photos.sqlite").read_bytes(), os.stat("photos.sqlite").st_mtime_ns)
    assert after == before
    assert set(tmp_path.iterdir()) == files


def test_the_main_file_alone_is_a_copy_after_every_command(call: Call, run_id: str):
    """Also while another program reads the store."""
    with open_store("results/gnlbench.sqlite") as reader:
        reader.runs()
        assert call("tag", run_id, "fresh").exit_code == 0
        shutil.copy("results/gnlbench.sqlite", "copy.sqlite")
    assert call("show", "fresh", "--db", "copy.sqlite").exit_code == 0
