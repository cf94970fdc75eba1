"""Lines of a board: runs, published results, and the reference.

Numbers are found by the path that they have in the JSON of a run: `mce`, `groups.noise`,
`corruptions.fog.ce`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import corruptions
from robustbench_gnl.metrics import GROUPS, Interval, Summary, is_near_chance, mean
from robustbench_gnl.metrics.reference import Published, Reference
from robustbench_gnl.records import CLEAN, Protocol, Run

if TYPE_CHECKING:
    from robustbench_gnl.statistics import RankRange

OVERALL = ("clean_error", "mce", "relative_mce", "mean_corruption_error")
"""The numbers of a whole run that an entry has."""
GROUP_CES = {group: f"groups.{group}" for group in GROUPS}
CORRUPTION_CES = {name: f"corruptions.{name}.ce" for name in corruptions.names("common")}
PATHS = (*OVERALL, *GROUP_CES.values(), *CORRUPTION_CES.values())
"""The paths of all numbers that an entry may have."""
N_PARAMS = "n_params"
"""Not one of them, but entries can be sorted by it."""
N_VALIDATION_IMAGES = 50_000


@dataclass(frozen=True)
class Estimate:
    """A number of an entry."""

    value: float
    interval: Interval | None = None
    reason: str | None = None
    """Why it has no interval, where intervals were computed."""


@dataclass(frozen=True)
class Entry:
    """One line of a board: a run, a published result, or the reference."""

    kind: Literal["run", "reported", "reference"]
    model: str
    numbers: Mapping[str, Estimate]
    """By path; a number that is not defined is not there."""
    rank: int | None = None
    """1 is best; None where it does not take part."""
    ranks: RankRange | None = None
    """The ranks that the images allow it; None where they were not computed."""
    has_intervals: bool = False
    """Whether intervals were computed."""
    run: Run | None = None
    published: Published | None = None
    reference: Reference | None = None
    checkpoint: str | None = None
    """Of a run whose model's name others share: what tells it apart."""
    summary: Summary | None = None
    """Of a run."""
    is_near_chance: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether it is a run with all cells of the suite."""
        return self.summary is not None and self.summary.is_complete

    def value(self, path: str) -> float | None:
        """The number of that path, the number of parameters among them."""
        if path == N_PARAMS:
            return None if self.run is None else self.run.model.n_params
        found = self.numbers.get(path)
        return None if found is None else found.value


def is_run_near_chance(run: Run) -> bool:
    """Whether its network hardly does more than guess on clean images; False without them."""
    clean = run.cells.get(CLEAN)
    return clean is not None and is_near_chance(clean.n_top1, clean.n_images, run.model.n_classes)


def _known(values: Mapping[str, float | None]) -> dict[str, Estimate]:
    return {path: Estimate(value) for path, value in values.items() if value is not None}


def run_entry(run: Run, summary: Summary) -> Entry:
    numbers = {path: getattr(summary, path) for path in OVERALL}
    numbers |= {GROUP_CES[group]: value for group, value in summary.groups.items()}
    numbers |= {path: summary.corruptions[name].ce for name, path in CORRUPTION_CES.items()}
    return Entry(
        kind="run",
        model=run.model.name,
        numbers=_known(numbers),
        run=run,
        summary=summary,
        is_near_chance=is_run_near_chance(run),
    )


def told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Give runs that share a model's name their checkpoint, and the entry of it if need be."""
    models = [one.run.model for one in entries if one.run is not None]
    names = [model.name for model in models]
    files = [(model.name, model.checkpoint_sha256) for model in models]
    named = []
    for entry, model, file in zip(entries, models, files, strict=True):
        checkpoint = None
        if names.count(model.name) > 1:
            checkpoint = model.checkpoint_sha256[:8]
        if files.count(file) > 1:
            checkpoint = f"{checkpoint} {model.weights}"
        named.append(replace(entry, checkpoint=checkpoint))
    return named


def reference_entry(reference: Reference) -> Entry:
    """The line of the network that CE divides by."""
    sums = [reference.error_sum(name) for name in corruptions.names("common")]
    known = [one for one in sums if one is not None]
    n_severities = len(corruptions.SEVERITIES)
    is_whole = len(known) == len(sums)
    hundreds = ("mce", "relative_mce", *GROUP_CES.values(), *CORRUPTION_CES.values())
    return Entry(
        kind="reference",
        model=reference.name,
        numbers=_known(
            {
                "clean_error": reference.clean_error,
                "mean_corruption_error": math.fsum(known) / n_severities / len(sums)
                if is_whole
                else None,
                **dict.fromkeys(hundreds, 100.0),
            }
        ),
        reference=reference,
    )


def reported_entry(published: Published) -> Entry:
    """A published result, not yet ranked."""
    is_named = published.architecture in published.method  # the method's name says both
    numbers = {path: getattr(published, path, None) for path in OVERALL}
    for group, path in GROUP_CES.items():
        numbers[path] = mean(published.ce.get(name) for name in corruptions.names(group))
    numbers |= {path: published.ce.get(name) for name, path in CORRUPTION_CES.items()}
    return Entry(
        kind="reported",
        model=published.method if is_named else f"{published.method}, {published.architecture}",
        numbers=_known(numbers),
        published=published,
    )


def is_comparable(published: Published) -> bool:
    """Whether it states the released images, all of them, as they are.

    A source that says nothing of adapting to the test images is taken to evaluate a
    plain network.
    """
    return (
        published.n_images == N_VALIDATION_IMAGES
        and published.resampling == "none"
        and published.test_time_adaptation in ("", "none")
    )


def takes_reported(protocol: Protocol) -> bool:
    """Whether a run's protocol is the one that comparable published results state."""
    return (
        protocol.source == "released"
        and protocol.n_images == N_VALIDATION_IMAGES
        and protocol.resampling == "none"
        and protocol.skipped_images == 0
    )


def stated_protocol(published: Published) -> str:
    """The protocol that a source states, named in a phrase; results are grouped by it."""
    phrases = []
    if published.n_images is not None:
        phrases.append(f"{published.n_images:,} images")
    if published.resampling:
        phrases.append("not resampled" if published.resampling == "none" else published.resampling)
    if published.test_time_adaptation not in ("", "none"):
        phrases.append(f"adapted at test time ({published.test_time_adaptation})")
    if published.n_images is None and not published.resampling:
        phrases.insert(0, "protocol not stated")
    elif published.n_images is None:
        phrases.insert(0, "number of images not stated")
    elif not published.resampling:
        phrases.append("resampling not stated")
    return ", ".join(phrases)
