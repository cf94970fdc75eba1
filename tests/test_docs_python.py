"""docs/python.md as it is written: its examples run, one after the other, on small files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm
import torch

import robustbench_gnl.models  # noqa: F401  (gives timm the GroupNL networks)
from robustbench_gnl.store import open_store
from tests.conftest import CHECKOUT
from tests.trees import make_clean_tree

PAGE = (CHECKOUT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore:.*near chance")
def test_the_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = make_clean_tree(tmp_path / "val", n_per_class=1)
    for seed, name in enumerate(("last.pth", "other.pth")):
        torch.manual_seed(seed)
        torch.save(timm.create_model("efficientnet_gnl_es").state_dict(), name)
    names: dict[str, object] = {}
    for example in EXAMPLES:
        exec(example.replace("/data/imagenet/val", str(data)), names)
    with open_store("results/gnlbench.sqlite") as store:
        (run,) = store.runs()
    assert run.id == names["run"].id == names["stored"].id  # type: ignore[attr-defined]
    assert len(names["errors"]) == 7  # type: ignore[arg-type]
    assert names["first"].cells.keys() == names["second"].cells.keys()  # type: ignore[attr-defined]
    assert names["first"].model != names["second"].model  # type: ignore[attr-defined]
    assert "gaussian_noise" in capsys.readouterr().out


def test_every_method_that_gives_a_frame_is_documented() -> None:
    for method in ("to_frame", "outcomes", "class_errors"):
        assert f"`run.{method}()`" in PAGE
