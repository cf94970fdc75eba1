"""What is beyond all evaluations is refused in a short sentence; what is at the bound, accepted."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition, ImageSet
from robustbench_gnl.store import bounds as b
from robustbench_gnl.store import documents, open_store
from robustbench_gnl.store.documents import from_document, parse_document, to_document
from tests.store.samples import fill, import_document, make_image_set, make_model, make_protocol

FOG = Condition("fog", 3)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    with open_store("sqlite://", write=True) as store:
        exported = store.export_run(fill(store, (CLEAN, FOG), tags=("paper",)))
    return json.loads(json.dumps(exported))


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def _run(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["run"].update(values)


def _environment(**values: Any) -> Callable[[dict[str, Any]], None]:
    return _run(environment=values)


def _piece(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["pieces"][0].update(values)


def _confidence(change: Callable[[list[float]], object]) -> Callable[[dict[str, Any]], None]:
    return lambda document: change(document["pieces"][0]["calibration"]["confidence_sum"])


def _remade(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """With other records, whose fingerprints are right."""

    def change(document: dict[str, Any]) -> None:
        images: ImageSet = changes.get("image_set", make_image_set())
        stored = replace(
            from_document(document),
            model=replace(make_model(), **changes.get("model", {})),
            image_set=images,
            protocol=replace(make_protocol(images), **changes.get("protocol", {})),
        )
        document.update(json.loads(json.dumps(to_document(stored))))

    return change


KEYS = make_image_set().keys
REFUSED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a loss": (_piece(negative_log_likelihood_sum=1e300), "negative_log_likelihood_sum of at most"),
    "an infinite loss": (_piece(negative_log_likelihood_sum=float("inf")), "expected float"),
    "a time of work": (_piece(seconds=1e300), "expected a seconds of at most 1e+07, got 1e+300"),
    "a text for a number": (_piece(n_top1="1"), "expected int in pieces[0].n_top1, got '1'"),
    "a flag for a number": (_piece(severity=True), "expected int in pieces[0].severity, got True"),
    "a fraction for a count": (_piece(n_images=8.0), "expected int in pieces[0].n_images"),
    "a confidence": (_confidence(lambda sums: sums.__setitem__(0, 1e300)), "bin 0 with"),
    "a confidence below its bin": (
        _confidence(lambda sums: sums.__setitem__(slice(None), [0.0] * 15)),
        "expected a confidence sum from",
    ),
    "confidence in no image": (
        _confidence(lambda sums: sums.__setitem__(sums.index(0.0), 0.5)),
        "with 0 images, got 0.5",
    ),
    "a block size": (_run(block_size=2**40), "a block size from 1 to 1e+07"),
    "a nested number": (_run(block_size=_nested(400)), "expected int in run.block_size"),
    "a long id": (_run(id="1" * 5_000_000), "expected a run id such as"),
    "a local time": (_run(created_at="2026-11-23T14:25:30"), "created_at as a UTC time"),
    "a time with Z": (_run(created_at="2026-11-23T14:25:30Z"), "created_at as a UTC time"),
    "a short time": (_run(created_at="20261123T142530+00:00"), "created_at as a UTC time"),
    "a time of day 24": (_run(created_at="2026-11-23T24:25:30+00:00"), "created_at as a UTC"),
    "year 10,000": (_run(created_at="10000-01-01T00:00:00+00:00"), "created_at as a UTC time"),
    "a deep environment": (_environment(a=_nested(21)), "at most 20 levels deep"),
    "a very deep environment": (_environment(a=_nested(400)), "at most 20 levels deep"),
    "a large environment": (_environment(a=[0] * 100_001), "at most 100,000 values"),
    "a long text": (_environment(a="x" * 4_000_001), "at most 4,000,000 characters in the env"),
    "NaN in it": (_environment(a=float("nan")), "finite numbers"),
    "a long number": (_environment(a=10**1000), "values that JSON can hold"),
    "NUL in it": (_environment(a="x\0"), "NUL character"),
    "NUL in a key of it": (_run(environment={"a": {"\0": 1}}), "NUL character"),
    "resumed": (_environment(resumed="often"), "expected a list of objects as `resumed`"),
    "resumed often": (_environment(resumed=["once"]), "expected a list of objects as `resumed`"),
    "an environment of values": (_run(environment=["torch"]), "run.environment"),
    "skipped as a list": (_run(skipped=["n01/x"]), "run.skipped"),
    "NUL in skipped": (_run(skipped={"a\0": "b"}), "NUL character"),
    "a long reason": (_run(skipped={"a": "b" * 10_001}), "at most 10,000 characters"),
    "a long tag": (_run(tags=["x" * 201]), "a tag of at most 200 characters, got 201"),
    "many tags": (_run(tags=[f"t{i}" for i in range(1001)]), "at most 1,000 tags, got 1,001"),
    "NUL in a tag": (_run(tags=["a\0b"]), "NUL character"),
    "half a character in a tag": (_run(tags=["\ud800"]), "no Unicode"),
    "a tag like a run": (_run(tags=["20261123-142530-a1b2c3"]), "does not look like a run id"),
    "a number for a tag": (_run(tags=[1]), "expected tuple in run.tags, got [1]"),
    "a long name": (_remade(model={"name": "x" * 1_001}), "model.name of at most 1,000"),
    "no name": (_remade(model={"name": ""}), "model.name of at least one character"),
    "NUL in a name": (_remade(model={"name": "a\0"}), "NUL character: model.name"),
    "parameters": (_remade(model={"n_params": 2**62}), "a number of parameters from 0"),
    "classes": (_remade(model={"n_classes": 2**40}), "a number of classes from 1"),
    "a mean": (_remade(model={"mean": (1e308, 0.0, 0.0)}), "a mean from -1e+06 to 1e+06"),
    "a tiny std": (_remade(model={"std": (5e-324, 1.0, 1.0)}), "a std from 1e-06 to 1e+06"),
    "a huge std": (_remade(model={"std": (1e308, 1.0, 1.0)}), "a std from 1e-06 to 1e+06"),
    "a JPEG quality": (_remade(protocol={"jpeg_quality": -5}), "a JPEG quality from 1 to 100"),
    "left out": (_remade(protocol={"skipped_images": -1}), "a number of skipped images from 0"),
    "a long field": (_remade(protocol={"crop": "x" * 5000}), "protocol.crop of at most 1,000"),
    "NUL in a field": (_remade(protocol={"engine": "\0"}), "NUL character: protocol.engine"),
    "a seed": (_remade(protocol={"seed": 2**63}), "expected int | None in protocol.seed"),
    "a key twice": (
        _remade(image_set=replace(make_image_set(), keys=(KEYS[0], *KEYS[:-1]))),
        "holds a key twice",
    ),
    "a long key": (
        _remade(image_set=replace(make_image_set(), keys=(*KEYS[:-1], "x" * 5000))),
        "an image key of at most 4,096",
    ),
    "NUL in a key": (
        _remade(image_set=replace(make_image_set(), keys=(*KEYS[:-1], "x\0"))),
        "NUL character: an image key",
    ),
    "a label of text": (
        _remade(image_set=replace(make_image_set(), labels=("0", *[0] * 19))),
        "image_set.labels",
    ),
    "a label of true": (
        _remade(image_set=replace(make_image_set(), labels=(True, *[0] * 19))),
        "image_set.labels",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_beyond_the_bounds_is_refused(document: dict[str, Any], what: str):
    change, sentence = REFUSED[what]
    changed = copy.deepcopy(document)
    change(changed)
    with open_store("sqlite://", write=True) as store:
        with pytest.raises(StoreError) as caught:
            import_document(store, changed)
        assert sentence in str(caught.value)
        assert len(str(caught.value)) < 1_000, "a message stays short, whatever it is about"
        assert store.runs() == []


ACCEPTED: dict[str, Callable[[dict[str, Any]], None]] = {
    "the first year": _run(
        created_at="0001-01-01T00:00:00+00:00", finished_at="9999-12-31T23:59:59+00:00"
    ),
    "a deep environment": _environment(a=_nested(18)),
    "a long text": _environment(a="x" * b.MOST_TEXT),
    "a path that is no Unicode": _environment(file="caf\udce9"),
    "a long tag": _run(tags=["ü" * b.MOST_TAG]),
    "a loss": _piece(negative_log_likelihood_sum=8 * b.MOST_LOSS, seconds=b.MOST_SECONDS),
    "whole numbers": _piece(negative_log_likelihood_sum=5, seconds=0),
    "the model": _remade(
        model={
            "name": "x" * b.MOST_NAME,
            "n_params": b.MOST_PARAMS,
            "n_classes": b.MOST_CLASSES,
            "mean": (b.MOST_MEAN, -b.MOST_MEAN, 0),
            "std": (b.LEAST_STD, b.MOST_STD, 1),
        }
    ),
    "the protocol": _remade(protocol={"seed": -(2**63), "jpeg_quality": 100, "engine": ""}),
    "the keys": _remade(image_set=replace(make_image_set(), keys=(*KEYS[:-1], "x" * b.MOST_KEY))),
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_what_is_at_the_bounds_is_accepted_and_travels(document: dict[str, Any], what: str):
    changed = copy.deepcopy(document)
    ACCEPTED[what](changed)
    with open_store("sqlite://", write=True) as store, open_store("sqlite://", write=True) as other:
        run_id = import_document(store, changed)
        assert other.import_stored(store.stored_runs()) == [run_id]
        assert other.export_run(run_id) == store.export_run(run_id)


def test_a_key_stands_once_in_an_object():
    with pytest.raises(StoreError, match="every key of an object once, got 'a' twice"):
        parse_document(b'{"run": [{"a": 1, "b": 2, "a": 3}]}')


def test_a_document_larger_than_any_run_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(documents, "MOST_BYTES", 2**20)
    assert parse_document(b"1" + b" " * (2**20 - 1)) == 1
    with pytest.raises(ValueError, match="more than 1 MiB"):
        parse_document(b"1" + b" " * 2**20)


def test_a_store_refuses_what_an_import_refuses():
    images = make_image_set()
    what = (make_model(), make_protocol(images), images)
    with open_store("sqlite://", write=True) as store:
        for wrong in (
            {"tags": ["20261123-142530-a1b2c3"]},
            {"environment": {"a": _nested(30)}},
            {"skipped": {"a": "\0"}},
        ):
            with pytest.raises(StoreError):
                store.create_run(*what, block_size=8, **wrong)  # type: ignore[arg-type]
        assert store.runs() == []
        run_id = store.create_run(*what, block_size=8)
        with pytest.raises(StoreError, match="does not look like a run id"):
            store.add_tags(run_id, ["20261123-142530-a1b2c3"])
        with pytest.raises(StoreError, match="levels deep"):
            store.note_resumed(run_id, {"a": _nested(30)})
        assert store.run(run_id).environment == {}
        assert store.run(run_id).tags == ()


def test_an_environment_that_is_nested_too_deep_is_damage(tmp_path):
    path = str(tmp_path / "runs.sqlite")
    with open_store(path, write=True) as store:
        run_id = fill(store, (CLEAN,))
        with store._writing() as connection:
            text = json.dumps({"a": _nested(400)})
            connection.exec_driver_sql("UPDATE runs SET environment = ?", (text,))
        with pytest.raises(StoreError, match="nested too deep"):
            store.run(run_id)
        store.delete_run(run_id)
