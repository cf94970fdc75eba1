"""Between records and the values of columns, without loss."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import (
    N_CALIBRATION_BINS,
    Calibration,
    Condition,
    ImageSet,
    Model,
    Piece,
    Protocol,
)
from robustbench_gnl.store.typed import build

# 15 counts, 15 counts, 15 sums; little-endian on every machine.
_CALIBRATION = struct.Struct(f"<{N_CALIBRATION_BINS}I{N_CALIBRATION_BINS}I{N_CALIBRATION_BINS}d")


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
    content = to_json([list(image_set.keys), list(image_set.labels)])
    return {
        "fingerprint": image_set.fingerprint,
        "name": image_set.name,
        "label_set": image_set.label_set,
        "n_images": image_set.n_images,
        "content": zlib.compress(content.encode()),
    }


def unpack_image_set(row: Mapping[str, Any]) -> ImageSet:
    content = zlib.decompress(bytes(row["content"])).decode()
    keys, labels = json.loads(content)
    values = {
        "name": row["name"],
        "label_set": row["label_set"],
        "keys": keys,
        "labels": labels,
    }
    return build(ImageSet, values, "the image set")


def pack_protocol(protocol: Protocol) -> dict[str, Any]:
    return {
        "fingerprint": protocol.fingerprint,
        "name": protocol.name,
        "fields": to_json(protocol.fields()),
    }


def unpack_protocol(name: str, fields: str) -> Protocol:
    return build(Protocol, dict(name=name, **json.loads(fields)), "the protocol")


def pack_model(model: Model) -> dict[str, Any]:
    return {
        "model_fingerprint": model.fingerprint,
        "model_name": model.name,
        "checkpoint_sha256": model.checkpoint_sha256,
        "weights": model.weights,
        "n_params": model.n_params,
        "n_classes": model.n_classes,
        "mean": to_json(list(model.mean)),
        "std": to_json(list(model.std)),
    }


def unpack_model(row: Mapping[str, Any]) -> Model:
    names = ("checkpoint_sha256", "weights", "n_params", "n_classes")
    values = {
        "name": row["model_name"],
        **{name: row[name] for name in names},
        "mean": json.loads(row["mean"]),
        "std": json.loads(row["std"]),
    }
    return build(Model, values, "the model")


def pack_piece(piece: Piece) -> dict[str, Any]:
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
        "made_from": piece.made_from,
    }


def unpack_piece(row: Mapping[str, Any]) -> Piece:
    bins = _CALIBRATION.unpack(bytes(row["calibration"]))
    n = N_CALIBRATION_BINS
    return Piece(
        block=row["block"],
        condition=Condition(row["corruption"], row["severity"]),
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
