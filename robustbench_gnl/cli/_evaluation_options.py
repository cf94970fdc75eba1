"""The options of an evaluation, written once for every command that evaluates."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from corruptions import ENGINES
from robustbench_gnl.cli._conditions import (
    ALL_SEVERITIES,
    CORRUPTIONS_METAVAR,
    MAIN_CORRUPTIONS,
    SEVERITIES_METAVAR,
    check_conditions,
)
from robustbench_gnl.cli._options import (
    DEFAULT_JPEG_QUALITY,
    ENGINE_HELP,
    FIRST_IMAGES,
    MOST_WORKERS,
    SEED_HELP,
    WORKERS_HELP,
)
from robustbench_gnl.cli._request import (
    DataRequest,
    ModelRequest,
    pair_models,
    parse_normalisation,
)
from robustbench_gnl.cli._tags import check_tags
from robustbench_gnl.evaluation.settings import LARGEST_INPUT, SMALLEST_INPUT
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES

if TYPE_CHECKING:
    from robustbench_gnl.evaluation import Settings

MODEL, DATA, WORK = "Model", "Data", "Evaluation"
_OWN_IMAGES = ", ".join(suite.title for suite in SUITES.values() if suite.layout is not None)


MODEL_HELP = (
    "Model to evaluate: a name of GroupNL or timm (see gnlbench models), torchvision:NAME, "
    "hf-hub:OWNER/NAME, or your own function as FILE.py:FUNCTION, whose code is run."
)


@dataclass(frozen=True)
class EvaluationOptions:
    """The values of the options; a command decorated with `with_evaluation_options` gets it."""

    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"{MODEL_HELP} Repeat it, each with a --ckpt, to evaluate several models on the "
            "same images. Without it, each --ckpt must name its architecture.",
            rich_help_panel=MODEL,
        ),
    ] = None
    ckpt: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Weights of the model: a checkpoint file, a training folder, or a folder of the "
            "Hugging Face hub.",
            rich_help_panel=MODEL,
        ),
    ] = None
    pretrained: Annotated[
        bool,
        typer.Option(
            "--pretrained", help="Use the published weights of the model.", rich_help_panel=MODEL
        ),
    ] = False
    ema: Annotated[
        bool,
        typer.Option(
            "--ema", help="Use the averaged (EMA) weights of the checkpoint.", rich_help_panel=MODEL
        ),
    ] = False
    best: Annotated[
        bool,
        typer.Option(
            "--best",
            help="Use the best checkpoint of a training folder (model_best), not the last.",
            rich_help_panel=MODEL,
        ),
    ] = False
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B|none",
            help="Mean of the input normalisation, subtracted from pixels in [0, 1]; default: what "
            "the checkpoint or model states. none: the model normalises inside.",
            rich_help_panel=MODEL,
        ),
    ] = None
    std: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="Standard deviation of the input normalisation; needs --mean.",
            rich_help_panel=MODEL,
        ),
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|sample",
            envvar="GNLBENCH_DATA",
            help=f"Images: an ImageNet-C tree, class folders of clean images to corrupt on the "
            f"fly, {_OWN_IMAGES}, or the built-in sample.",
            rich_help_panel=DATA,
        ),
    ] = None
    clean_data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="GNLBENCH_CLEAN_DATA",
            help="Clean images of an ImageNet-C tree, for the clean error.",
            rich_help_panel=DATA,
        ),
    ] = None
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(SUITES),
            help="Benchmark that --data holds; default: detected automatically.",
            rich_help_panel=DATA,
        ),
    ] = None
    source: Annotated[
        str | None,
        typer.Option(
            metavar="released|generated",
            help="Override the detected kind of --data: released (corrupted "
            "images) or generated (clean images).",
            rich_help_panel=DATA,
        ),
    ] = None
    class_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Map of class folders to classes: one folder per line in the order of the classes "
            "(as timm's), or JSON or CSV with indices or WordNet ids.",
            rich_help_panel=DATA,
        ),
    ] = None
    corruptions: Annotated[
        str,
        typer.Option(
            metavar=CORRUPTIONS_METAVAR,
            help=f"Corruptions to evaluate: names or groups ({', '.join(DEFAULT_SUITE.groups)}).",
            rich_help_panel=DATA,
        ),
    ] = MAIN_CORRUPTIONS
    severities: Annotated[
        str,
        typer.Option(
            metavar=SEVERITIES_METAVAR,
            help=f"Severities to evaluate, from {DEFAULT_SUITE.severity_span()}.",
            rich_help_panel=DATA,
        ),
    ] = ALL_SEVERITIES
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Evaluate {FIRST_IMAGES}",
            rich_help_panel=DATA,
        ),
    ] = None
    seed: Annotated[int, typer.Option(help=SEED_HELP, rich_help_panel=DATA)] = 0
    engine: Annotated[
        str,
        typer.Option(
            metavar="|".join(ENGINES),
            help=ENGINE_HELP,
            rich_help_panel=DATA,
        ),
    ] = ENGINES[0]
    jpeg_quality: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            help="JPEG quality of images corrupted on the fly; 0: no JPEG step.",
            rich_help_panel=DATA,
        ),
    ] = DEFAULT_JPEG_QUALITY
    skip_bad_images: Annotated[
        bool,
        typer.Option(
            "--skip-bad-images",
            help="Leave unreadable images out of every condition; such results are not ranked "
            "together with others.",
            rich_help_panel=DATA,
        ),
    ] = False
    input_size: Annotated[
        int | None,
        typer.Option(
            min=SMALLEST_INPUT,
            max=LARGEST_INPUT,
            help="Side in pixels to resample the images to (bicubic); such results are not "
            f"ranked together with others. Default: not resampled, {DEFAULT_SUITE.input.crop} for "
            "ImageNet.",
            show_default=False,
            rich_help_panel=DATA,
        ),
    ] = None
    device: Annotated[
        str,
        typer.Option(
            metavar="auto|cpu|cuda|cuda:N|mps",
            help="Device to run on; auto: a GPU if there is one.",
            rich_help_panel=WORK,
        ),
    ] = "auto"
    precision: Annotated[
        str,
        typer.Option(metavar="fp32|bf16|fp16", help="Inference precision.", rich_help_panel=WORK),
    ] = "fp32"
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images per forward pass; default: 16 on a CPU, 128 on a GPU.",
            rich_help_panel=WORK,
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_WORKERS,
            help=WORKERS_HELP,
            rich_help_panel=WORK,
        ),
    ] = None
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Tag to store the run with; repeatable.", rich_help_panel=WORK
        ),
    ] = None
    rerun: Annotated[
        bool,
        typer.Option(
            "--rerun", help="Evaluate again, even if this run is stored.", rich_help_panel=WORK
        ),
    ] = False

    def model_requests(self) -> list[ModelRequest]:
        """Each model with its weights.

        Raises:
            UsageError: No model, no weights, or numbers of the two that do not match.
        """
        mean, std = parse_normalisation(self.mean, self.std)
        return pair_models(
            self.model or [], self.ckpt or [], pretrained=self.pretrained, ema=self.ema,
            best=self.best, mean=mean, std=std,
        )  # fmt: skip

    def data_request(self, context: typer.Context) -> DataRequest:
        """Which images, and how they are corrupted.

        Raises:
            UsageError: No suite has the conditions, or not the suite that was named.
        """
        check_conditions(self.corruptions, self.severities, self.suite)
        return DataRequest(
            data=self.data,
            clean_data=self.clean_data,
            clean_data_is_typed=_is_given(context, "clean_data"),
            suite=self.suite,
            kind=self.source,
            class_map=self.class_map,
            corruptions=self.corruptions,
            severities=self.severities,
            limit=self.limit,
            seed=self.seed,
            engine=self.engine,
            jpeg_quality=self.jpeg_quality or None,
            typed_recipe_options=tuple(
                name for name in ("seed", "engine", "jpeg_quality") if _is_given(context, name)
            ),
        )

    def settings(self) -> Settings:
        """How the evaluation is carried out.

        Raises:
            UsageError: A tag without a name, or one that no store takes.
        """
        from robustbench_gnl.evaluation import Settings

        check_tags(self.tag or ())
        return Settings(
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            n_workers=self.workers,
            input_size=self.input_size,
            skip_bad_images=self.skip_bad_images,
            rerun=self.rerun,
            tags=tuple(self.tag or ()),
        )


def with_evaluation_options(
    command: Callable[..., None], *, model_help: str | None = None
) -> Callable[..., None]:
    """Replace the parameter `options` of a command by the options above, one parameter each: Typer
    reads options from the signature of a function.

    Args:
        model_help: The help of --model for a command of a single model.
    """
    hints = get_type_hints(EvaluationOptions, include_extras=True)
    if model_help is not None:
        kind, option = get_args(hints["model"])
        option = copy(option)
        option.help = model_help
        hints["model"] = Annotated[kind, option]
    typed = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(EvaluationOptions)
    ]
    own = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in own.parameters.values():
        if parameter.name == "options":
            parameters += typed
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**values: Any) -> None:
        options = EvaluationOptions(**{one.name: values.pop(one.name) for one in typed})
        command(**values, options=options)

    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
