"""Runs travel between stores without loss, and a damaged one changes nothing."""

from __future__ import annotations

import base64
import copy
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.store import open_store
from robustbench_gnl.store.documents import check_stored, from_document, to_document
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.store.samples import (
    block_sizes,
    fill,
    import_document,
    make_image_set,
    make_model,
    make_piece,
    make_protocol,
)

FOG = Condition("fog", 3)
words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
)


@settings(max_examples=10)
@given(
    n_images=st.integers(1, 40),
    block_size=st.integers(1, 20),
    chosen=st.sets(st.sampled_from([CLEAN, *DEFAULT_SUITE.main_conditions]), max_size=3),
    tags=st.sets(words, max_size=3),
    environment=st.dictionaries(words, st.one_of(words, st.integers(), st.none()), max_size=3),
    seed=st.integers(0, 2**32),
    finish=st.booleans(),
)
def test_export_import_export_is_identical(
    n_images: int,
    block_size: int,
    chosen: set[Condition],
    tags: set[str],
    environment: dict[str, Any],
    seed: int,
    finish: bool,
):
    image_set = make_image_set(n_images)
    with open_store("sqlite://", write=True) as store:
        run_id = store.create_run(
            make_model(),
            make_protocol(image_set),
            image_set,
            block_size=block_size,
            tags=tags,
            environment=environment,
        )
        for condition in chosen:
            for block, size in enumerate(block_sizes(n_images, block_size)):
                store.add_piece(run_id, make_piece(condition, block, size, seed))
        if finish:
            store.finish_run(run_id)
        document, run = store.export_run(run_id), store.run(run_id)
    with open_store("sqlite://", write=True) as other:
        assert import_document(other, json.loads(json.dumps(document))) == run_id
        assert other.export_run(run_id) == document
        assert other.run(run_id) == run


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    with open_store("sqlite://", write=True) as store:
        exported = store.export_run(fill(store, (CLEAN, FOG), tags=("paper",)))
    return json.loads(json.dumps(exported))


def test_the_same_run_again_adds_only_its_tags(document: dict[str, Any]):
    with open_store("sqlite://", write=True) as store:
        run_id = import_document(store, document)
        tagged = copy.deepcopy(document)
        tagged["run"]["tags"] = ["release"]
        tagged["protocol"]["name"] = "another name of the same"
        assert import_document(store, tagged) == run_id
        assert len(store.runs()) == 1
        assert store.run(run_id).tags == ("paper", "release")


def test_another_run_of_the_same_id_is_refused(document: dict[str, Any]):
    other = copy.deepcopy(document)
    other["run"]["finished_at"] = None
    with open_store("sqlite://", write=True) as store:
        run_id = import_document(store, document)
        with pytest.raises(StoreError, match=f"another run {run_id} with different facts"):
            import_document(store, other)
        assert store.export_run(run_id) == document


def _flip_a_bit(document: dict[str, Any]) -> None:
    piece = document["pieces"][0]
    bits = bytearray(base64.b64decode(piece["correct"]))
    bits[0] ^= 0x80
    piece["correct"] = base64.b64encode(bytes(bits)).decode()


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a bit": (_flip_a_bit, "bits say so"),
    "a version": (lambda d: d.update(schema_version=2), "schema_version 1, got 2"),
    "a part": (lambda d: d.pop("pieces"), "missing pieces; unknown none"),
    "more than known": (lambda d: d.update(extra=1), "unknown extra"),
    "an id": (lambda d: d["run"].update(id="../../etc/passwd"), "expected a run id such as"),
    "a time": (lambda d: d["run"].update(created_at="yesterday"), "created_at as a UTC time"),
    "a zone": (
        lambda d: d["run"].update(created_at="2026-11-23T14:25:30+02:00"),
        "created_at as a UTC time",
    ),
    "a type": (lambda d: d["run"].update(block_size="8"), "expected int in run.block_size"),
    "a flag": (lambda d: d["run"].update(block_size=True), "expected int in run.block_size"),
    "a tag": (lambda d: d["run"].update(tags=[""]), "at least one letter"),
    "a model": (lambda d: d["model"].update(n_params=1), "the model has the fingerprint"),
    "a seed": (lambda d: d["protocol"].update(seed=1), "the protocol has the fingerprint"),
    "a label": (lambda d: d["image_set"]["labels"].reverse(), "the image_set has the fingerprint"),
    "labels": (lambda d: d["image_set"]["labels"].pop(), "image_set of the document is damaged"),
    "text": (lambda d: d["run"].update(tags=["\ud800"]), "refuses text that is no Unicode"),
    "a name": (lambda d: d["pieces"][0].update(corruption="rain"), "got 'rain' at severity"),
    "a severity": (lambda d: d["pieces"][-1].update(severity=9), "at severity 9"),
    "a block": (lambda d: d["pieces"][0].update(block=77), "expected a block from 0 to 2"),
    "a count": (lambda d: d["pieces"][0].update(n_images=7), "expected 8 images, got 7"),
    "a copy": (lambda d: d["pieces"].append(d["pieces"][0]), "more than once"),
    "base64": (lambda d: d["pieces"][0].update(correct="!"), "expected base64 in pieces[0]"),
    "a bin": (
        lambda d: d["pieces"][0]["calibration"]["n_images"].append(0),
        "expected 15 calibration bins",
    ),
    "a long int": (
        lambda d: d["run"].update(block_size=2**63),
        "expected int in run.block_size",
    ),
    "a long float": (
        lambda d: d["pieces"][0].update(seconds=10**400),
        "expected float in pieces[0].seconds",
    ),
    "a long sum": (
        lambda d: d["pieces"][0]["calibration"]["confidence_sum"].__setitem__(0, 10**400),
        "pieces[0].calibration.confidence_sum",
    ),
    "a long count": (lambda d: d["model"].update(n_params=10**30), "expected int in model"),
    "tags": (lambda d: d["run"].update(tags=["a", "a"]), "every tag"),
    "digits": (lambda d: d["run"].update(id="٢٠٢٦١١٢٣-142530-a1b2c3"), "expected a run id such as"),
    "a word": (lambda d: d["protocol"].update(name="\ud800"), "refuses text that is no Unicode"),
    "a reason": (lambda d: d["run"].update(skipped={"a/b": 3}), "a reason in words"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_document_changes_nothing(document: dict[str, Any], what: str):
    damage, sentence = DAMAGE[what]
    damaged = copy.deepcopy(document)
    damage(damaged)
    with open_store("sqlite://", write=True) as store:
        with pytest.raises(StoreError) as caught:
            import_document(store, damaged)
        assert sentence in str(caught.value)
        assert store.runs() == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mean": (0.5, 0.5)}, "three finite numbers as mean"),
        ({"mean": (0.5, 0.5, math.nan)}, "three finite numbers as mean"),
        ({"std": (0.5, math.inf, 0.5)}, "three finite numbers as std"),
        ({"std": (0.5, 0.0, 0.5)}, "above 0 as std"),
        ({"checkpoint_sha256": "abc"}, "64 hexadecimal digits"),
        ({"n_classes": 4}, "expected labels from 0 to 3"),
    ],
)
def test_a_model_that_cannot_be_is_refused(
    document: dict[str, Any], changes: dict[str, Any], sentence: str
):
    model = replace(make_model(), **changes)
    with open_store("sqlite://", write=True) as store:
        given = from_document(document)
        with pytest.raises(StoreError, match=sentence):
            check_stored(replace(given, model=model))
        with pytest.raises(StoreError):
            store.import_stored([replace(given, model=model)])
        changed = to_document(replace(given, model=model))
        with pytest.raises(StoreError):
            import_document(store, json.loads(json.dumps(changed)))
        assert store.runs() == []


@pytest.mark.parametrize("value", [None, [], "run", 3, {}])
def test_what_is_no_document_is_refused(value: Any):
    with (
        open_store("sqlite://", write=True) as store,
        pytest.raises(StoreError, match="expected a run exported with schema_version 1"),
    ):
        import_document(store, value)


def test_merging_adds_what_is_missing(tmp_path: Path):
    with (
        open_store(str(tmp_path / "here.sqlite"), write=True) as here,
        open_store(str(tmp_path / "there.sqlite"), write=True) as there,
    ):
        both = fill(here, (CLEAN,))
        import_document(there, here.export_run(both))
        new = fill(there, (CLEAN, FOG), model=make_model("vit"))
        assert here.import_stored(there.stored_runs()) == [new]
        assert here.export_run(new) == there.export_run(new)
        assert here.import_stored(there.stored_runs()) == []
        assert here.import_stored(here.stored_runs()) == []


def test_a_merge_is_all_or_nothing(tmp_path: Path):
    with (
        open_store(str(tmp_path / "here.sqlite"), write=True) as here,
        open_store(str(tmp_path / "there.sqlite"), write=True) as there,
    ):
        fill(there, (CLEAN,), model=make_model("fine"))
        clash = fill(here, (CLEAN,))
        import_document(there, here.export_run(clash))
        there.add_piece(clash, make_piece(FOG, 0, 8))
        with pytest.raises(StoreError, match="nothing was imported"):
            here.import_stored(there.stored_runs())
        assert [run.id for run in here.runs()] == [clash]
