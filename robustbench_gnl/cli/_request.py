"""The models and images of an evaluation, checked as far as possible without loading torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from corruptions import ENGINES, engine_version
from robustbench_gnl.cli._conditions import ALL_SEVERITIES, MAIN_CORRUPTIONS, parse_conditions
from robustbench_gnl.cli._output import say
from robustbench_gnl.errors import DataError, ModelError, UsageError
from robustbench_gnl.normalisation import INSIDE, given_normalisation
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.suites import DEFAULT_SUITE
from robustbench_gnl.text import some_of

if TYPE_CHECKING:
    from robustbench_gnl.data import Recipe, Source
    from robustbench_gnl.suites import Suite

NO_DATA = (
    "no data was given. Give one of three: --data FOLDER with the ImageNet-C tree or with "
    "ImageNet's validation folders (corruptions are then made on the fly); the environment "
    "variable GNLBENCH_DATA with such a folder; or --data sample for the 20 built-in photographs"
)
NO_WEIGHTS = (
    "no weights were given; random weights are never evaluated. Give --ckpt FILE (a checkpoint "
    "or a training folder), or --pretrained for the published weights"
)
# What may stand before the colon of a name, besides a module or a file of the user's.
_SOURCES_OF_NAMES = ("torchvision", "hf-hub", "local-dir")


@dataclass(frozen=True)
class ModelRequest:
    """One --model with its weights.

    `name` None means the architecture that the checkpoint names; without a checkpoint either, it
    is the demonstration's network.
    """

    name: str | None
    checkpoint: Path | None = None
    pretrained: bool = False
    ema: bool = False
    best: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


@dataclass(frozen=True)
class DataRequest:
    """Which images, and how corruptions are made from clean ones."""

    data: str | None
    clean_data: Path | None = None
    clean_data_is_typed: bool = True
    """False where it comes from the environment, which may be meant for other data."""
    kind: str | None = None
    class_map: Path | None = None
    suite: str | None = None
    """The benchmark that the data is; None: as detected."""
    corruptions: str = MAIN_CORRUPTIONS
    """As `--corruptions`; the suite of the opened data knows what it means."""
    severities: str = ALL_SEVERITIES
    limit: int | None = None
    seed: int = 0
    jpeg_quality: int | None = DEFAULT_SUITE.input.jpeg_quality
    engine: str = ENGINES[0]
    typed_recipe_options: tuple[str, ...] = ()
    """Which of `seed`, `engine` and `jpeg_quality` are given on the command line."""

    @property
    def names_conditions(self) -> bool:
        """Whether certain conditions were asked for, and not those that the means of the suite are
        over, as far as they are there."""
        return (self.corruptions, self.severities) != (MAIN_CORRUPTIONS, ALL_SEVERITIES)


def pair_models(
    names: list[str], checkpoints: list[Path], *, pretrained: bool, ema: bool, best: bool,
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None,
) -> list[ModelRequest]:  # fmt: skip
    """Each --model with its --ckpt, in the order they were given.

    Raises:
        UsageError: No model, no weights, or numbers of the two that do not match.
        ModelError: A checkpoint is not there, or is a pipe or a device.
    """
    if not names and not checkpoints:
        raise UsageError(
            "no model was given; name one with --model, see: gnlbench models; or give a "
            "checkpoint that names its architecture with --ckpt"
        )
    if checkpoints and pretrained:
        raise UsageError("give --ckpt or --pretrained, not both")
    if not checkpoints and not pretrained and not all(map(_brings_weights, names)):
        raise UsageError(NO_WEIGHTS)
    # One name for all checkpoints, or one each.
    named: list[str | None] = [*names] or [None] * len(checkpoints)
    if checkpoints and len(named) == 1:
        named = named * len(checkpoints)
    if checkpoints and len(named) != len(checkpoints):
        raise UsageError(
            f"{len(names)} --model and {len(checkpoints)} --ckpt were given; "
            "give one --ckpt for each --model, in the same order"
        )
    for checkpoint in checkpoints:
        _check_exists(checkpoint)  # reported here, before torch is loaded
    pairs: list[Path | None] = [*checkpoints] if checkpoints else [None] * len(named)
    # Beside models of timm, a function that loads its own weights needs no --pretrained.
    of_their_own = {name for name in names if _brings_weights(name)}
    own = of_their_own if not of_their_own.issuperset(names) else set()
    return [
        ModelRequest(name, checkpoint, pretrained and name not in own, ema, best, mean, std)
        for name, checkpoint in zip(named, pairs, strict=True)
    ]


def _brings_weights(name: str) -> bool:
    """Whether it names a function of the user, `FILE.py:FUNCTION`, which loads its own weights."""
    source, colon, _ = name.partition(":")
    is_library = source.lower().replace("_", "-") in _SOURCES_OF_NAMES
    return name.endswith(".py") or (bool(colon) and not is_library)


def _check_exists(checkpoint: Path) -> None:
    """Raises ModelError where there is nothing, or a pipe or device, whose reader may wait for
    ever."""
    if not checkpoint.exists():
        raise ModelError(
            f"no checkpoint at {checkpoint}: there is no such file or folder; check the path",
            path=checkpoint,
        )
    if not checkpoint.is_file() and not checkpoint.is_dir():
        raise ModelError(
            f"{checkpoint} is not a regular file but a pipe or a device; a checkpoint is read more "
            "than once, so write it to a file and give that",
            path=checkpoint,
        )


def parse_normalisation(
    mean: str | None, std: str | None
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """The values of `--mean` and `--std`.

    Raises:
        UsageError: They are not three numbers each, and `--mean` is not `none`.
    """
    if mean is None or mean.strip().lower() != INSIDE:
        return _three(mean, "--mean"), _three(std, "--std")
    if std is not None:
        raise UsageError(f"leave out --std beside --mean {INSIDE}; got {std!r}")
    return given_normalisation(INSIDE, None) or (None, None)


def _three(text: str | None, option: str) -> tuple[float, ...] | None:
    """`0.5,0.5,0.5` as numbers.

    Raises:
        UsageError: It is not three numbers.
    """
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3:
        raise UsageError(f"{option} takes three numbers such as 0.485,0.456,0.406; got {text!r}")
    return values


def open_requested(request: DataRequest) -> tuple[Source, tuple[Condition, ...]]:
    """The source and the conditions to evaluate, clean first where there are clean images.

    Raises:
        UsageError: No data was given, it is another suite than the one named, or that suite does
            not have the conditions.
        DataError: The data is not there, or lacks a corruption that was asked for by name.
    """
    from robustbench_gnl.data import Recipe, open_sample

    if not request.data:
        raise UsageError(NO_DATA)
    engine_version(request.engine)  # an unknown engine is reported before anything else
    recipe = Recipe(engine=request.engine, seed=request.seed, jpeg_quality=request.jpeg_quality)
    if request.data == "sample":
        if request.class_map is not None:
            raise UsageError("the classes of the sample are known; leave out --class-map")
        if request.suite not in (None, DEFAULT_SUITE.name):
            raise UsageError(
                f"the sample is evaluated as {DEFAULT_SUITE.title}; leave out --suite "
                f"{request.suite}, or give its images with --data DIR"
            )
        source = open_sample(recipe)
    else:
        source = _open_folder(Path(request.data), request, recipe)
        for note in source.notes:
            say(f"Note: {note}")
        _check_recipe(source, request)
    source = source.first(request.limit)
    asked = parse_conditions(request.corruptions, request.severities, source.suite)
    there = tuple(condition for condition in asked if source.has(condition))
    absent = [condition for condition in asked if not source.has(condition)]
    if absent and (request.names_conditions or not there):
        raise DataError(
            f"{source.root} has no images for {some_of(absent)}; complete the tree, or leave "
            "them out with --corruptions and --severities",
            path=source.root,
        )
    if absent:
        say(
            f"Warning: {source.root} has no images for {some_of(absent)}; "
            f"without them there is no {_ranked_by(source.suite)}"
        )
    return source, ((CLEAN, *there) if source.has(CLEAN) else there)


def _ranked_by(suite: Suite) -> str:
    from robustbench_gnl.metrics.catalogue import METRICS

    return next(metric.label for metric in METRICS if metric.key == suite.ranked_by[0])


def _open_folder(root: Path, request: DataRequest, recipe: Recipe) -> Source:
    from robustbench_gnl.data import open_source, read_class_map

    class_map = None if request.class_map is None else read_class_map(request.class_map)
    opened = partial(
        open_source, root,
        kind=request.kind, recipe=recipe, class_map=class_map, suite=request.suite,
    )  # fmt: skip
    try:
        return opened(clean_root=request.clean_data)
    except UsageError:
        if request.clean_data is None or request.clean_data_is_typed:
            raise
    source = opened()
    holds = "clean images" if source.suite.has_clean else f"the images of {source.suite.title}"
    say(f"Note: {root} holds {holds} itself; GNLBENCH_CLEAN_DATA is not used")
    return source


def _check_recipe(source: Source, request: DataRequest) -> None:
    """Check that the options given are those that a tree was written with.

    Raises:
        UsageError: The manifest of the tree has other values.
    """
    if source.recipe is not None or not request.typed_recipe_options:
        return
    options = {name: f"--{name.replace('_', '-')}" for name in request.typed_recipe_options}
    if source.manifest is None:
        say(
            f"Note: the images of {source.root} are read as they are; {', '.join(options.values())}"
            " made no difference"
        )
        return
    for name, option in options.items():
        made, typed = getattr(source.manifest, name), getattr(request, name)
        if made != typed:
            raise UsageError(
                f"{source.root} was made with {option} {made or 0}, and {option} {typed or 0} was "
                "asked for; leave the option out, or give the clean images as --data"
            )
