"""Natural distribution shifts: ImageNet-V2, -Sketch, -A and -R, data sets with their own images.

Recht et al., "Do ImageNet Classifiers Generalize to ImageNet?", ICML 2019; Wang et al., "Learning
Robust Global Representations by Penalizing Local Predictive Power", NeurIPS 2019; Hendrycks et
al., "Natural Adversarial Examples", CVPR 2021, and "The Many Faces of Robustness", ICCV 2021.
"""

from __future__ import annotations

import re
from dataclasses import replace

from robustbench_gnl.suites.suite import (
    IMAGENET_INPUT,
    IMAGENET_LABELS,
    ClassFolderLayout,
    LabelSpace,
    Suite,
)

_METRICS = ("top1_error", "top5_error", "negative_log_likelihood", "calibration_error")


def _natural_shift(
    name: str,
    title: str,
    citation: str,
    layout: ClassFolderLayout,
    labels: LabelSpace = IMAGENET_LABELS,
    *,
    is_adversarial: bool = False,
) -> Suite:
    """A suite with a single condition: its images without corruption."""
    return Suite(
        name=name,
        title=title,
        citation=citation,
        corruptions=(name,),
        labels=labels,
        input=IMAGENET_INPUT,
        metrics=_METRICS,
        ranked_by=("top1_error",),
        layout=layout,
        is_adversarial=is_adversarial,
    )


IMAGENET_V2 = _natural_shift(
    "imagenet-v2",
    "ImageNet-V2",
    "recht2019imagenet",
    # Three draws of 10 images a class: matched frequency, threshold 0.7 and top images.
    ClassFolderLayout(
        file_name=re.compile(r"[0-9a-f]{40}\.jpe?g"),
        folders_are_indices=True,
        n_images=10_000,
    ),
)
IMAGENET_SKETCH = _natural_shift(
    "imagenet-sketch",
    "ImageNet-Sketch",
    "wang2019learning",
    ClassFolderLayout(file_name=re.compile(r"sketch_\d+\.JPEG"), n_images=50_889),
)
IMAGENET_A = _natural_shift(
    "imagenet-a",
    "ImageNet-A",
    "hendrycks2021natural",
    ClassFolderLayout(file_name=re.compile(r"\d\.\d+_.+_\d\.\d+\.jpg"), n_images=7_500),
    replace(IMAGENET_LABELS, subset_list="imagenet_a_wnids.txt"),
    is_adversarial=True,
)
IMAGENET_R = _natural_shift(
    "imagenet-r",
    "ImageNet-R",
    "hendrycks2021many",
    ClassFolderLayout(
        file_name=re.compile(
            r"(art|cartoon|deviantart|embroidery|graffiti|graphic|misc|origami|painting|sculpture"
            r"|sketch|sticker|tattoo|toy|videogame)_\d+\.jpg"
        ),
        n_images=30_000,
    ),
    replace(IMAGENET_LABELS, subset_list="imagenet_r_wnids.txt"),
)
