"""What is changed of other libraries is put back, whatever happens meanwhile."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from robustbench_gnl.models.overrides import attribute_set, variable_set

NAME = "GNLBENCH_TEST_OF_OVERRIDES"


def test_an_attribute_is_put_back() -> None:
    owner = SimpleNamespace(offline=False)
    with attribute_set(owner, "offline", True):
        assert owner.offline is True
    assert owner.offline is False
    with pytest.raises(KeyError), attribute_set(owner, "offline", True):
        raise KeyError
    assert owner.offline is False


def test_an_attribute_that_is_not_there_is_not_made() -> None:
    owner = SimpleNamespace()
    with pytest.raises(AttributeError), attribute_set(owner, "offline", True):
        pass
    assert not hasattr(owner, "offline")


@pytest.mark.parametrize("before", [None, "0"])
def test_a_variable_is_put_back(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if before is not None:
        monkeypatch.setenv(NAME, before)
    with variable_set(NAME, "1"):
        assert os.environ[NAME] == "1"
    assert os.environ.get(NAME) == before
    with pytest.raises(KeyError), variable_set(NAME, "1"):
        raise KeyError
    assert os.environ.get(NAME) == before
