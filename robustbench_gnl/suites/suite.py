"""The class `Suite`: conditions, classes, input, metrics and reference of a benchmark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.records import CLEAN, IMAGENET, Condition, conditions_of
from robustbench_gnl.resources import words_of


@dataclass(frozen=True)
class InputRecipe:
    """How the pixels that a model sees are made from an image file."""

    crop: int
    """Side of the centre crop in pixels."""
    shorter_side: int
    """Size in pixels to which the shorter side is resized before the crop (bilinear)."""
    jpeg_quality: int | None = None
    """Quality of the JPEG step after the corruption; None if there is none."""


@dataclass(frozen=True)
class LabelSpace:
    """The classes that the labels of a suite are indices of."""

    name: str
    class_list: str
    """Data file with the WordNet ids in the order of the class indices."""
    subset_list: str | None = None
    """Data file with the WordNet ids that the suite has images of. All other outputs of a model are
    ignored in its prediction, as in the papers of ImageNet-A and -R."""

    @property
    def classes(self) -> tuple[str, ...]:
        """WordNet ids by class index."""
        return words_of(self.class_list)

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @cached_property
    def subset(self) -> tuple[int, ...] | None:
        """The class indices that predictions are limited to; None if there is no limit."""
        if self.subset_list is None:
            return None
        index = {wnid: i for i, wnid in enumerate(self.classes)}
        return tuple(sorted(index[wnid] for wnid in words_of(self.subset_list)))


@dataclass(frozen=True)
class ReferenceErrors:
    """The published errors that CE divides by."""

    name: str
    protocol: str
    """How they were measured, as one sentence."""
    file: str
    """Data file: a row for each corruption and one for the clean images."""
    citation: str
    """Of the model, its key in `references.bib`."""


@dataclass(frozen=True)
class ClassFolderLayout:
    """A data set with its own images in class folders."""

    file_name: re.Pattern[str] | None = None
    """Pattern of the file names; None if they have none."""
    folders_are_indices: bool = False
    """Whether the folders are class indices, and not WordNet ids."""
    n_images: int | None = None
    """Number of images of the complete data set."""


@dataclass(frozen=True, eq=False)  # each is declared once, so it is compared by identity
class Suite:
    """One benchmark. Adding one is one file in this package, and a line in its `__init__`."""

    name: str
    """The name in protocols and in `--suite`."""
    title: str
    """The name in reports."""
    citation: str
    """Its key in `references.bib`."""
    corruptions: tuple[str, ...]
    """The corruptions that means are over, in the order of the paper. A suite of natural shifts has
    one entry, the name of its only condition."""
    labels: LabelSpace
    input: InputRecipe
    metrics: tuple[str, ...]
    """Keys of the catalogue of metrics that are defined for it, in the order of reports."""
    ranked_by: tuple[str, ...]
    """A leaderboard is sorted by the first of these metrics that is defined."""
    severities: tuple[int, ...] = (0,)
    """Only 0 if conditions have no severity."""
    extra_corruptions: tuple[str, ...] = ()
    """Corruptions that are only part of the mean over all corruptions."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Group of the paper to its corruptions."""
    has_clean: bool = False
    """Whether it has clean images beside its conditions."""
    is_adversarial: bool = False
    """Whether its images were chosen because trained models misclassify them."""
    reference: ReferenceErrors | None = None
    layout: ClassFolderLayout | None = None
    """How a data set with its own images is detected; None for a tree of corruptions."""
    n_published_images: int | None = None
    """Number of images of each condition in published results."""

    @property
    def all_corruptions(self) -> tuple[str, ...]:
        return self.corruptions + self.extra_corruptions

    @property
    def has_severities(self) -> bool:
        return self.severities != (0,)

    @cached_property
    def main_conditions(self) -> tuple[Condition, ...]:
        """The conditions that means are over. A run with all of them is complete."""
        return conditions_of(self.corruptions, self.severities)

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition, clean first."""
        clean = (CLEAN,) if self.has_clean else ()
        return clean + conditions_of(self.all_corruptions, self.severities)

    @property
    def chance_condition(self) -> Condition | None:
        """The condition on which trained models are far above chance, so that accuracy near chance
        shows a mistake in the setup; None if there is no such condition."""
        if self.has_clean:
            return CLEAN
        is_single = len(self.main_conditions) == 1
        return self.main_conditions[0] if is_single and not self.is_adversarial else None

    def has(self, condition: Condition) -> bool:
        return condition in self._known_conditions

    @cached_property
    def _known_conditions(self) -> frozenset[Condition]:
        return frozenset(self.conditions)

    def conditions_of(self, *corruptions: str) -> tuple[Condition, ...]:
        """Every severity of these corruptions."""
        return conditions_of(corruptions, self.severities)

    @property
    def selections(self) -> Mapping[str, tuple[str, ...]]:
        """Names of several corruptions: `common`, `extra`, `all`, and the groups."""
        return {
            "common": self.corruptions,
            **({"extra": self.extra_corruptions} if self.extra_corruptions else {}),
            "all": self.all_corruptions,
            **self.groups,
        }

    def group_of(self, corruption: str) -> str:
        """The group of a corruption; `extra` for those that are part of no mean."""
        found = (group for group, members in self.groups.items() if corruption in members)
        return next(found, "extra" if corruption in self.extra_corruptions else "common")

    def parse_conditions(self, text: str) -> tuple[Condition, ...]:
        """`clean`, `fog/3`, or `fog` for all its severities.

        Raises:
            UsageError: It is no condition of this suite.
        """
        name, slash, severity = text.partition("/")
        if name == CLEAN.corruption and not slash and self.has_clean:
            return (CLEAN,)
        if name not in self.all_corruptions:
            raise UsageError(
                f"expected a condition such as {self.examples()}, got {text!r}"
                f"{did_you_mean(name, self.all_corruptions)}",
                condition=text,
            )
        if not slash:
            return self.conditions_of(name)
        if not self.has_severities:
            raise UsageError(
                f"{self.title} has no severities; write {name} instead of {text!r}", condition=text
            )
        if severity not in map(str, self.severities):
            raise UsageError(
                f"expected a severity from {self.severity_span()} in the condition {text!r}, got "
                f"{severity!r}",
                condition=text,
            )
        return (Condition(name, int(severity)),)

    def examples(self) -> str:
        """Conditions of this suite, as an error shows them."""
        if not self.has_severities:
            return self.corruptions[0]
        example = "fog" if "fog" in self.corruptions else self.corruptions[0]
        return f"clean, {example} or {example}/{self.severities[len(self.severities) // 2]}"

    def severity_span(self, between: str = " to ") -> str:
        """`1 to 5`."""
        return f"{self.severities[0]}{between}{self.severities[-1]}"

    def is_complete(self, conditions: Iterable[Condition]) -> bool:
        return set(self.main_conditions) <= set(conditions)

    def ordered(self, conditions: Iterable[Condition]) -> Sequence[Condition]:
        """In the order of the paper; those that the suite does not know come last."""
        place = {condition: i for i, condition in enumerate(self.conditions)}
        return sorted(conditions, key=lambda c: (place.get(c, len(place)), c))


IMAGENET_LABELS = LabelSpace(IMAGENET, "imagenet_wnids.txt")
"""The 1,000 classes of ImageNet."""
IMAGENET_INPUT = InputRecipe(crop=224, shorter_side=256)
"""The usual evaluation of ImageNet classifiers."""
