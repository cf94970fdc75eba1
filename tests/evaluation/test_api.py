"""`evaluate` from Python: any module, and nothing left changed behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import robustbench_gnl
from robustbench_gnl.data import Recipe, imagenet_labels, open_sample, open_source
from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.evaluation import Network, resolve_device
from robustbench_gnl.evaluation.inference_threads import inference_threads
from robustbench_gnl.metrics import summarize
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Condition

CONDITIONS = (CLEAN, Condition("brightness", 1), Condition("gaussian_noise", 5))


class Reader(nn.Module):
    """Reads the label off the pixels: right on clean images whose colour is their class."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = (images.mean(dim=(1, 2, 3)) * 255).round().long().clamp(0, 999)
        return nn.functional.one_hot(grey, 1000).float() * 9


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """Six classes, each image in the grey whose level is its label."""
    wnids = list(imagenet_labels())
    for label in (10, 40, 90, 120, 200, 250):
        folder = tmp_path / "val" / wnids[label]
        folder.mkdir(parents=True)
        Image.new("RGB", (256, 256), (label,) * 3).save(folder / "flat.png")
    return tmp_path / "val"


def test_any_module_is_judged_by_the_labels_of_the_wordnet_ids(coloured: Path) -> None:
    run = robustbench_gnl.evaluate(
        Reader(), coloured, mean=(0, 0, 0), std=(1, 1, 1), conditions=CONDITIONS
    )
    assert run.cells[CLEAN].n_top1 == 6
    assert run.cells[Condition("brightness", 1)].n_top1 == 0  # every grey is another one now
    assert run.model.name == "Reader"
    assert summarize(run.cells, default_reference()).clean_error == 0


def test_a_missing_class_folder_shifts_no_label(coloured: Path) -> None:
    import shutil

    shutil.rmtree(sorted(coloured.iterdir())[0])
    run = robustbench_gnl.evaluate(
        Reader(), coloured, mean=(0, 0, 0), std=(1, 1, 1), conditions=(CLEAN,)
    )
    assert (run.cells[CLEAN].n_images, run.cells[CLEAN].n_top1) == (5, 5)


def test_the_module_gets_its_own_normalisation(coloured: Path) -> None:
    seen: list[torch.Tensor] = []

    class Spy(Reader):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images.clone())
            return super().forward(images)

    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    robustbench_gnl.evaluate(Spy(), coloured, mean=mean, std=std, conditions=(CLEAN,))
    images = torch.cat(seen[1:])  # the first is the blank image that tries the size
    levels = torch.tensor([10, 40, 90, 120, 200, 250]) / 255
    expected = (levels[:, None] - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(images[:, :, 0, 0], expected)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_the_calling_process_is_left_as_it_was(coloured: Path) -> None:
    module = Reader().train()
    n_threads, random = torch.get_num_threads(), np.random.get_state()[1].tolist()
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    robustbench_gnl.evaluate(module, coloured, conditions=CONDITIONS)
    assert module.training
    assert torch.get_num_threads() == n_threads
    assert np.random.get_state()[1].tolist() == random
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == tf32


def test_blocks_and_batches_change_no_answer(coloured: Path) -> None:
    runs = [
        robustbench_gnl.evaluate(
            Reader(), coloured, mean=(0, 0, 0), std=(1, 1, 1), conditions=CONDITIONS,
            block_size=block_size, batch_size=batch_size,
        )
        for block_size, batch_size in ((512, 16), (4, 2), (1, 1))
    ]  # fmt: skip
    counts = [
        {
            condition: (cell.n_images, cell.n_top1, cell.n_top5)
            for condition, cell in run.cells.items()
        }
        for run in runs
    ]
    assert counts[0] == counts[1] == counts[2]
    sums = [[c.negative_log_likelihood_sum for c in run.cells.values()] for run in runs]
    np.testing.assert_allclose(sums[1:], [sums[0]] * 2, rtol=1e-9)


def test_the_protocol_is_made_of_what_moves_numbers(coloured: Path) -> None:
    def protocol(recipe: Recipe | None = None, **options: object) -> object:
        source = open_source(coloured, recipe=recipe)
        run = robustbench_gnl.evaluate(Reader(), source, conditions=(CLEAN,), **options)
        return run.protocol

    plain = protocol()
    assert protocol(batch_size=2).fingerprint == plain.fingerprint
    changed = [
        protocol(precision="bf16"), protocol(input_size=128), protocol(limit=3),
        protocol(Recipe(seed=1)), protocol(Recipe(jpeg_quality=None)),
    ]  # fmt: skip
    assert len({each.fingerprint for each in (plain, *changed)}) == 6
    assert len({each.name for each in (plain, *changed)}) == 6


def test_precisions_agree_on_what_is_easy(coloured: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000)
    )
    answers = []
    for precision in ("fp32", "bf16", "fp16"):
        network = Network(
            module, mean=(0.5,) * 3, std=(0.5,) * 3, device=torch.device("cpu"), precision=precision
        )
        with network:
            images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
            answers.append(network.logits(images).float())
    torch.testing.assert_close(answers[1], answers[0], atol=2e-2, rtol=0)
    torch.testing.assert_close(answers[2], answers[0], atol=2e-3, rtol=0)
    assert not torch.equal(answers[1], answers[0])


def test_what_comes_out_must_be_logits(coloured: Path) -> None:
    with pytest.raises(ModelError, match="shape"):
        robustbench_gnl.evaluate(nn.Conv2d(3, 4, 3), coloured)


def test_conditions_that_the_source_lacks_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "fog" / "1" / next(iter(imagenet_labels()))
    folder.mkdir(parents=True)
    Image.new("RGB", (224, 224)).save(folder / "one.png")
    with pytest.raises(UsageError, match="clean"):
        robustbench_gnl.evaluate(Reader(), tmp_path, conditions=(CLEAN,))


def test_inference_threads_share_one_network_without_mixing_batches() -> None:
    sample = open_sample()
    assert sample.n_images == 20
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = Network(
        module, mean=(0.5,) * 3, std=(0.5,) * 3, device=resolve_device("cpu"), precision="fp32"
    )
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, (3, 64, 64, 3), np.uint8) for _ in range(12)]
    with network, inference_threads(torch.device("cpu")) as (executor, _):
        together = [each.result() for each in [executor.submit(network.logits, b) for b in batches]]
        alone = [network.logits(batch) for batch in batches]
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one, other)


def test_frozen_parts_of_a_training_module_stay_frozen(coloured: Path) -> None:
    module = nn.Sequential(nn.BatchNorm2d(3), Reader()).train()
    module[0].eval()
    robustbench_gnl.evaluate(module, coloured, conditions=(CLEAN,))
    assert module.training
    assert not module[0].training


def test_a_model_that_says_how_it_is_normalised_is_believed(coloured: Path) -> None:
    module = Reader()
    module.pretrained_cfg = {"mean": (0, 0, 0), "std": (1, 1, 1)}
    run = robustbench_gnl.evaluate(module, coloured, conditions=(CLEAN,))
    assert run.model.std == (1, 1, 1)
    assert run.cells[CLEAN].n_top1 == 6
    assert robustbench_gnl.evaluate(Reader(), coloured, conditions=(CLEAN,)).model.std[0] == 0.229


def test_a_module_in_bfloat16_is_known_by_its_weights_too(coloured: Path) -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1000)).bfloat16()
    wrapped = nn.Sequential(Cast(), module)
    run = robustbench_gnl.evaluate(wrapped, coloured, conditions=(CLEAN,))
    assert len(run.model.checkpoint_sha256) == 64


class Cast(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.bfloat16()


@pytest.mark.parametrize("name", ["cpu:", "cpu:0", "cuda:x", "mps:1", "gpu"])
def test_device_names_that_mean_nothing_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="unknown device"):
        resolve_device(name)
