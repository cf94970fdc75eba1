"""What a store accepts, every report can show: runs at the bounds, read by every command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robustbench_gnl.cli._options import Format
from robustbench_gnl.records import Calibration, Condition, ImageSet, Model, Piece
from robustbench_gnl.store import bounds as b
from robustbench_gnl.store import open_store
from robustbench_gnl.store.documents import to_document
from robustbench_gnl.store.stored_run import RunHead, StoredRun
from tests.cli.conftest import gnlbench
from tests.statistics.samples import ALL_CELLS
from tests.store.samples import make_image_set, make_model, make_protocol

IDS = ("20261123-142530-a1b2c3", "20261123-142531-a1b2c3")
FIRST, LAST = "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"


def _nested(depth: int) -> dict[str, object]:
    return {"a": _nested(depth - 1), "b": ["x"]} if depth else {}


def _piece(
    condition: Condition, right: tuple[bool, ...], block: int, loss: float, seconds: float
) -> Piece:
    """Every image as sure as its bin allows, and every right one in the bin of the highest."""
    n, n_top1 = len(right), sum(right)
    bins = ((n - n_top1,) + (0,) * 13 + (n_top1,), (0,) * 14 + (n_top1,))
    sums = (0.0,) * 14 + (float(n_top1),)
    return Piece(
        block=block,
        condition=condition,
        n_images=n,
        n_top1=n_top1,
        n_top5=n,
        negative_log_likelihood_sum=n * loss,
        calibration=Calibration(*bins, sums),
        correct=np.packbits(np.array(right, np.bool_)).tobytes(),
        digest="0" * 64,
        seconds=seconds,
    )


def _run(
    id: str,
    images: ImageSet,
    right: dict[Condition, tuple[bool, ...]],
    *,
    model: Model,
    block_size: int = 8,
    loss: float = 0.0,
    seconds: float = 0.0,
    protocol: dict[str, object] | None = None,
    **head: object,
) -> StoredRun:
    values: dict[str, object] = {
        "created_at": FIRST, "finished_at": FIRST, "tags": (), "environment": {}, "skipped": {},
    }  # fmt: skip
    pieces = [
        _piece(condition, bits[start : start + block_size], start // block_size, loss, seconds)
        for condition, bits in right.items()
        for start in range(0, len(bits), block_size)
    ]
    return StoredRun(
        RunHead(id=id, block_size=block_size, **{**values, **head}),  # type: ignore[arg-type]
        model,
        make_protocol(images, **(protocol or {})),
        images,
        tuple(pieces),
    )


def _both(kind: str) -> list[StoredRun]:
    """Two runs under one protocol, all of whose values are extreme in one way."""
    if kind == "least":
        images = make_image_set(1)
        model = replace(
            make_model("."), n_params=0, n_classes=1, mean=(-b.MOST_MEAN,) * 3,
            std=(b.LEAST_STD,) * 3, weights="",
        )  # fmt: skip
        wrong = dict.fromkeys(ALL_CELLS, (False,))
        protocol = {"seed": -(2**63), "engine": "", "crop": "", "precision": ""}
        both = [
            _run(id, images, wrong, model=replace(model, name=name), protocol=protocol)
            for id, name in zip(IDS, (".", "-"), strict=True)
        ]
    elif kind == "most":
        images = ImageSet("x" * b.MOST_NAME, "y" * b.MOST_NAME, ("k" * b.MOST_KEY,), (9_999_999,))
        model = replace(
            make_model("m" * b.MOST_NAME), n_params=b.MOST_PARAMS, n_classes=b.MOST_CLASSES,
            mean=(b.MOST_MEAN,) * 3, std=(b.MOST_STD,) * 3, weights="w" * b.MOST_NAME,
        )  # fmt: skip
        head = {
            "created_at": LAST, "finished_at": LAST,
            "tags": tuple(f"{i:03}" + "t" * (b.MOST_TAG - 3) for i in range(50)),
            "environment": {**_nested(b.MOST_DEPTH - 2), "resumed": [{}], "n": 10**900,
                            "packages": "none", "command": "c" * 100_000, "device": ["x"]},
            "skipped": {"s" * b.MOST_KEY: "r" * b.MOST_REASON},
        }  # fmt: skip
        protocol = {
            "name": "p" * b.MOST_NAME, "seed": 2**63 - 1, "jpeg_quality": 100,
            "skipped_images": b.MOST_IMAGES, "crop": "c" * b.MOST_NAME,
        }  # fmt: skip
        both = [
            _run(id, images, dict.fromkeys(ALL_CELLS, (right,)), model=one,
                 block_size=b.MOST_IMAGES, loss=b.MOST_LOSS, seconds=b.MOST_SECONDS,
                 protocol=protocol, **head)
            for id, one, right in zip(
                IDS, (model, replace(model, weights="v")), (True, False), strict=True
            )
        ]  # fmt: skip
    else:
        images = make_image_set(20)
        rights = [dict.fromkeys(ALL_CELLS, tuple(i % n == 0 for i in range(20))) for n in (2, 3)]
        both = [
            _run(id, images, right, model=make_model(name), loss=loss, seconds=b.MOST_SECONDS)
            for id, right, name, loss in zip(
                IDS, rights, ("a", "b"), (b.MOST_LOSS, 5e-324), strict=True
            )
        ]
    return both


COMMANDS = (
    ("leaderboard",),
    ("leaderboard", "--ci", "--columns", "all"),
    ("runs", "list"),
    ("runs", "show", IDS[0]),
    ("compare", *IDS),
    ("check", IDS[1], "--baseline", IDS[0], "--fail-on", "mCE:+1", "--fail-on", "nll:+1"),
    ("plan", IDS[0]),
    ("plan", IDS[0], "--against", IDS[1]),
    ("explain", IDS[0]),
)


def _read_all(db: Path, *, formats: tuple[str, ...] = tuple(Format)) -> None:
    for command in COMMANDS:
        for format in formats:
            done = gnlbench(*command, "--format", format, "--db", db, check=None)
            assert done.returncode in (0, 1, 2), (command, format, done.stderr[:500])
            assert done.returncode < 2 or done.stderr.startswith("Error: "), command
            if format == "json" and done.returncode < 2:
                json.loads(done.stdout, parse_constant=pytest.fail)


@pytest.mark.parametrize("kind", ["least", "most", "unlike"])
def test_every_report_shows_what_is_at_the_bounds(tmp_path: Path, kind: str) -> None:
    db = tmp_path / "store.sqlite"
    files = []
    for stored in _both(kind):
        files.append(tmp_path / f"{stored.head.id}.json")
        files[-1].write_text(json.dumps(to_document(stored)))
    gnlbench("runs", "import", *files, "--db", db)
    _read_all(db)
    gnlbench("runs", "export", IDS[0], "-o", tmp_path / "again.json", "--db", db)
    gnlbench("runs", "cite", IDS[0], "--db", db)
    gnlbench("compare", *files, "--db", tmp_path / "none.sqlite")
    gnlbench("explain", files[0], "--db", tmp_path / "none.sqlite")


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_report_shows_whatever_is_accepted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
    names = text.filter(bool)
    n_images = data.draw(st.integers(1, 12))
    images = make_image_set(n_images)
    cells = data.draw(st.sampled_from([ALL_CELLS, ALL_CELLS[:6], ALL_CELLS[1:16]]))
    block_size = data.draw(st.integers(1, 12))
    both = []
    for id in IDS:
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        share = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
        bits = {cell: tuple(bool(x) for x in rng.random(n_images) < share) for cell in cells}
        model = replace(
            make_model(data.draw(names), id),
            n_params=data.draw(st.integers(0, b.MOST_PARAMS)),
            n_classes=data.draw(st.integers(10, b.MOST_CLASSES)),
            mean=tuple(data.draw(st.floats(-b.MOST_MEAN, b.MOST_MEAN)) for _ in range(3)),
            std=tuple(data.draw(st.floats(b.LEAST_STD, b.MOST_STD)) for _ in range(3)),
        )
        both.append(
            _run(
                id, images, bits, model=model, block_size=block_size,
                loss=data.draw(st.floats(0, b.MOST_LOSS)),
                seconds=data.draw(st.floats(0, b.MOST_SECONDS)),
                finished_at=data.draw(st.sampled_from([None, FIRST, LAST])),
                tags=tuple(data.draw(st.sets(names, max_size=2))),
                environment=data.draw(
                    st.dictionaries(text, st.recursive(st.none() | st.floats(
                        allow_nan=False, allow_infinity=False) | text, st.lists), max_size=3)
                ),
            )
        )  # fmt: skip
    db = tmp_path_factory.mktemp("drawn") / "store.sqlite"
    with open_store(str(db), write=True) as store:
        store.import_stored(both)
    _read_all(db, formats=("table", "json", "latex"))
