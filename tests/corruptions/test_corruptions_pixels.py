"""Every pixel is a function of (image, name, severity, seed, key) and of nothing else."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import corruptions
from tests.corruptions.conftest import WITHOUT_DRAWS, Pixels
from tests.trees import photo

Table = dict[tuple[str, int], Pixels]

NAMES = corruptions.names("all")
WITH_DRAWS = tuple(name for name in NAMES if name not in WITHOUT_DRAWS)
CONDITIONS = [(name, severity) for name in NAMES for severity in corruptions.SEVERITIES]

Make = Callable[..., Pixels]


@pytest.fixture
def make(engine: str) -> Make:
    """Corrupts with the engine under test."""
    return partial(corruptions.corrupt, seed=3, key="n01440764/a", engine=engine)


@pytest.mark.parametrize(("name", "severity"), CONDITIONS)
def test_a_corrupted_image_is_a_new_uint8_image_of_the_same_shape(
    corrupted: Table, picture: Pixels, name: str, severity: int
) -> None:
    result = corrupted[name, severity]

    assert result.dtype == np.uint8
    assert result.shape == picture.shape
    assert result.flags.writeable
    assert not np.array_equal(result, picture)


@pytest.mark.parametrize("name", NAMES)
def test_the_input_is_left_unchanged(make: Make, picture: Pixels, name: str) -> None:
    before = picture.copy()
    for severity in corruptions.SEVERITIES:
        result = make(picture, name, severity)
        assert not np.shares_memory(result, picture)

    assert np.array_equal(picture, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_read_only_image_and_a_view_are_as_good_as_a_copy(
    make: Make, picture: Pixels, name: str
) -> None:
    expected = make(np.ascontiguousarray(picture[:, ::-1]), name, 2)
    view = picture[:, ::-1]
    view.flags.writeable = False

    assert np.array_equal(make(view, name, 2), expected)


@pytest.mark.parametrize(("name", "severity"), CONDITIONS)
def test_the_same_request_gives_the_same_pixels(
    make: Make, corrupted: Table, picture: Pixels, name: str, severity: int
) -> None:
    np.random.seed(severity)  # whatever the program drew before

    assert np.array_equal(make(picture, name, severity), corrupted[name, severity])


@pytest.mark.parametrize("name", WITH_DRAWS)
@pytest.mark.parametrize("other", [{"seed": 4}, {"key": "n01440764/b"}, {"seed": -3}])
def test_another_seed_or_key_gives_other_draws(
    make: Make, corrupted: Table, picture: Pixels, name: str, other: dict[str, int | str]
) -> None:
    for severity in corruptions.SEVERITIES:
        result = make(picture, name, severity, **other)  # type: ignore[arg-type]
        assert not np.array_equal(result, corrupted[name, severity]), severity


@pytest.mark.parametrize("name", WITHOUT_DRAWS)
def test_what_draws_nothing_does_not_depend_on_seed_or_key(
    make: Make, corrupted: Table, picture: Pixels, name: str
) -> None:
    for severity in corruptions.SEVERITIES:
        result = make(picture, name, severity, seed=4, key="n01440764/b")
        assert np.array_equal(result, corrupted[name, severity]), severity


def test_severities_differ(corrupted: Table) -> None:
    for name in NAMES:
        hashes = {corrupted[name, severity].tobytes() for severity in corruptions.SEVERITIES}
        assert len(hashes) == 5, name


def test_values_are_truncated_to_uint8_not_rounded(corrupted: Table, picture: Pixels) -> None:
    values = picture / 255.0
    mean = values.mean(axis=(0, 1), keepdims=True)
    exact = np.clip((values - mean) * 0.2 + mean, 0, 1) * 255  # contrast, severity 3

    assert np.array_equal(corrupted["contrast", 3], np.trunc(exact))
    assert not np.array_equal(corrupted["contrast", 3], np.round(exact))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 75), (90, 33)])
def test_sides_of_any_length_from_32_are_kept(
    make: Make, name: str, height: int, width: int
) -> None:
    image = photo(width, height)

    for severity in (1, 5):
        assert make(image, name, severity).shape == (height, width, 3)


def test_numpys_global_state_is_left_as_found(make: Make, picture: Pixels) -> None:
    np.random.seed(11)
    np.random.normal()  # leaves a second normal number in the cache, which is state as well
    before = np.random.get_state()

    for name in NAMES:
        make(picture, name, 1)
        after = np.random.get_state()
        assert before[0] == after[0], name
        assert np.array_equal(before[1], after[1]), name
        assert before[2:] == after[2:], name


def test_numbas_generator_of_the_calling_thread_is_left_as_found(
    make: Make, picture: Pixels
) -> None:
    from numba import njit

    @njit
    def seed() -> None:
        np.random.seed(5)

    @njit
    def draw() -> float:
        return np.random.random()

    seed()
    expected = [draw(), draw()]
    seed()
    assert draw() == expected[0]
    for name in NAMES:
        make(picture, name, 1)

    assert draw() == expected[1]


def test_another_process_makes_the_same_pixels(
    engine: str, corrupted: Table, picture: Pixels
) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        futures = {
            condition: executor.submit(
                corruptions.corrupt,
                picture,
                *condition,
                seed=3,
                key="n01440764/a",
                engine=engine,
            )
            for condition in CONDITIONS
        }
        for condition, future in futures.items():
            assert np.array_equal(future.result(), corrupted[condition]), condition


def test_fields_cannot_run_into_each_other_in_a_seed() -> None:
    seeds = {
        corruptions.image_seed(*request)
        for request in [(1, "1a", "fog", 1), (11, "a", "fog", 1), (1, "1", "afog", 1)]
    }

    assert len(seeds) == 3


def test_numbers_of_numpy_are_as_good_as_pythons(
    make: Make, corrupted: Table, picture: Pixels
) -> None:
    result = make(picture, "gaussian_noise", np.int64(2), seed=np.int64(3))  # type: ignore[arg-type]

    assert np.array_equal(result, corrupted["gaussian_noise", 2])


def test_threads_make_the_same_pixels(make: Make, corrupted: Table, picture: Pixels) -> None:
    with ThreadPoolExecutor(4) as executor:
        results = executor.map(lambda condition: make(picture, *condition), CONDITIONS)

        for condition, result in zip(CONDITIONS, results, strict=True):
            assert np.array_equal(result, corrupted[condition]), condition
