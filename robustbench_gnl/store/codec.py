"""Records to the columns of the database, and back, without loss."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from robustbench_gnl.errors import StoreError
from robustbench_gnl.fingerprints import optional_fields
from robustbench_gnl.records import (
    N_CALIBRATION_BINS,
    Calibration,
    ImageSet,
    Model,
    Piece,
    Protocol,
    condition_of,
)
from robustbench_gnl.serialization import decode, encode
from robustbench_gnl.store.stored_run import RunHead

# Images, correct ones and the sum of confidences of each bin; little-endian on every machine.
_CALIBRATION = struct.Struct(f"<{N_CALIBRATION_BINS}I{N_CALIBRATION_BINS}I{N_CALIBRATION_BINS}d")
_MODEL_COLUMNS = {"name": "model_name"}
"""Fields of a model whose columns have another name."""


def to_json(value: Any) -> str:
    """Canonical JSON, so that equal values are equal text."""
    try:
        # ASCII: a path in `environment` may hold bytes that are no Unicode.
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"expected values that JSON can hold (text, finite numbers, lists, mappings): {error}"
        ) from error


def pack_image_set(image_set: ImageSet) -> dict[str, Any]:
    """The columns of `image_sets`."""
    content = to_json([list(image_set.keys), list(image_set.labels)])
    return {
        "fingerprint": image_set.fingerprint,
        "name": image_set.name,
        "label_set": image_set.label_set,
        "n_images": image_set.n_images,
        "content": zlib.compress(content.encode()),
    }


def unpack_image_set(row: Mapping[str, Any]) -> ImageSet:
    """The image set of a row of `image_sets`."""
    content = zlib.decompress(bytes(row["content"])).decode()
    keys, labels = json.loads(content)
    values = {
        "name": row["name"],
        "label_set": row["label_set"],
        "keys": keys,
        "labels": labels,
    }
    return decode(ImageSet, values, "the image set")


def pack_protocol(protocol: Protocol) -> dict[str, Any]:
    """The columns of `protocols`."""
    return {
        "fingerprint": protocol.fingerprint,
        "name": protocol.name,
        # The very fields that the fingerprint is made of: those added later are no columns.
        "fields": to_json(protocol.fields()),
    }


def unpack_protocol(name: str, fields: str) -> Protocol:
    """The protocol of two columns of `protocols`."""
    return decode(Protocol, dict(name=name, **json.loads(fields)), "the protocol")


def pack_model(model: Model) -> dict[str, Any]:
    """The columns of `runs` that hold the model; NULL means the default of a field that was
    added later."""
    values = {**dict.fromkeys(optional_fields(Model)), **encode(model)}
    columns = {
        _MODEL_COLUMNS.get(name, name): to_json(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
    return {"model_fingerprint": model.fingerprint, **columns}


def unpack_model(row: Mapping[str, Any]) -> Model:
    """The model of a row of `runs`."""
    optional = optional_fields(Model)
    values = {}
    for name in Model.__dataclass_fields__:
        column = _MODEL_COLUMNS.get(name, name)
        if name in optional and row.get(column) is None:
            continue
        values[name] = json.loads(row[column]) if name in ("mean", "std") else row[column]
    return decode(Model, values, "the model")


def pack_head(head: RunHead) -> dict[str, Any]:
    """The columns of `runs` that hold everything else but what the run refers to; tags have a
    table of their own."""
    values = {**dict.fromkeys(optional_fields(RunHead)), **encode(head)}
    del values["tags"]
    return {
        name: to_json(dict(value)) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }


def unpack_head(row: Mapping[str, Any], tags: list[Any]) -> RunHead:
    """The head of a row of `runs`."""
    optional = optional_fields(RunHead)
    # Sorted, because a table gives its rows in any order.
    values: dict[str, Any] = {"tags": sorted(tags)}
    for name in RunHead.__dataclass_fields__:
        if name == "tags" or (name in optional and row.get(name) is None):
            continue
        values[name] = json.loads(row[name]) if name in ("environment", "skipped") else row[name]
    return decode(RunHead, values, "run")


def pack_piece(piece: Piece) -> dict[str, Any]:
    """The columns of `pieces`, but for the run."""
    bins = piece.calibration
    return {
        "corruption": piece.condition.corruption,
        "severity": piece.condition.severity,
        "block": piece.block,
        "n_images": piece.n_images,
        "n_top1": piece.n_top1,
        "n_top5": piece.n_top5,
        "negative_log_likelihood_sum": float(piece.negative_log_likelihood_sum),
        "seconds": float(piece.seconds),
        "digest": piece.digest,
        "calibration": _CALIBRATION.pack(*bins.n_images, *bins.n_top1, *bins.confidence_sum),
        "correct": piece.correct,
        # NULL for pieces that were written before the column was added.
        "made_from": piece.made_from,
    }


def unpack_piece(row: Mapping[str, Any]) -> Piece:
    """The piece of a row of `pieces`.

    Spelled out, not by `decode`: an evaluation of 50,000 images has thousands of pieces, and the
    bootstrap reads them all.
    """
    bins = _CALIBRATION.unpack(bytes(row["calibration"]))
    n = N_CALIBRATION_BINS
    return Piece(
        block=row["block"],
        condition=condition_of(row["corruption"], row["severity"]),
        n_images=row["n_images"],
        n_top1=row["n_top1"],
        n_top5=row["n_top5"],
        negative_log_likelihood_sum=row["negative_log_likelihood_sum"],
        calibration=Calibration(bins[:n], bins[n : 2 * n], bins[2 * n :]),
        correct=bytes(row["correct"]),
        digest=row["digest"],
        seconds=row["seconds"],
        made_from=row.get("made_from"),
    )
