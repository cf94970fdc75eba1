"""The reference data that ships, and that it is found wherever the package lies."""

from __future__ import annotations

from pathlib import Path

import pytest

import corruptions
from robustbench_gnl import reference
from robustbench_gnl.errors import DataError
from robustbench_gnl.reference import known_image_sets, load_alexnet, load_published


def test_alexnet_has_75_errors_four_extra_means_and_a_clean_error() -> None:
    alexnet = load_alexnet()

    assert tuple(alexnet.errors) == corruptions.names("common")
    assert {len(five) for five in alexnet.errors.values()} == {5}
    assert tuple(alexnet.mean_errors) == corruptions.names("extra")
    assert alexnet.clean_error == 0.43478
    assert "50,000" in alexnet.protocol


def test_alexnets_severities_agree_with_the_means_from_another_source() -> None:
    rows = reference._rows(reference.data_folder() / "alexnet_errors.csv")
    means = {row["corruption"]: float(row["mean_error"]) for row in rows}

    for name, five in load_alexnet().errors.items():
        assert sum(five) / 5 == pytest.approx(means[name], abs=1e-9), name


def test_error_sum_falls_back_to_the_mean_and_then_to_none() -> None:
    alexnet = load_alexnet()

    assert alexnet.error_sum("fog") == pytest.approx(5 * 0.819324)
    assert alexnet.error_sum("spatter") == pytest.approx(5 * 0.717512)
    assert alexnet.error_sum("rain") is None


def test_published_results_are_fractions_and_percents() -> None:
    published = load_published()
    golden = next(one for one in published if "golden" in one.notes)

    assert len(published) == 112
    assert (golden.method, golden.architecture) == ("Vanilla", "ResNet-50")
    assert golden.clean_error == pytest.approx(0.2387)
    assert golden.mean_corruption_error == pytest.approx(1 - 0.3917)
    assert golden.mce == 76.70
    assert golden.ce["fog"] == 66.11
    assert (golden.n_images, golden.resampling) == (50_000, "none")
    assert all(one.source_url for one in published)
    assert {one.resampling for one in published} == {"none", "resized", ""}


def test_published_ce_columns_average_to_the_stated_mce() -> None:
    full = [one for one in load_published() if len(one.ce) == 15 and one.mce is not None]

    assert len(full) == 19
    for one in full:
        assert sum(one.ce.values()) / 15 == pytest.approx(one.mce, abs=0.02), one.method


def test_a_mean_error_is_never_taken_for_an_mce() -> None:
    for one in load_published():
        if "mean error" in one.kind:
            assert one.mce is None, one.method
            assert one.mean_corruption_error is not None, one.method


def test_known_image_sets_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "alexnet_errors.csv").write_text("")
    (tmp_path / "results" / "image_sets.csv").write_text(
        'name,n_images,fingerprint,source\ntiny,2,abc,"drawn, by hand"\n'
    )
    monkeypatch.setattr(reference, "PACKAGE", tmp_path / "robustbench_gnl")
    known_image_sets.cache_clear()
    (one,) = known_image_sets()
    known_image_sets.cache_clear()

    assert (one.name, one.n_images, one.fingerprint) == ("tiny", 2, "abc")
    assert one.source == "drawn, by hand"


def test_an_installed_package_reads_its_own_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "robustbench_gnl" / "results"
    beside = tmp_path / "results"
    for folder in (inside, beside):
        folder.mkdir(parents=True)
        (folder / "alexnet_errors.csv").write_text("")
    monkeypatch.setattr(reference, "PACKAGE", inside.parent)

    assert reference.data_folder() == inside


def test_missing_data_says_where_it_was_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "PACKAGE", tmp_path / "robustbench_gnl")

    with pytest.raises(DataError, match=r"alexnet_errors\.csv.*found neither; install gnlbench"):
        reference.data_folder()


def test_every_column_is_explained_and_every_explained_file_is_there() -> None:
    folder = reference.data_folder()
    text = (folder / "README.md").read_text()

    for name in ("alexnet_errors.csv", "published.csv"):
        assert f"## {name}" in text
        for column in (folder / name).read_text().splitlines()[0].split(","):
            explained = column.startswith(("CE_", "severity_")) or f"`{column}`" in text
            assert explained, (name, column)
