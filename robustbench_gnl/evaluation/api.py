"""`evaluate`: a session of one module from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from robustbench_gnl.data import ClassMap, Source
from robustbench_gnl.errors import UsageError
from robustbench_gnl.evaluation import arguments
from robustbench_gnl.evaluation.device import check_precision, resolve_device
from robustbench_gnl.evaluation.observer import Observer
from robustbench_gnl.evaluation.session import Session
from robustbench_gnl.evaluation.settings import Settings
from robustbench_gnl.modules import LoadedModel, check_has_values, module_sha256, own_normalisation
from robustbench_gnl.normalisation import given_normalisation
from robustbench_gnl.records import BLOCK_SIZE, Condition, Piece, Run

if TYPE_CHECKING:
    from robustbench_gnl.store import Store


def evaluate(
    model: nn.Module,
    source: Source | Path | str,
    *,
    name: str | None = None,
    mean: Sequence[float] | float | str | None = None,
    std: Sequence[float] | float | None = None,
    conditions: Iterable[Condition | str] | Condition | str | None = None,
    limit: int | None = None,
    device: str | torch.device = "auto",
    precision: str = "fp32",
    input_size: int | None = None,
    batch_size: int | None = None,
    block_size: int = BLOCK_SIZE,
    workers: int = 0,
    clean_data: Path | str | None = None,
    class_map: ClassMap | Path | str | None = None,
    suite: str | None = None,
    skip_bad_images: bool = False,
    store: Store | Path | str | None = None,
    rerun: bool = False,
    tags: Iterable[str] = (),
    progress: bool | Observer = False,
    on_piece: Callable[[Piece], None] = lambda piece: None,
) -> Run:
    """Evaluate a classifier on a benchmark: corrupted images, or a natural distribution shift.

    Args:
        model: Takes (N, 3, S, S) float images, normalised; returns logits (N, classes). It is
            moved to the device and keeps its training mode.
        source: A folder (an ImageNet-C tree, clean class folders, or the images of another suite),
            `"sample"`, or a `Source`.
        name: What the run is called; by default the class of the model.
        mean: Subtracted from pixels in [0, 1]; three numbers or one. Default: what the model
            states of itself, as timm's do in `pretrained_cfg` (wrappers are looked through), else
            ImageNet's, with a warning. `"none"`: the model normalises inside.
        std: Then divided by; goes with `mean`.
        conditions: `Condition`s or their names: `"clean"`, `"fog/3"`, or `"fog"` for all its
            severities. Default: clean where the source has it, and the conditions that the means
            of the benchmark are over.
        limit: Only the first images of the sorted keys.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `fp32`, `bf16` or `fp16`.
        input_size: Side in pixels to resample the images to, which is another protocol. Default:
            as the benchmark has them.
        batch_size: Images in a forward pass. Default: 16 on a CPU, 128 on a GPU.
        block_size: Images in a block, which is committed at once; a resumed run keeps its own.
        workers: Processes that make the images; 0 makes them in this one. With more, the
            calling script needs the usual `if __name__ == "__main__":`.
        clean_data: Clean images beside an ImageNet-C tree.
        class_map: Which class folder is which class, as `data.read_class_map` reads it.
        suite: The benchmark that a folder holds, by its name in `robustbench_gnl.suites.SUITES`.
            Default: detected automatically.
        skip_bad_images: Leave images that cannot be read out of every condition.
        store: An open store, or the path or URL of one. Every piece is committed at once; the
            same call resumes an interrupted evaluation, and returns a complete one at once.
            Without it the run is in memory only, and its `id` is empty.
        rerun: Begin a new run even where the store has this one.
        tags: Names that the stored run gets.
        progress: True: a progress bar on stderr. An `Observer` is told progress and messages.
        on_piece: Called with each finished piece.

    Returns:
        The run with its cells and pieces: `run.to_frame()`, `run.outcomes()` and
        `run.class_errors()` are pandas frames; `robustbench_gnl.metrics.summarize` derives the
        numbers of the benchmark.

    Raises:
        GnlbenchError: One of its kinds, for the data, the model, the store or the request.

    Warns:
        GnlbenchWarning: The normalisation or the order of the classes had to be assumed, or the
            model is near chance on clean images.
    """
    arguments.checked_model(model)
    check_has_values(model)
    name = arguments.checked_name(name, model)
    for argument, value, least in (
        ("limit", limit, 1),
        ("batch_size", batch_size, 1),
        ("block_size", block_size, 1),
        ("workers", workers, 0),
    ):
        if value is not None or argument in ("block_size", "workers"):
            arguments.checked_number(argument, value, least)
    given = given_normalisation(mean, std)
    observer = arguments.checked_observer(progress)
    if not callable(on_piece):
        raise UsageError(f"expected a function of a piece as on_piece, got {on_piece!r}")
    settings = Settings(
        device=str(resolve_device(arguments.checked_device(device))),
        precision=check_precision(precision),
        input_size=arguments.checked_input_size(input_size),
        batch_size=batch_size,
        block_size=block_size,
        n_workers=workers,
        skip_bad_images=bool(skip_bad_images),
        rerun=bool(rerun),
        tags=arguments.checked_tags(tags),
    )
    kept_in = arguments.checked_store(store)
    if kept_in is None and (settings.rerun or settings.tags):
        raise UsageError("rerun and tags are about stored runs; give a store with them")
    opened = arguments.checked_source(source, clean_data, class_map, suite).first(limit)
    for note in opened.notes:
        observer.note(note)
    means, stds, assumed = (*given, None) if given else own_normalisation(model)

    def loaded() -> Iterable[LoadedModel]:
        yield LoadedModel(
            module=model,
            name=name,
            checkpoint_sha256=module_sha256(model),
            weights="module",
            n_params=sum(parameter.numel() for parameter in model.parameters()),
            num_classes=None,
            mean=means,
            std=stds,
            mean_source="given" if given else "assumed" if assumed else "module",
            input_size=(3, opened.suite.input.crop, opened.suite.input.crop),
        )

    session = Session(loaded(), opened, conditions, settings, store=kept_in, observer=observer)
    if assumed is not None:
        observer.note(assumed)
    with session:
        (run,) = session.evaluate(on_piece=on_piece, with_pieces=True)
        return run
