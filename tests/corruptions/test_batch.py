"""`corrupt_batch` agrees with `corrupt`, image by image, and refuses what it cannot take."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import corruptions
from corruptions.batch import EXACT, MADE_ONE_BY_ONE
from tests.trees import photo

BATCHED = [name for name in corruptions.names("all") if name not in MADE_ONE_BY_ONE]
KEYS = ("n01440764/a", "n01440764/b", "n01443537/c")


def images_of(height: int, width: int) -> torch.Tensor:
    """(3, 3, H, W): three photographs."""
    photos = [photo(width, height, name) for name in ("one", "two", "three")]
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize(("height", "width"), [(224, 224), (64, 97)])
def test_a_batch_agrees_with_its_images_one_by_one(name: str, height: int, width: int) -> None:
    images = images_of(height, width)
    before = images.clone()
    for severity in corruptions.SEVERITIES:
        seeds = [corruptions.image_seed(5, key, name, severity) for key in KEYS]
        batch = corruptions.corrupt_batch(images, name, severity, seeds=seeds)
        singles = [
            corruptions.corrupt(image.permute(1, 2, 0).numpy(), name, severity, seed=5, key=key)
            for image, key in zip(images, KEYS, strict=True)
        ]
        expected = torch.from_numpy(np.stack(singles)).permute(0, 3, 1, 2)

        assert batch.dtype == torch.uint8
        difference = (batch.int() - expected.int()).abs()
        if name in EXACT:
            assert int(difference.max()) == 0, severity
        assert float((difference <= 1).float().mean()) >= 0.999, severity
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", BATCHED)
def test_an_image_does_not_depend_on_its_company(name: str) -> None:
    images = images_of(64, 64)
    seeds = [corruptions.image_seed(5, key, name, 3) for key in KEYS]
    together = corruptions.corrupt_batch(images, name, 3, seeds=seeds)
    alone = corruptions.corrupt_batch(images[2:], name, 3, seeds=seeds[2:])

    assert torch.equal(together[2:], alone)


@pytest.mark.parametrize("name", sorted(MADE_ONE_BY_ONE))
def test_what_is_made_one_by_one_says_so(name: str) -> None:
    with pytest.raises(corruptions.EngineUnavailableError, match="made image by image"):
        corruptions.corrupt_batch(images_of(64, 64), name, 1, seeds=[1, 2, 3])


@pytest.mark.parametrize(
    ("images", "seeds", "sentence"),
    [
        (np.zeros((1, 3, 64, 64), np.uint8), [1], "expected a torch tensor"),
        (torch.zeros(1, 3, 64, 64), [1], "got torch.float32"),
        (torch.zeros(1, 64, 64, 3, dtype=torch.uint8), [1], "brings the channels forward"),
        (torch.zeros(3, 64, 64, dtype=torch.uint8), [1], r"expected shape \(B, 3, H, W\)"),
        (torch.zeros(1, 3, 64, 31, dtype=torch.uint8), [1], r"at least 32 pixels, got \(64, 31\)"),
        (torch.zeros(2, 3, 64, 64, dtype=torch.uint8), [1], "got 1 seeds for 2 images"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8).to_sparse(), [1], "a dense tensor"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8, device="meta"), [1], "holds data"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(
    images: torch.Tensor, seeds: list[int], sentence: str
) -> None:
    with pytest.raises(corruptions.InvalidImageError, match=sentence):
        corruptions.corrupt_batch(images, "gaussian_noise", 1, seeds=seeds)


class Subclass(torch.Tensor):
    """As torchvision makes them, to know images from masks."""


TENSORS = {
    "subclass": lambda images: images.as_subclass(Subclass),
    "parameter": lambda images: torch.nn.Parameter(images, requires_grad=False),
    "channels last": lambda images: images.contiguous(memory_format=torch.channels_last),
    "part": lambda images: torch.cat([images, images], 3)[..., : images.shape[3]],
}


@pytest.mark.parametrize("kind", TENSORS)
def test_however_a_tensor_lies_in_memory_its_pixels_are_the_same(kind: str) -> None:
    images = images_of(64, 48)
    given = TENSORS[kind](images.clone())
    for name in ("gaussian_noise", "fog", "jpeg_compression"):
        made = corruptions.corrupt_batch(given, name, 2, seeds=[1, 2, 3])
        assert type(made) is torch.Tensor
        assert torch.equal(made, corruptions.corrupt_batch(images, name, 2, seeds=[1, 2, 3]))
    assert torch.equal(torch.Tensor(given), torch.Tensor(images))


@pytest.mark.parametrize("seeds", [1, None, ["a"], [1.5]])
def test_what_are_no_seeds_is_refused(seeds: object) -> None:
    with pytest.raises(corruptions.CorruptionError, match=r"expected (one|an integer as) seed"):
        corruptions.corrupt_batch(images_of(64, 64)[:1], "fog", 1, seeds=seeds)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_of_none_is_none(name: str) -> None:
    none = torch.empty(0, 3, 64, 64, dtype=torch.uint8)
    assert corruptions.corrupt_batch(none, name, 3, seeds=[]).shape == none.shape


def test_unknown_corruptions_and_severities_are_refused() -> None:
    images = images_of(64, 64)
    with pytest.raises(corruptions.UnknownCorruptionError, match="did you mean fog"):
        corruptions.corrupt_batch(images, "fogg", 1, seeds=[1, 2, 3])
    with pytest.raises(corruptions.InvalidSeverityError):
        corruptions.corrupt_batch(images, "fog", 6, seeds=[1, 2, 3])
