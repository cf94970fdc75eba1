"""What the device makes is what the workers make, and the device makes only that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import corruptions
import robustbench_gnl
from corruptions.batch import EXACT
from robustbench_gnl.data import Recipe, open_source
from robustbench_gnl.evaluation import loop
from robustbench_gnl.evaluation.corrupting import corrupted_on_device
from robustbench_gnl.records import CLEAN, Condition
from tests.trees import make_clean_tree

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Watcher(nn.Module):
    """Keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images.clone())
        return torch.zeros(len(images), 1000)


@pytest.mark.parametrize(
    ("device", "recipe", "input_size", "expected"),
    [
        (CUDA, Recipe(), 224, EXACT),
        (CUDA, Recipe(), 256, frozenset()),
        (CUDA, Recipe(engine="imagecorruptions"), 224, frozenset()),
        (CUDA, None, 224, frozenset()),
        (CPU, Recipe(), 224, frozenset()),
    ],
)
def test_only_cuda_makes_what_comes_out_the_same(
    device: torch.device, recipe: Recipe | None, input_size: int, expected: frozenset[str]
) -> None:
    assert corrupted_on_device(device, recipe, input_size) == expected


@pytest.fixture
def one_lane() -> Iterator[None]:
    """Batches come in order."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.usefixtures("one_lane")
@pytest.mark.parametrize("jpeg_quality", [85, None])
def test_the_device_makes_the_very_pixels_of_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jpeg_quality: int | None
) -> None:
    source = open_source(
        make_clean_tree(tmp_path / "val", 2, 2), recipe=Recipe(seed=4, jpeg_quality=jpeg_quality)
    )
    names = [name for name in corruptions.names("all") if name in EXACT]
    conditions = (CLEAN, *(Condition(name, 3) for name in names))

    def seen(network: Watcher) -> torch.Tensor:
        robustbench_gnl.evaluate(network, source, conditions=conditions, batch_size=3)
        return torch.cat(network.seen[1:])  # the first tries a blank image

    by_workers = seen(Watcher())
    monkeypatch.setattr(loop, "corrupted_on_device", lambda *_: EXACT)
    by_device = seen(Watcher())

    assert len(by_workers) == 4 * len(conditions)
    assert torch.equal(by_device, by_workers)
    assert by_device.is_contiguous(memory_format=torch.channels_last)
