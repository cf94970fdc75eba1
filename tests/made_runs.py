"""Runs whose every error is AlexNet's times a factor, so that their mCE is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

import corruptions
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Cell, Condition, Model, Protocol, Run

MakeRun = Callable[..., Run]


def make_protocol(**changes: Any) -> Protocol:
    fields: dict[str, Any] = {
        "name": "released-50k",
        "source": "released",
        "image_set": "a" * 64,
        "n_images": 50_000,
        "label_set": "imagenet-1k",
        "crop": "center-224",
        "resampling": "none",
        "jpeg_quality": None,
        "engine": None,
        "engine_version": None,
        "seed": None,
        "precision": "fp32",
        "jpeg_decoder": "pillow",
    }
    return Protocol(**{**fields, **changes})


def make_cells(
    factor: float, n_images: int, *, extra: bool, without: Iterable[Condition]
) -> dict[Condition, Cell]:
    alexnet = default_reference()
    errors = {CLEAN: alexnet.clean_error}
    for name, five in alexnet.errors.items():
        errors |= {Condition(name, s): e for s, e in enumerate(five, start=1)}
    if extra:
        for name, mean in alexnet.mean_errors.items():
            errors |= {Condition(name, s): mean for s in corruptions.SEVERITIES}
    return {
        condition: Cell(n_images, round((1 - factor * error) * n_images), n_images, 0.0)
        for condition, error in errors.items()
        if condition not in set(without)
    }


@pytest.fixture
def make_run() -> MakeRun:
    def make(
        name: str = "resnet50",
        factor: float = 0.8,
        *,
        protocol: Protocol | None = None,
        sha256: str = "ab" * 32,
        weights: str = "state_dict",
        extra: bool = False,
        without: Iterable[Condition] = (),
        **fields: Any,
    ) -> Run:
        protocol = protocol or make_protocol()
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        return Run(
            **{
                "id": f"{name}-{factor}",
                "model": Model(name, sha256, weights, 25_557_032, 1000, mean, std),
                "protocol": protocol,
                "block_size": 512,
                "created_at": "2026-01-02T03:04:05+00:00",
                "cells": make_cells(factor, protocol.n_images, extra=extra, without=without),
                "tags": ("paper",),
                **fields,
            }
        )

    return make


@pytest.fixture
def protocol_of() -> Callable[..., Protocol]:
    return make_protocol
