"""Records to JSON and back: exactly, and refusing every other shape."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

import pytest

from robustbench_gnl.data.manifest import Manifest
from robustbench_gnl.errors import DataError, StoreError
from robustbench_gnl.fingerprints import added_later, optional_fields
from robustbench_gnl.records import (
    Condition,
    Model,
    Piece,
    Protocol,
)
from robustbench_gnl.serialization import decode, encode, unknown_keys
from robustbench_gnl.store import schema
from robustbench_gnl.store.codec import (
    pack_head,
    pack_model,
    pack_piece,
    pack_protocol,
    unpack_model,
)
from robustbench_gnl.store.stored_run import RunHead
from tests.store.samples import make_image_set, make_model, make_piece, make_protocol

IMAGES = make_image_set()
HEAD = RunHead("20261123-142530-a1b2c3", 8, "then", None, ("paper",), {"a": {"b": [1]}}, {})
RECORDS = [
    make_model(),
    make_protocol(IMAGES),
    make_protocol(IMAGES, suite="imagenet-r"),
    IMAGES,
    make_piece(Condition("fog", 3), 0, 8),
    HEAD,
    Manifest("gnlbench", "1", 7, None),
    Manifest("gnlbench", "1", 7, 85, "ab" * 32, {"n01440764/a": "cd" * 32}),
]


@dataclass(frozen=True)
class Inner:
    numbers: tuple[float, ...]
    unit: str = added_later("nat")


@dataclass(frozen=True)
class Outer:
    condition: Condition
    inner: Inner
    bits: bytes
    backend: str | None = added_later(None)
    more_bits: bytes = added_later(b"")
    labels: tuple[str, ...] = added_later(())


OUTER = Outer(Condition("fog", 3), Inner((1.5,)), b"\0\xff")
WRITTEN = {"corruption": "fog", "severity": 3, "inner": {"numbers": [1.5]}, "bits": "AP8="}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_was(record: Any) -> None:
    written = json.loads(json.dumps(encode(record)))
    assert decode(type(record), written, "it") == record
    assert encode(decode(type(record), written, "it")) == written


def test_what_was_added_later_is_left_out_while_it_has_its_default() -> None:
    assert encode(OUTER) == WRITTEN
    assert decode(Outer, WRITTEN, "it") == OUTER
    other = Outer(OUTER.condition, Inner((), "bit"), b"", "onnxruntime")
    assert encode(other) == {
        **{"corruption": "fog", "severity": 3, "bits": "", "backend": "onnxruntime"},
        "inner": {"numbers": [], "unit": "bit"},
    }
    assert decode(Outer, encode(other), "it") == other


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"severity": True}, "expected int in it.severity, got True"),
        ({"severity": 3.0}, "expected int in it.severity, got 3.0"),
        ({"severity": 2**63}, "expected int in it.severity"),
        ({"corruption": None}, "expected str in it.corruption, got None"),
        ({"inner": {"numbers": [float("inf")]}}, "in it.inner.numbers, got [inf]"),
        ({"inner": {"numbers": [float("nan")]}}, "in it.inner.numbers, got [nan]"),
        ({"inner": {"numbers": ["1"]}}, "in it.inner.numbers"),
        ({"inner": [1.5]}, "in it.inner, got [1.5]"),
        ({"inner": {"numbers": [], "unit": 1}}, "expected str in it.inner.unit, got 1"),
        ({"inner": {}}, "it.inner does not have the entries it should: missing numbers"),
        ({"bits": "?"}, "expected base64 in it.bits"),
        ({"backend": 3}, "expected str | None in it.backend, got 3"),
        ({"device": "cpu"}, "it does not have the entries it should: missing none; unknown device"),
    ],
)
def test_every_other_shape_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StoreError) as caught:
        decode(Outer, {**WRITTEN, **change}, "it")
    assert sentence in str(caught.value)


def test_an_unknown_field_may_be_of_a_newer_version() -> None:
    with pytest.raises(
        DataError, match=r"unknown device; a newer gnlbench may have written it: upg"
    ):
        decode(Outer, {**WRITTEN, "device": "cpu"}, "it", error=DataError)
    assert unknown_keys(Outer, {**WRITTEN, "device": "cpu"}) == ["device"]


@pytest.mark.parametrize("value", [None, [], "run", 3])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(StoreError, match="expected an object in it, got"):
        decode(Outer, value, "it")


# Columns of the store


def test_every_field_has_a_column() -> None:
    """A field that was added to a record and not to the tables would be lost in silence."""
    runs = {column.name for column in schema.runs.columns}
    assert {*pack_model(make_model()), *pack_head(HEAD)} | {"key", "protocol", "image_set"} == runs
    for record in (Model, RunHead):
        packed = pack_model(make_model()) if record is Model else pack_head(HEAD)
        names = {field.name for field in fields(record)} - {"tags"}
        assert {"model_name" if name == "name" else name for name in names} <= packed.keys()
    piece = make_piece(Condition("fog", 3), 0, 8)
    assert {"run", *pack_piece(piece)} == {column.name for column in schema.pieces.columns}
    names = {field.name for field in fields(Piece)} - {"condition"} | {"corruption", "severity"}
    assert names == pack_piece(piece).keys()


def test_optional_columns_may_be_null() -> None:
    for record, table in ((Model, schema.runs), (RunHead, schema.runs), (Piece, schema.pieces)):
        for name in optional_fields(record):
            assert table.columns[name].nullable


def test_a_protocol_is_stored_without_what_was_added_later() -> None:
    names = {field.name for field in fields(Protocol)} - {"name", *optional_fields(Protocol)}
    assert set(json.loads(pack_protocol(make_protocol(IMAGES))["fields"])) == names


def test_models_come_back_from_their_columns() -> None:
    assert unpack_model(pack_model(make_model())) == make_model()
