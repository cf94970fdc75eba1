"""Whatever a caller passes to `evaluate`: a run, or one of our errors; never an empty run."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

import robustbench_gnl
from corruptions import CorruptionError
from robustbench_gnl.data import Recipe, Source, open_source
from robustbench_gnl.errors import GnlbenchError, GnlbenchWarning, ModelError, UsageError
from robustbench_gnl.modules import module_sha256, own_normalisation, state_dict_sha256
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.trees import make_clean_tree, make_released_tree

FOG = Condition("fog", 3)


class Constant(nn.Module):
    """Always the same answer, of a thousand classes."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.new_zeros(len(images), 1000)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return open_source(make_clean_tree(tmp_path_factory.mktemp("few") / "val"))


def evaluated(source: object, model: object = None, **options: object):
    options = {"mean": "none", "conditions": [CLEAN], **options}
    return robustbench_gnl.evaluate(Constant() if model is None else model, source, **options)  # type: ignore[arg-type]


WRONG = {
    "limit": [0, -1, True, 1.5, "3"],
    "batch_size": [0, -1, 2.0, "16"],
    "block_size": [0, -512, None, 1.5],
    "workers": [-1, None, 0.5, "2"],
    "input_size": [0, -224, 31, 10**9, "224", 224.0],
    "conditions": [
        [], (), "", ["clean", "clean"], [FOG, FOG], ["fog", "fog/2"], "fogg", "fog/6", "fog/0",
        "fog/x", "clean/1", ["fog", 3], [None], 5, [Condition("fog", 0)], [Condition("fogg", 1)],
        [Condition("clean", 1)], [("fog", 3)],
    ],
    "precision": ["fp64", "FP32", 32, ["fp32"], None],
    "device": ["gpu", 0, None, "cuda:99"],
    "name": ["", "  ", 5, b"net"],
    "on_piece": [None, "print"],
    "mean": [
        (0.5, 0.5), (0.5, 0.5, 0.5), "0.5", ("a", "b", "c"), float("nan"), [[0.5] * 3], {"r": 1},
        True,
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_argument_is_a_usage_error(source: Source, argument: str, value: object) -> None:
    with pytest.raises(UsageError):
        evaluated(source, **{argument: value})


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.5, 0.5), (1, 1)), (0.5, 0), (0.5, -1), (0.5, (1, 1, 0)), (None, 1), (0, float("inf"))],
)
def test_a_wrong_normalisation_is_a_usage_error(source: Source, mean: object, std: object) -> None:
    with pytest.raises(UsageError, match="Normalisation needs a mean and a std"):
        evaluated(source, mean=mean, std=std)


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        ("none", None, ((0.0,) * 3, (1.0,) * 3)),
        (0, 1, ((0.0,) * 3, (1.0,) * 3)),
        ([0.5], [0.25], ((0.5,) * 3, (0.25,) * 3)),
        (
            np.array([0.25, 0.5, 0.75]),
            torch.tensor([1.0, 2.0, 4.0]),
            ((0.25, 0.5, 0.75), (1, 2, 4)),
        ),
    ],
)
def test_ways_to_give_a_normalisation(
    source: Source, mean: object, std: object, expected: tuple
) -> None:
    model = evaluated(source, mean=mean, std=std).model
    assert (model.mean, model.std) == expected


@pytest.mark.parametrize("model", [None, "resnet50", Constant, lambda images: images, 5])
def test_what_is_no_model(source: Source, model: object) -> None:
    with pytest.raises(UsageError, match=r"expected a (torch.nn.Module|model)"):
        robustbench_gnl.evaluate(model, source)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [None, 5, "", b"/tmp", ["a"], Path("/nowhere/at/all")])
def test_what_is_no_source(bad: object) -> None:
    with pytest.raises(GnlbenchError):
        evaluated(bad)


@pytest.mark.parametrize(
    "options",
    [
        {"root": None}, {"root": 5}, {"root": ""}, {"kind": "made"}, {"clean_root": 5},
        {"recipe": "gnlbench"}, {"class_map": {"cat": 0}},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_argument_of_open_source(source: Source, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        open_source(**{"root": source.root, **options})


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "fast"}, {"engine": None}, {"seed": "0"}, {"seed": 2**63}, {"seed": True},
        {"jpeg_quality": 0}, {"jpeg_quality": 101}, {"jpeg_quality": 85.0},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_recipe(options: dict[str, Any]) -> None:
    with pytest.raises((UsageError, CorruptionError)):
        Recipe(**options)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["clean", "fog/3"], [CLEAN, FOG]),
        ("fog/3", [FOG]),
        (FOG, [FOG]),
        (iter(["fog/3"]), [FOG]),
        ("contrast", [Condition("contrast", severity) for severity in range(1, 6)]),
    ],
)
def test_conditions_by_their_names(source: Source, given: object, expected: list) -> None:
    assert list(evaluated(source, conditions=given, limit=1).cells) == expected


def test_a_condition_and_its_name() -> None:
    assert DEFAULT_SUITE.parse_conditions(str(FOG)) == (FOG,)
    assert DEFAULT_SUITE.parse_conditions(str(CLEAN)) == (CLEAN,)


class Answers(nn.Module):
    """Gives whatever a function makes of the images."""

    def __init__(self, answer: Callable[[torch.Tensor], object]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: torch.Tensor) -> object:
        return self.answer(images)


def logits(images: torch.Tensor) -> torch.Tensor:
    return images.new_zeros(len(images), 1000)


BAD_OUTPUTS: dict[str, Callable[[torch.Tensor], object]] = {
    "none": lambda images: None,
    "text": lambda images: "logits",
    "image": lambda images: images,
    "vector": lambda images: logits(images)[:, 0],
    "too_few": lambda images: logits(images)[:0],
    "too_many": lambda images: logits(torch.cat([images, images])),
    "no_classes": lambda images: logits(images)[:, :0],
    "sparse": lambda images: logits(images).to_sparse(),
    "complex": lambda images: logits(images).to(torch.complex64),
    "integers": lambda images: logits(images).long(),
    "booleans": lambda images: logits(images) > 0,
    "array": lambda images: logits(images).numpy(),
    "fewer_later": lambda images: logits(images)[:, : 1000 if len(images) == 1 else 10],
    "shorter_batch": lambda images: logits(images)[:1],
    "not_finite": lambda images: logits(images) / 0,
}


@pytest.mark.parametrize("kind", BAD_OUTPUTS)
def test_outputs_that_are_no_logits(source: Source, kind: str) -> None:
    with pytest.raises(ModelError):
        evaluated(source, Answers(BAD_OUTPUTS[kind]))


FAILURES = [
    TypeError("a"),
    KeyError("b"),
    IndexError(),
    AttributeError("c"),
    ZeroDivisionError("d"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("later", [False, True])
def test_whatever_a_network_raises_is_a_model_error(
    source: Source, failure: Exception, later: bool
) -> None:
    def fail(images: torch.Tensor) -> torch.Tensor:
        if later and len(images) == 1:
            return logits(images)
        raise failure

    with pytest.raises(ModelError, match=type(failure).__name__) as caught:
        evaluated(source, Answers(fail))
    assert caught.value.__cause__ is failure


def test_weights_without_data(source: Source) -> None:
    with pytest.raises(ModelError, match="whose weights are loaded"):
        evaluated(source, nn.Linear(3, 3, device="meta"))


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("dtype", "way"),
    [
        (torch.float16, "fp16"),
        (torch.bfloat16, "bf16"),
        (torch.float64, ""),
    ],
)
def test_a_network_of_another_precision_says_what_to_pass(
    source: Source, dtype: torch.dtype, way: str
) -> None:
    module = Head().to(dtype)
    with pytest.raises(UsageError, match=rf"weights are {dtype}.*model.float\(\)") as caught:
        evaluated(source, module)
    if way:
        assert f"give precision={way!r}" in str(caught.value)
        evaluated(source, module, precision=way)


def test_modules_without_parameters_are_told_apart() -> None:
    class Other(Constant):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.new_ones(len(images), 1000)

    class Scaled(Constant):
        def __init__(self, scale: object) -> None:
            super().__init__()
            self.scale = scale

    modules = [
        Constant(), Other(), Scaled(1), Scaled(2), Scaled((1, 2)), Scaled(torch.ones(2)),
        Scaled(torch.zeros(2)), nn.Sequential(Constant()), nn.Dropout(0.5), nn.Dropout(0.25),
    ]  # fmt: skip
    digests = [module_sha256(module) for module in modules]
    assert len(set(digests)) == len(modules)
    assert digests[2] == module_sha256(Scaled(1))
    head = Head()
    assert module_sha256(head) == state_dict_sha256(head.state_dict())


def test_every_kind_of_state_has_a_digest() -> None:
    states = [
        {"a": torch.ones(2)},
        {"a": torch.ones(2).to_sparse()},
        {"a": torch.ones(2, dtype=torch.complex64).conj()},
        {"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)},
        {"a": (1, None)},
        {"a": torch.ones(2, 2).T[:1]},
    ]
    for state in states:
        assert len(state_dict_sha256(state)) == 64


class Normalised(nn.Module):
    """A common way to normalise inside."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.5] * 3).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.5] * 3).view(1, 3, 1, 1))
        self.model = model


@pytest.fixture(scope="module")
def half() -> nn.Module:
    """A network that states mean and std 0.5."""
    return timm.create_model("tf_efficientnet_lite0")


class Wrapper(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "itself": lambda model: model,
    "data_parallel": nn.DataParallel,
    "compiled": torch.compile,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "child": Wrapper,
    "sequential": nn.Sequential,
    "several": lambda model: Wrapper(nn.DataParallel(torch.compile(model))),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_wrappers_are_looked_through(half: nn.Module, kind: str) -> None:
    assert own_normalisation(WRAPPERS[kind](half)) == ((0.5,) * 3, (0.5,) * 3, None)


@pytest.mark.parametrize("kind", ["buffers", "part", "neither", "wrapped"])
def test_where_the_normalisation_is_assumed_it_is_said(half: nn.Module, kind: str) -> None:
    from torchvision.transforms import Normalize

    model = {
        "buffers": lambda: Normalised(half),
        "part": lambda: nn.Sequential(Normalize([0.5] * 3, [0.5] * 3), half),
        "neither": lambda: nn.Sequential(nn.Identity(), half),
        "wrapped": lambda: nn.DataParallel(Normalised(half)),
    }[kind]()
    mean, std, note = own_normalisation(model)
    assert (mean[0], std[0]) == (0.485, 0.229)
    assert note is not None
    assert "ImageNet's mean and std are assumed" in note
    assert ("may normalise inside" in note) == (kind != "neither")


def test_python_is_warned(source: Source) -> None:
    with pytest.warns(GnlbenchWarning, match="ImageNet's mean and std are assumed") as caught:
        robustbench_gnl.evaluate(Constant(), source, conditions="clean")
    assert caught[0].filename == __file__
    with warnings.catch_warnings(action="error"):
        evaluated(source)


def test_python_is_told_of_the_order_of_classes(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "val", folders=["cat 10", "cat 9"], n_per_class=1)
    model = Answers(lambda images: images.new_zeros(len(images), 2))
    with pytest.warns(GnlbenchWarning, match="as timm's training numbers them"):
        evaluated(root, model)


SCRIPT = """
import sys, torch
from robustbench_gnl import evaluate
class Constant(torch.nn.Module):
    def forward(self, images):
        return images.new_zeros(len(images), 1000)
evaluate(Constant(), sys.argv[1], mean="none", conditions="clean", workers=1)
"""


def test_a_script_without_a_main_guard_is_told(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "val", n_per_class=1)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, root], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("robustbench_gnl.errors.UsageError: a worker process ended")
    assert '`if __name__ == "__main__":`' in last


def test_a_module_that_is_still_to_be_shaped(source: Source) -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(1000))
    for options in ({}, {"mean": None}):
        with pytest.raises(ModelError, match="whose weights are loaded"):
            evaluated(source, module, **options)


@pytest.mark.parametrize("later", [False, True])
def test_a_full_memory_is_no_wrong_size(source: Source, later: bool) -> None:
    def fail(images: torch.Tensor) -> torch.Tensor:
        if later and len(images) == 1:
            return logits(images)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UsageError, match="not fit into the memory of cpu"):
        evaluated(source, Answers(fail))


def test_training_modes_are_put_back_when_a_network_cannot_be_moved(source: Source) -> None:
    module = nn.Linear(3, 3, device="meta").train()
    with pytest.raises(ModelError):
        evaluated(source, module)
    assert module.training


def test_a_tree_of_extra_corruptions_is_no_empty_run(tmp_path: Path) -> None:
    root = make_released_tree(tmp_path / "tree", names=("speckle_noise",), severities=(1,))
    with pytest.raises(UsageError, match="name its conditions, such as speckle_noise/1"):
        robustbench_gnl.evaluate(Constant(), root, mean="none")
    assert evaluated(root, conditions="speckle_noise/1").cells


DIGEST = """
import torch
from robustbench_gnl.modules import module_sha256
class Chooses(torch.nn.Module):
    def forward(self, images, kind="alpha"):
        return images if kind in {"alpha", "beta", "gamma", "delta"} else None
print(module_sha256(Chooses()))
"""


def test_the_digest_of_code_is_the_same_in_every_process(run_python: Callable[..., Any]) -> None:
    digests = {run_python(f"import os\n{DIGEST}").stdout for _ in range(3)}
    assert len(digests) == 1
    assert len(digests.pop()) == 65
