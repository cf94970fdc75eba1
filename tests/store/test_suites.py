"""Runs of any suite: what their conditions are is up to the suite, not to the store."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from robustbench_gnl.cli import app
from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.store import open_store
from robustbench_gnl.store.codec import pack_protocol
from robustbench_gnl.suites import SUITES
from tests.store.samples import (
    fill,
    import_document,
    make_image_set,
    make_model,
    make_piece,
    make_protocol,
)

SHIFTS = [suite.name for suite in SUITES.values() if not suite.has_severities]
FOG, RAIN = Condition("fog", 3), Condition("rain", 7)
FUTURE = "imagenet-of-the-future"


@pytest.mark.parametrize("name", SUITES)
def test_a_run_of_every_suite_is_stored_read_and_exported(tmp_path: Path, name: str):
    conditions = SUITES[name].conditions
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        run_id = fill(store, conditions[-3:], suite=name, n_images=8)
    with open_store(path) as store, open_store("sqlite://", write=True) as other:
        run = store.run(run_id)
        assert run.protocol.suite == name
        assert tuple(run.cells) == conditions[-3:], "in the order of the suite"
        document = json.loads(json.dumps(store.export_run(run_id)))
        assert ("suite" in document["protocol"]) == (name != "imagenet-c")
        import_document(other, document)
        assert other.export_run(run_id) == document
        assert other.run(run_id) == run


def test_the_conditions_of_an_image_classifier_are_shown_as_the_paper_lists_them():
    given = (
        FOG,
        Condition("fog", 1),
        Condition("spatter", 1),
        Condition("gaussian_noise", 5),
        CLEAN,
    )
    with open_store("sqlite://", write=True) as store:
        cells = store.run(fill(store, given, n_images=8)).cells
    assert [str(cell) for cell in cells] == [
        *("clean", "gaussian_noise/5", "fog/1", "fog/3", "spatter/1")
    ]


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("condition", [CLEAN, FOG, Condition("imagenet-r", 1), RAIN])
def test_a_condition_of_another_suite_is_refused(name: str, condition: Condition):
    sentence = (
        f"expected {name} at severity 0, got '{condition.corruption}' "
        f"at severity {condition.severity}"
    )
    with open_store("sqlite://", write=True) as store:
        run_id = fill(store, (), suite=name)
        with pytest.raises(StoreError) as caught:
            store.add_piece(run_id, make_piece(condition, 0, 8))
        assert str(caught.value) == sentence
        assert store.stored_pieces(run_id) == {}


def test_a_shift_is_no_condition_of_imagenet_c():
    with open_store("sqlite://", write=True) as store:
        run_id = fill(store, ())
        with pytest.raises(
            StoreError, match=r"^expected `clean` at severity 0, or one of gauss.*1 to 5"
        ):
            store.add_piece(run_id, make_piece(Condition("imagenet-r", 0), 0, 8))


@pytest.fixture
def future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A store with a run of a suite that this version does not know, beside one of its own: as a
    newer version with the same schema would write it. Returns both ids, the unknown first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GNLBENCH_DB", "runs.sqlite")
    with open_store("runs.sqlite", write=True) as store:
        known = fill(store, (CLEAN, FOG), model=make_model("vit"))
        unknown = fill(store, (CLEAN, FOG), tags=("new",))
    columns = pack_protocol(make_protocol(make_image_set(), suite=FUTURE))
    with closing(sqlite3.connect("runs.sqlite")) as connection, connection:
        connection.execute("INSERT INTO protocols VALUES (:fingerprint, :name, :fields)", columns)
        (key,) = connection.execute("SELECT key FROM runs WHERE id = ?", (unknown,)).fetchone()
        connection.execute(
            "UPDATE runs SET protocol = :fingerprint WHERE key = :key", columns | {"key": key}
        )
        for table in ("pieces", "cells"):
            connection.execute(
                f"UPDATE {table} SET corruption = 'rain', severity = 7 "
                "WHERE corruption = 'fog' AND run = ?",
                (key,),
            )
    return unknown, known


def _gnlbench(*arguments: str, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.stderr
    return result.stdout, result.stderr


def test_a_run_of_an_unknown_suite_is_listed_and_exported(future: tuple[str, str]):
    unknown, known = future
    listed = json.loads(_gnlbench("runs", "list", "--format", "json")[0])["runs"]
    assert [run["id"] for run in listed] == [unknown, known]
    document = json.loads(_gnlbench("runs", "export", unknown)[0])
    assert document["protocol"]["suite"] == FUTURE
    found = {(piece["corruption"], piece["severity"]) for piece in document["pieces"]}
    assert found == {("clean", 0), ("rain", 7)}
    with open_store("runs.sqlite") as store:
        assert list(store.run(unknown).cells) == [CLEAN, RAIN]
        assert store.export_run(unknown) == document
        assert store.resolve("new").id == unknown


def test_other_runs_are_ranked_beside_a_run_of_an_unknown_suite(future: tuple[str, str]):
    unknown, known = future
    shown, said = _gnlbench("leaderboard", "--format", "json")
    assert [row["run_id"] for board in json.loads(shown)["boards"] for row in board["rows"]
            if row["kind"] == "run"] == [known]  # fmt: skip
    assert f"Note: 1 run of unknown suites left out ({FUTURE}): a newer gnlbench may" in said
    for command in (("runs", "show", unknown), ("explain", unknown), ("plan", unknown),
                    ("check", unknown, "--fail-on", "mCE<=90")):  # fmt: skip
        _, said = _gnlbench(*command, code=5)
        assert f"is of the suite '{FUTURE}'; expected one of" in said
    _gnlbench("runs", "delete", unknown, "--yes")
    assert [
        run["id"] for run in json.loads(_gnlbench("runs", "list", "--format", "json")[0])["runs"]
    ] == [known]


def test_a_store_with_runs_of_an_unknown_suite_alone_is_not_called_empty(future: tuple[str, str]):
    _gnlbench("runs", "delete", future[1], "--yes")
    _, said = _gnlbench("leaderboard")
    assert "Note: 1 run of unknown suites left out" in said
    assert "There are no runs" not in said


def test_nothing_is_written_into_a_run_of_an_unknown_suite(future: tuple[str, str]):
    unknown, _ = future
    _gnlbench("runs", "export", unknown, "-o", "new.json")
    with open_store("runs.sqlite", write=True) as store:
        before = store.export_run(unknown)
        with pytest.raises(StoreError, match=f"is of the suite '{FUTURE}'.*upgrade this one"):
            store.add_piece(unknown, make_piece(FOG, 0, 8))
        assert store.export_run(unknown) == before
    told = _gnlbench("runs", "import", "new.json", "--db", "other.sqlite", code=5)[1]
    assert (
        f"new.json: the protocol 'released-20' is of the suite '{FUTURE}'; expected one of" in told
    )
    assert "a newer gnlbench may have written it" in told
    told = _gnlbench("runs", "import", "runs.sqlite", "--db", "other.sqlite", code=5)[1]
    assert FUTURE in told
    with open_store("other.sqlite") as store:
        assert store.runs() == [], "all of a store is imported, or nothing"


def test_a_run_of_an_unknown_suite_is_tagged_and_deleted(future: tuple[str, str]):
    unknown, known = future
    _gnlbench("runs", "tag", unknown, "later")
    _gnlbench("runs", "delete", "later", "--yes")
    with open_store("runs.sqlite") as store:
        assert [run.id for run in store.runs()] == [known]
    with closing(sqlite3.connect("runs.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM protocols").fetchone() == (1,)


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r"])
def test_labels_that_the_suite_does_not_have_are_refused(name: str):
    image_set = make_image_set()  # of the classes 0 to 4, which neither has
    with (
        open_store("sqlite://", write=True) as store,
        pytest.raises(
            StoreError,
            match=r"has labels that are no classes of ImageNet-[AR]: expected some of its",
        ),
    ):
        store.create_run(
            make_model(), make_protocol(image_set, suite=name), image_set, block_size=8
        )
