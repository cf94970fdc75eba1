"""Fetch timm's published weights, and fail at once where nothing can be fetched."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import timm
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import catalogue

_CONNECT_SECONDS = 5.0


def create_pretrained(name: str, **kwargs: Any) -> nn.Module:
    """timm's model with its published weights, from the cache or the hub.

    Raises:
        UsageError: Nobody published weights for this name.
        ModelError: They cannot be fetched here.
    """
    if not catalogue.has_weights(name):
        raise UsageError(
            f"{name} has no pretrained weights: none were published. Give a checkpoint "
            "(--ckpt FILE), or name another model.",
            name=name,
        )
    try:
        with _no_waiting():
            module: nn.Module = timm.create_model(name, pretrained=True, **kwargs)
            return module
    except Exception as error:  # whatever the hub's client raises, which changes by version
        if isinstance(error, TypeError | ValueError) and not isinstance(error, OSError):
            raise  # a wrong argument, nothing to do with the network
        raise ModelError(
            f"The pretrained weights of {name} are neither in the cache nor can they be "
            f"downloaded here ({type(error).__name__}). Download them on a machine with a network "
            "and give the file with --ckpt, or copy its cache here and set HF_HOME to it.",
            name=name,
        ) from error


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Look only into the cache when the hub cannot be reached.

    huggingface_hub tries a dead network six times with growing pauses: 45 seconds a model.
    """
    if _reachable():
        yield
        return
    with mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", True):
        yield


def _reachable() -> bool:
    hub = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    proxy = urllib.request.getproxies().get(hub.scheme)
    if proxy and hub.hostname and not urllib.request.proxy_bypass(hub.hostname):
        hub = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = hub.port or (80 if hub.scheme == "http" else 443)
    try:
        socket.create_connection((hub.hostname or "", port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
