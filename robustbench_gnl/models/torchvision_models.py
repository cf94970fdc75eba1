"""torchvision's classifiers, as `torchvision:resnet50`, with the weights that it publishes.

They are not timm's of the same name: the weights differ, and often the keys.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError, did_you_mean, option
from robustbench_gnl.models.connection import can_connect
from robustbench_gnl.models.overrides import variable_set
from robustbench_gnl.suites.suite import IMAGENET_LABELS

PREFIX = "torchvision:"
_DEFAULT_CLASSES = IMAGENET_LABELS.n_classes
# Both normalise once more within the model when they are built for the published weights.
_NORMALISE_AGAIN = ("googlenet", "inception_v3")


@functools.cache
def list_names() -> tuple[str, ...]:
    """`torchvision:NAME` of each of its classifiers."""
    from torchvision import models

    return tuple(PREFIX + name for name in models.list_models(module=models))


def check_name(name: str) -> None:
    """Refuse a name that torchvision does not have; a tag names weights, as in
    `torchvision:resnet50.IMAGENET1K_V1`.

    Raises:
        UsageError: With the nearest names.
    """
    base, _, tag = name.partition(".")
    if base not in list_names():
        raise UsageError(
            f"Expected a classifier of torchvision, got {name!r}{did_you_mean(base, list_names())}",
            name=name,
        )
    tags = [each.name for each in _weights_enum(name)]
    if tag and tag not in tags:
        raise UsageError(
            f"Expected weights that {base} has ({', '.join(tags)}), got {name!r}", name=name
        )


def build(name: str, num_classes: int | None, **kwargs: Any) -> nn.Module:
    """The model with random weights, and what it says of its input in `pretrained_cfg`."""
    from torchvision import models

    base = _base(name)
    options: dict[str, Any] = {"weights": None, "num_classes": num_classes or _DEFAULT_CLASSES}
    if base in _NORMALISE_AGAIN:
        options["init_weights"] = False  # slow, and replaced at once
    return _described(models.get_model(base, **options | kwargs), name, options["num_classes"])


def notes_on(name: str) -> tuple[str, ...]:
    """Notes for readers of a result with a checkpoint of this model."""
    if _base(name) not in _NORMALISE_AGAIN:
        return ()
    return (
        f"{name} is built as torchvision does for training, without transform_input; the file that "
        f"torchvision publishes needs {option('mean', '0.5,0.5,0.5')} "
        f"{option('std', '0.5,0.5,0.5')}",
    )


def create_pretrained(name: str, **kwargs: Any) -> tuple[nn.Module, str]:
    """The model with its published weights, and their label.

    Raises:
        ModelError: They are not in torch's cache and cannot be downloaded here.
    """
    from torchvision import models

    base, _, tag = name.partition(".")
    weights = _weights_enum(name)[tag or "DEFAULT"]
    file = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(weights.url).path).name)
    failed = f"The weights {weights.name} of {base} are neither in the cache ({file}) nor can they "
    advice = f"Download the file on a machine with a network, and give it with {option('ckpt')}."
    if not file.exists() and not can_connect(weights.url):
        raise ModelError(
            f"{failed}be downloaded here: no connection to {urlsplit(weights.url).hostname}. "
            + advice,
            name=name,
        )
    try:
        # torchvision leaves the choice of torch's loader to torch; this is the one that runs
        # nothing.
        with variable_set("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1"):
            module = models.get_model(_base(name), weights=weights, progress=False, **kwargs)
    except Exception as error:  # whatever urllib, the disk or a damaged file raise
        if isinstance(error, TypeError | ValueError) and not isinstance(error, OSError):
            raise  # a wrong argument
        raise ModelError(
            f"{failed}be downloaded or read here ({type(error).__name__}: {error}). {advice}",
            name=name,
        ) from error
    return _described(module, name, len(weights.meta["categories"]), tag), weights.name


def _described(module: nn.Module, name: str, num_classes: int, tag: str = "") -> nn.Module:
    """Has the module say of itself what timm's say, so that all are treated alike."""
    preset = _weights_enum(name)[tag or "DEFAULT"].transforms()
    size = preset.crop_size[0]
    outputs = [
        key.removesuffix(".weight")
        for key, value in module.state_dict().items()
        if key.endswith(".weight") and value.ndim >= 2 and value.shape[0] == num_classes
    ]
    first = next(key for key, value in module.state_dict().items() if value.ndim == 4)
    module.pretrained_cfg = {  # type: ignore[assignment]
        "architecture": name.partition(".")[0],
        "mean": tuple(preset.mean),
        "std": tuple(preset.std),
        "input_size": (3, size, size),
        # A layer within may be as wide by chance; the classifier is the last.
        "classifier": outputs[-1] if outputs else None,
        "first_conv": first.removesuffix(".weight"),
    }
    module.num_classes = num_classes  # type: ignore[assignment]
    return module


def _weights_enum(name: str) -> Any:
    from torchvision import models

    return models.get_model_weights(_base(name))


def _base(name: str) -> str:
    return name.removeprefix(PREFIX).partition(".")[0]
