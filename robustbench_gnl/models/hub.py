"""Downloading published weights of timm; fails at once without a connection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError, option
from robustbench_gnl.models import catalogue
from robustbench_gnl.models.connection import can_connect
from robustbench_gnl.models.overrides import attribute_set


def create_pretrained(name: str, **kwargs: Any) -> nn.Module:
    """timm's model with its published weights, from the cache or the hub.

    Raises:
        UsageError: Nobody published weights for this name.
        ModelError: They cannot be fetched here.
    """
    if not name.startswith(catalogue.HUB) and not catalogue.has_weights(name):
        raise UsageError(
            f"{name} has no pretrained weights: none were published. Give a checkpoint "
            f"({option('ckpt', 'FILE')}), or name another model.",
            name=name,
        )
    try:
        with _offline_if_unreachable():
            module: nn.Module = timm.create_model(name, pretrained=True, **kwargs)
            return module
    except Exception as error:  # whatever the hub's client raises, which changes by version
        _raise_of_the_hub(name, error)
        raise ModelError(
            f"The pretrained weights of {name} are neither in the cache nor can they be "
            f"downloaded here ({type(error).__name__}). Download them on a machine with a network "
            f"and give the file with {option('ckpt')}, or copy its cache here and set HF_HOME to "
            f"it.",
            name=name,
        ) from error


def create_untrained(name: str, **kwargs: Any) -> nn.Module:
    """The model of a `hf-hub:` name with random weights, by its configuration on the hub.

    Raises:
        ModelError: The configuration can be had neither from the cache nor from the hub.
    """
    try:
        with _offline_if_unreachable():
            module: nn.Module = timm.create_model(name, **kwargs)
            return module
    except Exception as error:  # as above
        _raise_of_the_hub(name, error)
        raise ModelError(
            f"The architecture of {name} is not known here: its config.json is neither in the "
            f"cache nor can it be downloaded ({type(error).__name__}). Give the folder that was "
            f"downloaded from the hub, config.json included, with {option('ckpt')}, or name "
            f"timm's model.",
            name=name,
        ) from error


def _raise_of_the_hub(name: str, error: Exception) -> None:
    """Raise what has nothing to do with the connection.

    Raises:
        ModelError: What the hub has under this name is no model of timm's.
    """
    if isinstance(error, OSError):
        return
    if name.startswith(catalogue.HUB) and isinstance(error, KeyError | ValueError | RuntimeError):
        reason = next(iter(str(error).splitlines()), "")
        raise ModelError(
            f"{name} is there, but is not a model that timm can create ({type(error).__name__}: "
            f"{reason}). Build it with a function of your own "
            f"({option('model', 'FILE.py:FUNCTION')}).",
            name=name,
        ) from error
    if isinstance(error, TypeError | ValueError):
        raise error  # a wrong argument


@contextmanager
def _offline_if_unreachable() -> Iterator[None]:
    """Look only into the cache when the hub cannot be reached.

    huggingface_hub tries a dead network six times with growing pauses: 45 seconds a model.
    """
    if _reachable():
        yield
        return
    from huggingface_hub import constants

    # Read from the environment at import, so setting the variable now would have no effect.
    with attribute_set(constants, "HF_HUB_OFFLINE", True):
        yield


def _reachable() -> bool:
    return can_connect(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
