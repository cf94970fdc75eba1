"""Replicates of stored runs are computed once, wherever the store can be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustbench_gnl.cli._replicates import each_replicates
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.statistics import DRAWS, N_RESAMPLES, SEED, bootstrap, outcomes_of
from robustbench_gnl.store import open_store
from tests.store.samples import fill

FOG, SNOW = Condition("fog", 3), Condition("snow", 1)
SETTINGS = {"draws": DRAWS, "seed": SEED, "n_resamples": N_RESAMPLES}


def test_a_command_computes_once_and_reads_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        run_id = fill(store, (CLEAN, FOG, SNOW))
        fill(store, ())  # Without a cell, without replicates.

    def asked() -> list[list[int]]:
        with open_store(path) as store:
            pairs = each_replicates(store, store.runs(), path)
            found = {run.id: replicates for run, replicates in pairs}
            assert list(found) == [run_id]
            outcomes = outcomes_of(store.pieces(run_id), 20)
        expected = bootstrap(outcomes)
        replicates = found[run_id]
        assert replicates.conditions == expected.conditions
        assert (replicates.n_images, replicates.seed) == (20, SEED)
        assert replicates.observed.tolist() == expected.observed.tolist()
        assert replicates.counts.tolist() == expected.counts.tolist()
        return replicates.counts.tolist()

    first = asked()
    monkeypatch.setattr(
        "robustbench_gnl.cli._replicates._computed", lambda *_, **__: pytest.fail("computed again")
    )
    assert asked() == first


def test_a_store_that_cannot_be_written_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        run_id = fill(store, (CLEAN, FOG))
    monkeypatch.setattr("os.access", lambda place, mode: False)
    with open_store(path) as store:
        found = list(each_replicates(store, store.runs(), path))
        assert [run.id for run, _ in found] == [run_id]
        assert store.replicates(found[0][0], **SETTINGS) is None


def test_damaged_content_is_computed_again(tmp_path: Path):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        run = store.run(fill(store, (CLEAN, FOG)))
        for damaged in (b"", b"short", b"\xff" * (N_RESAMPLES * 2 * 2)):
            store.keep_replicates([(run, damaged)], **SETTINGS)
            ((_, found),) = each_replicates(store, [run], path)
            assert found.counts.max() <= 20
            kept = store.replicates(run, **SETTINGS)
            assert kept is not None
            assert len(kept) == N_RESAMPLES * 2 * 2
