"""`gnlbench runs cite`: BibTeX of what was used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from robustbench_gnl.records import CLEAN
from robustbench_gnl.store import open_store
from tests.cli.conftest import gnlbench
from tests.store.samples import fill, make_model

ALWAYS = {"hendrycks2019benchmarking", "krizhevsky2012imagenet", "wightman2019timm"}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cite") / "store.sqlite"
    with open_store(str(path), write=True) as store:
        for name in ("resnet50", "resnet101", "efficientnet_gnl_es", "mystery_net"):
            fill(store, (CLEAN,), model=make_model(name), tags=(f"of-{name}",))
    return path


def cited(*arguments: object) -> list[str]:
    done = gnlbench("runs", "cite", *arguments)
    assert done.stderr == ""
    return re.findall(r"^@\w+\{([^,]+),", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("run", "own"),
    [
        ("resnet50", {"he2016deep"}),
        ("of-resnet50", {"he2016deep"}),
        ("efficientnet_gnl_es", {"ding2026groupnl", "tan2019efficientnet"}),
        ("mystery_net", set()),
    ],
)
def test_a_run_cites_the_benchmark_and_its_model(db: Path, run: str, own: set[str]) -> None:
    assert set(cited(run, "--db", db)) == ALWAYS | own


def test_every_run_is_cited_where_none_is_named_and_nothing_twice(db: Path) -> None:
    found = cited("--db", db)
    assert set(found) == ALWAYS | {"he2016deep", "ding2026groupnl", "tan2019efficientnet"}
    assert len(found) == len(set(found))
    assert set(cited("resnet50", "resnet101", "--db", db)) == ALWAYS | {"he2016deep"}


def test_the_output_is_bibtex_alone(db: Path) -> None:
    text = gnlbench("runs", "cite", "--db", db).stdout
    assert text.startswith("@")
    entries = text.strip().split("\n\n")
    for entry in entries:
        assert entry.count("{") == entry.count("}"), entry
        assert re.search(r"^  title +=", entry, re.MULTILINE), entry


def test_a_store_that_is_not_there_still_cites_the_benchmark(tmp_path: Path) -> None:
    db = tmp_path / "none.sqlite"
    assert set(cited("--db", db)) == ALWAYS
    assert not db.exists()


def test_a_run_that_is_missing_is_wrong_usage(db: Path) -> None:
    done = gnlbench("runs", "cite", "resnet50", "resnet5O", "--db", db, check=2)
    assert "did you mean 'resnet50'" in done.stderr
    assert done.stdout == ""
