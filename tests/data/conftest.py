"""One pool of two workers for all tests that do not end its processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from robustbench_gnl.data import start_workers


@pytest.fixture(scope="session")
def two_workers() -> Iterator[Executor]:
    with start_workers(2) as executor:
        yield executor


@pytest.fixture(params=[0, 2], ids=["inline", "two workers"])
def executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == 0:
        return start_workers(0)
    pool: Executor = request.getfixturevalue("two_workers")
    return pool
