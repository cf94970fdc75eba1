"""docs/store.md names the bounds that the store has."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustbench_gnl.store import bounds as b
from robustbench_gnl.store.documents import MOST_BYTES

ROWS = {
    "a document": f"{MOST_BYTES // 2**20} MiB",
    "images, images of a block, classes": f"{b.MOST_IMAGES:,}",
    "parameters": f"{b.MOST_PARAMS:g}",
    "characters of a model's name or a field of the protocol": f"{b.MOST_NAME:,}",
    "characters of a tag; tags of a run": f"{b.MOST_TAG}; {b.MOST_TAGS:,}",
    "characters of an image key; of the reason why one was left out": (
        f"{b.MOST_KEY:,}; {b.MOST_REASON:,}"
    ),
    "mean and std of the normalisation": (
        f"{-b.MOST_MEAN:g} to {b.MOST_MEAN:g}; {b.LEAST_STD:g} to {b.MOST_STD:g}"
    ),
    "negative log likelihood of an image": f"{b.MOST_LOSS:g}, from two float32 logits",
    "seconds of a piece": f"{b.MOST_SECONDS:g}",
    "the environment": (
        f"{b.MOST_DEPTH} levels deep, {b.MOST_VALUES:,} values, "
        f"{b.MOST_TEXT:,} characters of a text"
    ),
}


@pytest.mark.parametrize("what", ROWS)
def test_the_page_names_the_bound(what: str) -> None:
    page = (Path(__file__).parents[1] / "docs" / "store.md").read_text(encoding="utf-8")
    assert f"| {what} | {ROWS[what]} |" in page


def test_images_and_classes_share_a_bound() -> None:
    assert b.MOST_IMAGES == b.MOST_CLASSES
