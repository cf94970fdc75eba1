"""Looking for unusable images finds exactly what reading them would stumble over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import pytest

from robustbench_gnl.data import BadImageError, find_bad_images, open_source, scan, start_workers
from robustbench_gnl.data.pixels import load_clean
from robustbench_gnl.records import CLEAN, Condition
from tests.trees import make_clean_tree, make_released_tree, wnids, write_photo

FOG, SNOW = Condition("fog", 1), Condition("snow", 1)
FIRST = wnids(1)[0]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def text(path: Path) -> None:
    path.write_text("404: not found")


def small(path: Path) -> None:
    write_photo(path, 223, 224)


def missing(path: Path) -> None:
    path.unlink()


SPOILT: dict[Callable[[Path], None], str] = {
    empty: "it is empty",
    truncated: "truncated",
    text: "no image that Pillow knows",
    small: "it is 223 x 224, smaller than 224 x 224",
    missing: "No such file",
}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "SCAN_BATCH", 2)


def test_exactly_the_unusable_images_are_found(tmp_path: Path, executor: Executor) -> None:
    root = make_released_tree(tmp_path / "c", 1, 7, names=("fog", "snow"), severities=(1,))
    source = open_source(root)
    keys = {}
    for index, spoil in enumerate(SPOILT):
        path = root / ("fog", "snow")[index % 2] / "1" / FIRST / f"{FIRST}_{index + 1}.JPEG"
        spoil(path)
        keys[f"{FIRST}/{FIRST}_{index + 1}"] = (str(path), SPOILT[spoil])

    bad = find_bad_images(source, (SNOW, FOG), executor, ahead=3)

    assert list(bad) == sorted(keys)
    for key, (path, reason) in keys.items():
        assert bad[key].startswith(path)
        assert reason in bad[key]


def test_what_remains_can_be_read(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "val", 1, 6)
    for index, spoil in enumerate((empty, truncated, text)):
        spoil(root / FIRST / f"{FIRST}_{2 * index}.JPEG")
    source = open_source(root)
    with pytest.raises(BadImageError):
        load_clean(source.paths(CLEAN, tuple(source.files)))

    bad = find_bad_images(source, [CLEAN], start_workers(0), ahead=1)
    rest = source.without(bad)

    assert len(bad) == rest.n_images == 3
    assert load_clean(rest.paths(CLEAN, tuple(rest.files)))[0].shape[0] == 3


def test_a_good_tree_has_no_bad_images(released_tree: Path, executor: Executor) -> None:
    source = open_source(released_tree)

    assert find_bad_images(source, tuple(source.trees), executor, ahead=2) == {}


def test_small_clean_images_are_usable(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "val", 1, 1, size=(40, 50))

    source = open_source(root, kind="generated")
    assert find_bad_images(source, [CLEAN, FOG], start_workers(0), ahead=1) == {}


def test_clean_files_are_looked_at_once_for_all_conditions(
    clean_tree: Path, executor: Executor
) -> None:
    seen: list[tuple[int, int]] = []
    find_bad_images(
        open_source(clean_tree),
        [CLEAN, FOG, SNOW],
        executor,
        ahead=2,
        on_progress=lambda done, total: seen.append((done, total)),
    )

    assert seen == [(2, 6), (4, 6), (6, 6)]
