"""Digests of the image files that a run read, because files with equal names may differ.

The protocol knows images by their keys. Two folders may hold other files under the same keys,
so every piece also carries the sha256 of the files that were read for it. A tree written by
`gnlbench corrupt` holds other files than the clean images that it was made from, yet gives the
same numbers; the manifest of such a tree states the clean files, by which both are recognised
as the same images.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from robustbench_gnl.records import Condition, Run

CORRUPTED_HERE = frozenset({"generated", "sample"})
"""Values of `protocol.source` whose images may have been corrupted on the fly or beforehand."""


class HasDigests(Protocol):
    """A piece or a cell."""

    @property
    def digest(self) -> str: ...
    @property
    def made_from(self) -> str | None: ...


class PieceDigests(HasDigests, Protocol):
    """A piece, as far as its files go."""

    @property
    def block(self) -> int: ...
    @property
    def condition(self) -> Condition: ...


class Contents(NamedTuple):
    """The files behind one block, or one cell."""

    digest: str
    """Of the files that were read."""
    source: str | None
    """Of the files that the images come from: those that were read, or the clean files that a
    tree was made from. None where a tree does not state it."""

    def differ_from(self, other: Contents) -> bool:
        """Whether both are known to be of other files. A single condition that is kept without its
        clean images, and without the files it was made from, counts as read from a tree."""
        if self.digest == other.digest:
            return False
        if self.source != other.source:
            # A tree of unknown origin may have been made from the other's clean images.
            return None not in (self.source, other.source)
        # Two trees, of which one was changed since they were made from the same clean images.
        return self.digest != self.source and other.digest != other.source


def combined_digest(digests: Iterable[bytes]) -> str:
    """sha256 over sha256 digests, in their order."""
    return hashlib.sha256(b"".join(digests)).hexdigest()


def cell_digests(pieces: Sequence[HasDigests]) -> tuple[str, str | None]:
    """`digest` and `made_from` of a cell, from those of its pieces in the order of the blocks.

    A cell that was partly read from a tree and partly corrupted on the fly counts as corrupted
    on the fly.
    """
    sources = [bytes.fromhex(piece.made_from or piece.digest) for piece in pieces]
    if any(piece.made_from is None for piece in pieces):
        return combined_digest(sources), None
    files = combined_digest(bytes.fromhex(piece.digest) for piece in pieces)
    return files, combined_digest(sources)


def contents_of(found: Mapping[Condition, HasDigests], source: str) -> dict[Condition, Contents]:
    """The contents of the cells of a run, or of the pieces of one of its blocks.

    Whether a run of generated images read clean files or a tree written beforehand is not stored.
    Conditions made on the fly from the same clean images share their digest; the files of a tree
    have one for each condition.

    Args:
        source: Of the protocol.
    """
    counts = Counter(one.digest for one in found.values())
    return {
        condition: Contents(
            one.digest,
            one.made_from
            or (
                one.digest
                if source not in CORRUPTED_HERE or condition.is_clean or counts[one.digest] > 1
                else None
            ),
        )
        for condition, one in found.items()
    }


def pieces_contents(
    pieces: Iterable[PieceDigests], source: str
) -> dict[tuple[int, Condition], Contents]:
    """The contents of the pieces of a run, by block and condition.

    Args:
        source: Of the protocol.
    """
    blocks: dict[int, dict[Condition, PieceDigests]] = {}
    for piece in pieces:
        blocks.setdefault(piece.block, {})[piece.condition] = piece
    return {
        (block, condition): contents
        for block, found in blocks.items()
        for condition, contents in contents_of(found, source).items()
    }


def cell_contents(run: Run) -> dict[Condition, Contents]:
    """The contents of the complete cells of a run, where they are known."""
    known = {condition: cell for condition, cell in run.cells.items() if cell.digest}
    return contents_of(known, run.protocol.source)


def _images_a_block(run: Run) -> int:
    """How many images a digest covers; a block may be larger than the image set."""
    return min(run.block_size, run.protocol.n_images)


def differing_cells(one: Run, other: Run) -> list[Condition]:
    """The cells for which two runs of one protocol are known to have read other files.

    Runs that are cut into blocks of different sizes have no digests in common to compare.
    """
    if _images_a_block(one) != _images_a_block(other):
        return []
    theirs = cell_contents(other)
    return [
        condition
        for condition, contents in cell_contents(one).items()
        if condition in theirs and contents.differ_from(theirs[condition])
    ]


def grouped_by_contents(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs of one protocol in groups, within which no two are known to have read other files."""
    groups: list[tuple[list[Run], _Seen]] = []
    for run in runs:
        size = _images_a_block(run)
        own = {(size, cell): found for cell, found in cell_contents(run).items()}
        fitting = (group for group in groups if not _contradicts(own, group[1]))
        members, seen = next(fitting, ([], {}))
        if not members:
            groups.append((members, seen))
        members.append(run)
        for place, contents in own.items():
            seen.setdefault(place, set()).add(contents)
    return [members for members, _ in groups]


_Seen = dict[tuple[int, Condition], set[Contents]]
"""The contents of a cell in a group, by block size; several entries only for runs of trees."""


def _contradicts(own: Mapping[tuple[int, Condition], Contents], seen: _Seen) -> bool:
    return any(
        contents.differ_from(other)
        for place, contents in own.items()
        for other in seen.get(place, ())
    )
