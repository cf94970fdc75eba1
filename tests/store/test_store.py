"""Runs go in piece by piece and come out as sums; people find them by many names."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustbench_gnl.contents import Contents
from robustbench_gnl.errors import StoreError, UsageError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.store import Store, open_store
from tests.store.samples import (
    BLOCK_SIZE,
    block_sizes,
    fill,
    make_image_set,
    make_model,
    make_piece,
    make_protocol,
)

FOG = Condition("fog", 3)
NOISE = Condition("gaussian_noise", 1)


@pytest.fixture
def store(tmp_path: Path):
    with open_store(str(tmp_path / "runs.sqlite"), write=True) as opened:
        yield opened


def test_a_run_comes_back_as_it_went_in(store: Store):
    image_set = make_image_set()
    protocol, model = make_protocol(image_set, skipped_images=1), make_model()
    run_id = store.create_run(
        model,
        protocol,
        image_set,
        block_size=8,
        tags=["paper", "ablation", "paper"],
        environment={"torch": "2.8.0", "gpu": None, "threads": [1, 2], "file": "caf\udce9"},
        skipped={"n01/broken": "truncated"},
    )
    run = store.run(run_id)
    assert (run.model, run.protocol, run.block_size) == (model, protocol, 8)
    assert run.tags == ("ablation", "paper")
    assert run.environment["threads"] == [1, 2]
    assert run.environment["file"] == "caf\udce9", "a path may hold bytes that are no Unicode"
    assert run.skipped == {"n01/broken": "truncated"}
    assert run.finished_at is None
    assert (run.cells, run.n_unfinished_cells, run.seconds) == ({}, 0, 0)
    assert store.image_set(image_set.fingerprint) == image_set


def test_only_complete_cells_are_shown(store: Store):
    run_id = fill(store, (NOISE, CLEAN, FOG), finish=False)
    unfinished = Condition("snow", 5)
    piece = make_piece(unfinished, 2, 4)
    store.add_piece(run_id, piece)
    run = store.run(run_id)
    assert list(run.cells) == [CLEAN, NOISE, FOG], "clean first, then as in the paper"
    assert run.n_unfinished_cells == 1
    stored = list(store.pieces(run_id))
    assert run.seconds == pytest.approx(sum(one.seconds for one in stored))
    assert list(store.pieces(run_id, unfinished)) == [piece]
    assert store.stored_pieces(run_id) == {
        (p.block, p.condition): Contents(p.digest, p.digest) for p in stored
    }


@settings(max_examples=10)
@given(n_images=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_pieces_add_up_in_any_order(n_images: int, seed: int):
    image_set = make_image_set(n_images)
    pieces = [
        make_piece(FOG, block, size, seed) for block, size in enumerate(block_sizes(n_images))
    ]
    sums = set()
    for shuffle in range(2):
        order = random.Random(shuffle).sample(pieces, len(pieces))
        with open_store("sqlite://", write=True) as store:
            run_id = store.create_run(
                make_model(), make_protocol(image_set), image_set, block_size=BLOCK_SIZE
            )
            for piece in order:
                assert FOG not in store.run(run_id).cells
                store.add_piece(run_id, piece)
            sums.add(store.run(run_id).cells[FOG])
    (cell,) = sums  # The very same sum, to the last bit.
    assert cell.n_images == n_images
    assert cell.n_top1 == sum(piece.n_top1 for piece in pieces)
    assert cell.n_top5 == sum(piece.n_top5 for piece in pieces)
    assert cell.negative_log_likelihood_sum == pytest.approx(
        sum(piece.negative_log_likelihood_sum for piece in pieces), rel=1e-12
    )


def test_a_piece_is_stored_once(store: Store):
    run_id = fill(store, (FOG,))
    before = store.run(run_id)
    with pytest.raises(StoreError, match="already holds fog/3, block 1; expected each piece once"):
        store.add_piece(run_id, make_piece(FOG, 1, 8, seed=7))
    assert store.run(run_id) == before


def test_a_refused_piece_leaves_nothing(store: Store):
    run_id = fill(store, ())
    piece = make_piece(FOG, 0, 8)
    with pytest.raises(StoreError, match="bits say so"):
        store.add_piece(run_id, replace(piece, correct=bytes([piece.correct[0] ^ 1])))
    assert store.stored_pieces(run_id) == {}


def test_the_newest_run_of_model_and_protocol_is_found(store: Store):
    protocol = make_protocol(make_image_set())
    assert store.run_ids_of(make_model(), protocol) == []
    first = fill(store, ())
    second = fill(store, ())
    fill(store, (), model=make_model("vit"))
    assert store.run_ids_of(make_model(), protocol) == [second, first]
    assert store.run_ids_of(make_model(checkpoint="other"), protocol) == []
    assert store.run_ids_of(make_model(), replace(protocol, precision="bf16")) == []
    assert [run.id for run in store.runs(limit=2)][1] == second


def test_people_name_runs_in_many_ways(store: Store):
    first = fill(store, (), tags=("paper",))
    second = fill(store, (), tags=("paper",))
    third = fill(store, (), finish=False)
    assert store.resolve(first).id == first
    assert store.resolve(second[:-1]).id == second
    assert store.resolve("paper").id == second
    assert store.resolve("resnet50").id == second, "the third is not finished"
    store.add_tags(third, ["paper", third[:8]])
    assert store.resolve("paper").id == third
    assert store.resolve(third[:8]).id == third, "a tag goes before an ambiguous start"
    assert store.named("paper") == store.tagged("paper") == [third, second, first]
    assert store.named("resnet50") == [second, first]
    assert store.named(first) == [first]
    assert store.tagged("resnet50") == []


def test_a_run_that_is_missing_offers_near_ones(store: Store):
    with pytest.raises(UsageError, match="the store is empty"):
        store.resolve("paper")
    run_ids = [fill(store, (), finish=False) for _ in range(2)]
    with pytest.raises(UsageError, match="no run of the model 'resnet50' is finished; name one"):
        store.resolve("resnet50")
    with pytest.raises(UsageError, match="did you mean 'resnet50'"):
        store.resolve("resnet5O")
    with pytest.raises(UsageError, match="is the start of 2 run ids: ") as caught:
        store.resolve("20")
    assert sorted(caught.value.ids) == sorted(run_ids)
    with pytest.raises(UsageError, match="`gnlbench runs list` shows what is there"):
        store.resolve("zzzz")
    for call in (store.run, store.finish_run, store.delete_run, store.stored_pieces):
        with pytest.raises(UsageError, match="no run '0000'"):
            call("0000")


def test_deleting_a_run_takes_all_that_is_its_own(store: Store, tmp_path: Path):
    kept = fill(store, (CLEAN,), tags=("kept",))
    gone = fill(store, (CLEAN, FOG), n_images=9, tags=("gone",))
    before = store.export_run(kept)
    store.delete_run(gone)
    assert [run.id for run in store.runs()] == [kept]
    assert store.export_run(kept) == before
    with pytest.raises(StoreError, match="holds no image set"):
        store.image_set(make_image_set(9).fingerprint)
    assert list((tmp_path / "runs.sqlite.locks").iterdir()) == []


def test_a_run_needs_images_that_fit_its_protocol(store: Store):
    images = make_image_set(20)
    wrong = {
        "n_images": make_protocol(images, n_images=19),
        "fingerprint": replace(make_protocol(images), image_set="imagenet"),
        "label set": make_protocol(images, label_set="folders-12"),
    }
    for word, protocol in wrong.items():
        with pytest.raises(StoreError, match=r"expected the same"):
            store.create_run(make_model(), protocol, images, block_size=8)
        assert store.runs() == [], word
    unsorted = replace(images, keys=images.keys[::-1])
    with pytest.raises(StoreError, match="is not sorted"):
        store.create_run(make_model(), make_protocol(unsorted), unsorted, block_size=8)
    with pytest.raises(StoreError, match="block size of at least 1, got 0"):
        store.create_run(make_model(), make_protocol(images), images, block_size=0)
    with pytest.raises(StoreError, match="values that JSON can hold"):
        store.create_run(
            make_model(), make_protocol(images), images, block_size=8, environment={"x": {1, 2}}
        )
    assert store.runs() == []


def test_a_store_opened_for_reading_refuses_to_write(tmp_path: Path):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        run_id = fill(store, ())
    with open_store(path) as store:
        for change in (store.finish_run, store.delete_run):
            with pytest.raises(StoreError, match="opened for reading"):
                change(run_id)
        with pytest.raises(StoreError, match="opened for reading"), store.lock_run(run_id):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["runs.sqlite"], "no file of the WAL stays"
