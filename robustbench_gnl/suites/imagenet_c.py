"""ImageNet-C: 15 corruptions at 5 severities, and 4 extra ones.

Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019.
"""

from __future__ import annotations

from dataclasses import replace

import corruptions
from robustbench_gnl.suites.suite import (
    IMAGENET_INPUT,
    IMAGENET_LABELS,
    ReferenceErrors,
    Suite,
)

IMAGENET_C = Suite(
    name="imagenet-c",
    title="ImageNet-C",
    citation="hendrycks2019benchmarking",
    corruptions=corruptions.names("common"),
    extra_corruptions=corruptions.names("extra"),
    severities=corruptions.SEVERITIES,
    groups={name: names for name, names in corruptions.GROUPS.items() if name != "extra"},
    has_clean=True,
    labels=IMAGENET_LABELS,
    input=replace(IMAGENET_INPUT, jpeg_quality=85),
    metrics=(
        "clean_error",
        "mean_corruption_error",
        "mce",
        "relative_mce",
        "mean_error_19",
        "clean_top5_error",
        "mean_top5_error",
        "clean_negative_log_likelihood",
        "mean_negative_log_likelihood",
        "clean_calibration_error",
        "mean_calibration_error",
        "robustness_gap",
        "effective_robustness",
    ),
    ranked_by=("mce", "mean_corruption_error"),
    reference=ReferenceErrors(
        name="AlexNet",
        protocol="50,000 released images, no resampling",
        file="alexnet_errors.csv",
        citation="krizhevsky2012imagenet",
    ),
    n_published_images=50_000,
)
