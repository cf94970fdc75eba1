"""When runs are known to have read other files, and when nothing is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from robustbench_gnl.contents import (
    Contents,
    cell_digests,
    contents_of,
    differing_cells,
    grouped_by_contents,
)
from robustbench_gnl.metrics import cells_of
from robustbench_gnl.records import CLEAN, Condition, Run
from tests.store.samples import make_image_set, make_model, make_piece, make_protocol

FOG, SNOW = Condition("fog", 1), Condition("snow", 2)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


CLEAN_A, CLEAN_B = sha("clean files"), sha("other clean files")
FROM_CLEAN_A, FROM_CLEAN_B = Contents(CLEAN_A, CLEAN_A), Contents(CLEAN_B, CLEAN_B)
TREE_OF_A, TREE_OF_B = Contents(sha("tree a"), CLEAN_A), Contents(sha("tree b"), CLEAN_B)
CHANGED_TREE_OF_A = Contents(sha("tree a, changed"), CLEAN_A)
OLD_TREE, OTHER_OLD_TREE = Contents(sha("old"), None), Contents(sha("other old"), None)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (FROM_CLEAN_A, FROM_CLEAN_A, False),
        (FROM_CLEAN_A, FROM_CLEAN_B, True),
        (FROM_CLEAN_A, TREE_OF_A, False),
        (FROM_CLEAN_A, TREE_OF_B, True),
        (TREE_OF_A, TREE_OF_B, True),
        (TREE_OF_A, CHANGED_TREE_OF_A, True),
        (TREE_OF_A, OLD_TREE, False),
        (FROM_CLEAN_A, OLD_TREE, False),
        (OLD_TREE, OLD_TREE, False),
        (OLD_TREE, OTHER_OLD_TREE, True),
    ],
)
def test_which_files_are_known_to_differ(one: Contents, other: Contents, differ: bool) -> None:
    assert one.differ_from(other) is differ
    assert other.differ_from(one) is differ


@dataclass(frozen=True)
class Digests:
    digest: str
    made_from: str | None = None


@pytest.mark.parametrize("source", ["generated", "sample"])
def test_conditions_with_one_digest_were_made_from_clean_files(source: str) -> None:
    same = {CLEAN: Digests(CLEAN_A), FOG: Digests(CLEAN_A), SNOW: Digests(CLEAN_A)}
    assert set(contents_of(same, source).values()) == {FROM_CLEAN_A}
    tree = {CLEAN: Digests(CLEAN_A), FOG: Digests(sha("fog")), SNOW: Digests(sha("s"), CLEAN_A)}
    assert contents_of(tree, source) == {
        CLEAN: FROM_CLEAN_A,
        FOG: Contents(sha("fog"), None),
        SNOW: Contents(sha("s"), CLEAN_A),
    }


def test_released_files_are_their_own_source() -> None:
    assert contents_of({FOG: Digests(CLEAN_A)}, "released") == {FOG: FROM_CLEAN_A}


def test_the_digest_of_a_cell() -> None:
    read = [Digests(CLEAN_A), Digests(CLEAN_B)]
    expected = hashlib.sha256(bytes.fromhex(CLEAN_A) + bytes.fromhex(CLEAN_B)).hexdigest()
    assert cell_digests(read) == (expected, None)
    tree = [Digests(sha("x"), CLEAN_A), Digests(sha("y"), CLEAN_B)]
    assert cell_digests(tree)[1] == expected
    # Begun on the fly and gone on with from a tree: the same images.
    assert cell_digests([read[0], tree[1]]) == (expected, None)


def run_of(digests: Mapping[Condition, str], block_size: int = 8, source: str = "generated") -> Run:
    image_set = make_image_set(8)
    protocol = make_protocol(image_set, source=source)
    pieces = [replace(make_piece(c, 0, 8), digest=digest) for c, digest in digests.items()]
    cells = cells_of(pieces, 8)
    return Run("", make_model(), protocol, block_size, "2026-01-01T00:00:00Z", cells)


def test_runs_are_grouped_by_what_they_read() -> None:
    a, again = run_of({CLEAN: CLEAN_A, FOG: CLEAN_A}), run_of({CLEAN: CLEAN_A, SNOW: CLEAN_A})
    b = run_of({CLEAN: CLEAN_B, FOG: CLEAN_B})
    tree = run_of({FOG: sha("tree"), SNOW: sha("tree, too")})  # may have been made from either
    assert grouped_by_contents([a, b, again, tree]) == [[a, again, tree], [b]]
    assert differing_cells(a, b) == [CLEAN, FOG]
    assert differing_cells(a, again) == differing_cells(b, tree) == []


def test_blocks_of_other_sizes_have_no_digests_in_common() -> None:
    a, b = {CLEAN: CLEAN_A, FOG: CLEAN_A}, {CLEAN: CLEAN_B, FOG: CLEAN_B}
    assert differing_cells(run_of(a), run_of(b, block_size=4)) == []
    # A block that is larger than the image set is one block all the same.
    assert differing_cells(run_of(a), run_of(b, block_size=512)) == [CLEAN, FOG]
