"""Replicates that are kept: found again, dropped in time, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.statistics import DRAWS
from robustbench_gnl.store import Store, open_store, schema
from tests.store.samples import block_sizes, fill, make_model, make_piece

FOG, SNOW = Condition("fog", 3), Condition("snow", 1)
SETTINGS = {"draws": DRAWS, "seed": 0, "n_resamples": 40}


@pytest.fixture
def store() -> Store:
    return open_store("sqlite://", write=True)


def n_kept(store: Store) -> int:
    with store._reading() as connection:
        return connection.execute(select(func.count()).select_from(schema.replicates)).scalar_one()


def test_what_is_kept_is_found_by_exactly_what_it_was_made_of(store: Store):
    run = store.run(fill(store, (CLEAN, FOG)))
    other = store.run(fill(store, (CLEAN, FOG), model=make_model("other")))
    store.keep_replicates([(run, b"counts"), (other, b"others")], **SETTINGS)

    assert store.replicates(run, **SETTINGS) == b"counts"
    assert store.replicates(other, **SETTINGS) == b"others"
    for change in ({"seed": 1}, {"n_resamples": 41}, {"draws": "philox-2"}):
        assert store.replicates(run, **{**SETTINGS, **change}) is None


def test_it_is_stale_when_cells_are_added_and_replaced_when_kept_again(store: Store):
    run_id = fill(store, (CLEAN, FOG))
    before = store.run(run_id)
    store.keep_replicates([(before, b"two cells")], **SETTINGS)
    for block, size in enumerate(block_sizes(20)):
        store.add_piece(run_id, make_piece(SNOW, block, size))
    after = store.run(run_id)

    assert store.replicates(before, **SETTINGS) == b"two cells"
    assert store.replicates(after, **SETTINGS) is None
    store.keep_replicates([(after, b"three cells")], **SETTINGS)
    assert store.replicates(after, **SETTINGS) == b"three cells"
    assert n_kept(store) == 1


def test_it_goes_with_its_run(store: Store):
    run = store.run(fill(store, (CLEAN,)))
    store.keep_replicates([(run, b"counts")], **SETTINGS)
    store.delete_run(run.id)

    assert n_kept(store) == 0
    store.keep_replicates([(run, b"counts")], **SETTINGS)  # Computed while it was deleted.
    assert n_kept(store) == 0


def test_exports_and_merges_leave_it_behind(store: Store):
    run = store.run(fill(store, (CLEAN,)))
    before = store.export_run(run.id)
    store.keep_replicates([(run, b"counts")], **SETTINGS)

    assert store.export_run(run.id) == before
    with open_store("sqlite://", write=True) as other:
        other.import_stored(store.stored_runs())
        assert other.replicates(other.run(run.id), **SETTINGS) is None


def test_a_store_open_for_reading_keeps_nothing(tmp_path: Path):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        run_id = fill(store, (CLEAN,))
    with (
        open_store(path) as store,
        pytest.raises(StoreError, match="was opened for reading"),
    ):
        store.keep_replicates([(store.run(run_id), b"counts")], **SETTINGS)
