"""A whole run as one JSON document, and the checks of a document that is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import (
    SCHEMA_VERSION,
    ImageSet,
    Model,
    Piece,
    Protocol,
)
from robustbench_gnl.serialization import check_entries, decode, encode
from robustbench_gnl.store.bounds import (
    MOST_KEY,
    MOST_REASON,
    MOST_TAGS,
    check_environment,
    check_text,
)
from robustbench_gnl.store.checks import (
    RUN_ID,
    check_confidences,
    check_model,
    check_piece,
    check_run,
    check_tag,
    check_time,
)
from robustbench_gnl.store.stored_run import RunHead, StoredRun
from robustbench_gnl.text import quoted

MOST_BYTES = 2**29
"""Of a document: a run of 50,000 images with all cells has 12 MB."""
_Record = TypeVar("_Record", Model, Protocol, ImageSet)
_DOCUMENT_TYPES: dict[str, Any] = {
    "schema_version": int,
    "run": Mapping,
    "model": Mapping,
    "protocol": Mapping,
    "image_set": Mapping,
    "pieces": list,
}


def to_document(stored: StoredRun) -> dict[str, Any]:
    """The run as values that JSON can hold."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": encode(stored.head),
        "model": _with_fingerprint(stored.model),
        "protocol": _with_fingerprint(stored.protocol),
        "image_set": _with_fingerprint(stored.image_set),
        "pieces": [encode(piece) for piece in stored.pieces],
    }


def parse_document(content: bytes) -> Any:
    """The JSON of a document, as `from_document` takes it.

    Raises:
        StoreError: An object in it has a key twice, of which JSON libraries silently drop one.
        ValueError: It is no JSON, or larger than any run.
        RecursionError: It is nested too deep.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES // 2**20} MiB")
    return json.loads(content, object_pairs_hook=_without_repeated_keys)


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise StoreError(f"expected every key of an object once, got {quoted(key)} twice")
        found[key] = value
    return found


def from_document(document: Any) -> StoredRun:
    """Read a document and check that nothing in it contradicts anything else.

    Raises:
        StoreError: It is no run that this program wrote, or it was changed since.
    """
    version = document.get("schema_version") if isinstance(document, Mapping) else None
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"expected a run exported with schema_version {SCHEMA_VERSION}, got {quoted(version)}; "
            "write one with `gnlbench runs export RUN -o FILE`",
            schema_version=version,
        )
    parts = check_entries(document, _DOCUMENT_TYPES, "the document")
    stored = StoredRun(
        head=decode(RunHead, parts["run"], "run"),
        model=_checked(Model, parts["model"], "model"),
        protocol=_checked(Protocol, parts["protocol"], "protocol"),
        image_set=_checked(ImageSet, parts["image_set"], "image_set"),
        pieces=tuple(
            decode(Piece, value, f"pieces[{i}]") for i, value in enumerate(parts["pieces"])
        ),
    )
    if len(set(stored.head.tags)) < len(stored.head.tags):
        raise StoreError(f"expected every tag of run {stored.head.id} once")
    check_stored(stored)
    return stored


def check_stored(stored: StoredRun) -> None:
    """Refuse a run that an evaluation cannot have written."""
    head = stored.head
    # The id becomes the name of a lock file.
    if not RUN_ID.fullmatch(head.id):
        raise StoreError(
            f"expected a run id such as 20261123-142530-a1b2c3, got {quoted(head.id)}",
            run_id=head.id,
        )
    for name in ("created_at", "finished_at"):
        check_time(getattr(head, name), name)
    check_environment(head.environment)
    _check_texts(stored)
    check_run(stored.protocol, stored.image_set, head.block_size)
    check_model(stored.model, stored.image_set)
    seen = set()
    for piece in stored.pieces:
        check_piece(piece, stored.protocol, head.block_size)
        check_confidences(piece)
        if (piece.condition, piece.block) in seen:
            raise StoreError(
                f"run {head.id} holds {piece.condition}, block {piece.block}, more than once"
            )
        seen.add((piece.condition, piece.block))


def _check_texts(stored: StoredRun) -> None:
    head = stored.head
    if len(head.tags) > MOST_TAGS:
        raise StoreError(f"expected at most {MOST_TAGS:,} tags, got {len(head.tags):,}")
    if not all(head.tags):
        raise StoreError(f"expected tags with at least one letter in run {head.id}")
    for tag in head.tags:
        check_tag(tag)
    for key, reason in head.skipped.items():
        if not isinstance(reason, str):
            raise StoreError(f"expected a reason in words for every skipped image of run {head.id}")
        for text, most in ((key, MOST_KEY), (reason, MOST_REASON)):
            if len(text) > most or "\0" in text:  # Stored escaped, so it may be no Unicode.
                check_text(text, "what is said of a skipped image", most)
    for what, record in (("model", stored.model), ("protocol", stored.protocol)):
        for field in fields(record):
            value = getattr(record, field.name)
            if isinstance(value, str):
                check_text(value, f"{what}.{field.name}", may_be_empty=field.name != "name")
    check_text(stored.image_set.name, "image_set.name")
    check_text(stored.image_set.label_set, "image_set.label_set")
    for key in stored.image_set.keys:
        check_text(key, "an image key", MOST_KEY)


def _with_fingerprint(record: Model | Protocol | ImageSet) -> dict[str, Any]:
    return {**encode(record), "fingerprint": record.fingerprint}


def _checked(kind: type[_Record], value: Mapping[str, Any], where: str) -> _Record:
    """The record, whose fingerprint must be the one that the document states."""
    stated = value.get("fingerprint")
    bare = {name: entry for name, entry in value.items() if name != "fingerprint"}
    record = decode(kind, bare, where)
    try:
        computed = record.fingerprint
    except ValueError as error:  # Keys without labels, or text that is no Unicode.
        raise StoreError(f"the {where} of the document is damaged: {error}") from error
    if computed != stated:
        raise StoreError(
            f"the {where} has the fingerprint {computed}, the document states {quoted(stated)}: "
            "it was changed after it was written",
            stated=stated,
            computed=computed,
        )
    return record
