"""`evaluate`: judge any module from Python, without a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from torch import nn

from robustbench_gnl.data import CROP, Layout, Source, check_trees, open_sample, open_source
from robustbench_gnl.data import start_workers as open_workers
from robustbench_gnl.errors import UsageError
from robustbench_gnl.evaluation.device import check_precision, resolve_device
from robustbench_gnl.evaluation.environment import environment
from robustbench_gnl.evaluation.lanes import default_batch_size
from robustbench_gnl.evaluation.loop import Judged, evaluate_pieces
from robustbench_gnl.evaluation.network import Network
from robustbench_gnl.metrics import cells_of
from robustbench_gnl.records import (
    BLOCK_SIZE,
    CLEAN,
    COMMON_CONDITIONS,
    Condition,
    Model,
    Piece,
    Run,
    state_dict_sha256,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def evaluate(
    model: nn.Module,
    source: Source | Path | str,
    *,
    name: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    conditions: Sequence[Condition] | None = None,
    limit: int | None = None,
    device: str = "auto",
    precision: str = "fp32",
    input_size: int = CROP,
    batch_size: int | None = None,
    block_size: int = BLOCK_SIZE,
    workers: int = 0,
    on_piece: Callable[[Piece], None] = lambda piece: None,
) -> Run:
    """Judge a classifier on corrupted images.

    Args:
        model: Takes (N, 3, S, S) float images, normalised; returns logits (N, classes). It is
            moved to the device and keeps its training mode.
        source: A folder (an ImageNet-C tree or clean class folders), `"sample"`, or a `Source`.
        mean: Subtracted from pixels in [0, 1]. Default: what the model says of itself, as
            timm's do in `pretrained_cfg`, else ImageNet's.
        std: Then divided by; likewise.
        conditions: Default: clean where the source has it, and the 75 common conditions.
        limit: Only the first images of the sorted keys.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `fp32`, `bf16` or `fp16`.
        batch_size: Default: 16 on a CPU, 128 on a GPU.
        workers: Processes that make the images; 0 makes them in this one. With more, the
            calling script needs the usual `if __name__ == "__main__":`.
        on_piece: Called with each finished piece.

    Returns:
        The run with its cells; `robustbench_gnl.metrics.summarize` derives the numbers.

    Raises:
        GnlbenchError: One of its kinds, for the data, the model or the request.
    """
    source = _as_source(source).first(limit)
    wanted = tuple(conditions) if conditions is not None else _default_conditions(source)
    unknown = [condition for condition in wanted if not source.has(condition)]
    if unknown:
        raise UsageError(f"{source.root} has no images for {', '.join(map(str, unknown[:3]))}")
    resolved = resolve_device(device)
    check_precision(precision)
    own_mean, own_std = own_normalisation(model)
    mean, std = mean or own_mean, std or own_std
    created_at = _now()
    network = Network(model, mean=mean, std=std, device=resolved, precision=precision)
    pieces: list[Piece] = []

    def keep(piece: Piece) -> None:
        pieces.append(piece)
        on_piece(piece)

    with network, open_workers(workers, engine=source.engine) as executor:
        n_classes = network.check(input_size)
        image_set = source.image_set(n_classes)
        record = describe(model, name or type(model).__name__, n_classes, mean, std)
        layout = Layout(image_set.n_images, block_size, batch_size or default_batch_size(resolved))
        check_trees(source, wanted)
        evaluate_pieces(
            [Judged(network, image_set, keep)], source, wanted, layout, executor,
            n_workers=workers, input_size=input_size,
        )  # fmt: skip
    return Run(
        id="",
        model=record,
        protocol=source.protocol(image_set, input_size=input_size, precision=precision),
        block_size=block_size,
        created_at=created_at,
        finished_at=_now(),
        cells=cells_of(pieces, image_set.n_images),
        environment=environment(resolved),
        seconds=sum(piece.seconds for piece in pieces),
    )


def describe(
    module: nn.Module, name: str, n_classes: int, mean: Sequence[float], std: Sequence[float]
) -> Model:
    """The record of a module in memory; its weights are known by their sha256."""
    return Model(
        name=name,
        checkpoint_sha256=state_dict_sha256(module.state_dict()),
        weights="module",
        n_params=sum(parameter.numel() for parameter in module.parameters()),
        n_classes=n_classes,
        mean=tuple(map(float, mean)),
        std=tuple(map(float, std)),
    )


def own_normalisation(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and std that the model carries, ImageNet's where it carries none."""
    config = getattr(model, "pretrained_cfg", None) or {}
    mean, std = config.get("mean", IMAGENET_MEAN), config.get("std", IMAGENET_STD)
    return tuple(map(float, mean)), tuple(map(float, std))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_source(source: Source | Path | str) -> Source:
    if isinstance(source, Source):
        return source
    return open_sample() if str(source) == "sample" else open_source(Path(source))


def _default_conditions(source: Source) -> tuple[Condition, ...]:
    return tuple(c for c in (CLEAN, *COMMON_CONDITIONS) if source.has(c))
