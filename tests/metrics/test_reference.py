"""The reference data that ships, wherever the package lies, and a reference of the user's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import corruptions
from robustbench_gnl import resources
from robustbench_gnl.errors import DataError
from robustbench_gnl.metrics import reference, summarize
from robustbench_gnl.metrics.reference import (
    default_reference,
    known_image_sets,
    load_bibliography,
    load_published,
    load_reference,
)
from robustbench_gnl.records import CLEAN, Cell, Condition, Model, Protocol, Run
from robustbench_gnl.reports.render import render
from robustbench_gnl.reports.run import run_document


def test_alexnet_has_75_errors_four_extra_means_and_a_clean_error() -> None:
    alexnet = default_reference()

    assert tuple(alexnet.errors) == corruptions.names("common")
    assert {len(five) for five in alexnet.errors.values()} == {5}
    assert tuple(alexnet.mean_errors) == corruptions.names("extra")
    assert alexnet.clean_error == 0.43478
    assert "50,000" in alexnet.protocol


def test_alexnets_severities_agree_with_the_means_from_another_source() -> None:
    rows = reference._rows(resources.data_folder() / "alexnet_errors.csv")
    means = {row["corruption"]: float(row["mean_error"]) for row in rows}

    for name, five in default_reference().errors.items():
        assert sum(five) / 5 == pytest.approx(means[name], abs=1e-9), name


def test_error_sum_falls_back_to_the_mean_and_then_to_none() -> None:
    alexnet = default_reference()

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
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "robustbench_gnl")
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
    monkeypatch.setattr(resources, "PACKAGE", inside.parent)

    assert resources.data_folder() == inside


def test_missing_data_says_where_it_was_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "robustbench_gnl")

    with pytest.raises(DataError, match=r"alexnet_errors\.csv.*found neither; install gnlbench"):
        resources.data_folder()


def test_every_column_is_explained_and_every_explained_file_is_there() -> None:
    folder = resources.data_folder()
    text = (folder / "README.md").read_text()

    for name in ("alexnet_errors.csv", "published.csv"):
        assert f"## {name}" in text
        for column in (folder / name).read_text().splitlines()[0].split(","):
            explained = column.startswith(("CE_", "severity_")) or f"`{column}`" in text
            assert explained, (name, column)


def run_of(errors: dict[Condition, int]) -> Run:
    """A run of 1,000 images with that many errors a cell."""
    model = Model("resnet50", "ab" * 32, "state_dict", 1, 1000, (0.5,) * 3, (0.5,) * 3)
    protocol = Protocol(
        "released-1k", "released", "a" * 64, 1000, "imagenet-1k", "center-224", "none",
        None, None, None, None, "fp32", "pillow",
    )  # fmt: skip
    cells = {cell: Cell(1000, 1000 - n_wrong, 1000, 0.0) for cell, n_wrong in errors.items()}
    return Run("r1", model, protocol, 512, "2026-01-02T03:04:05+00:00", cells)


FIVE = tuple(Condition("fog", severity) for severity in corruptions.SEVERITIES)


def test_a_runs_csv_is_a_reference_against_which_it_is_100(tmp_path: Path) -> None:
    names = corruptions.names("all")
    errors = {CLEAN: 123} | {
        Condition(name, severity): 200 + 17 * i + 50 * severity
        for i, name in enumerate(names)
        for severity in corruptions.SEVERITIES
    }
    run = run_of(errors)
    path = tmp_path / "baseline.csv"
    path.write_text(render(run_document(run), "csv"))
    own = load_reference(path)
    numbers = summarize(run.cells, own)

    assert (own.name, own.protocol, own.clean_error) == ("resnet50", "released-1k", 0.123)
    assert own.errors == {
        name: tuple(errors[Condition(name, s)] / 1000 for s in corruptions.SEVERITIES)
        for name in names
    }
    assert [numbers.mce, numbers.relative_mce] == pytest.approx([100, 100])
    assert numbers.reasons == {}


def test_a_run_of_few_corruptions_is_a_reference_of_those(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text(render(run_document(run_of(dict.fromkeys(FIVE, 400))), "csv"))
    own = load_reference(path)

    assert own.errors == {"fog": (0.4,) * 5}
    assert own.clean_error is None


HEADER = "corruption,severity_1,severity_2,severity_3,severity_4,severity_5"


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "own.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_table_written_by_hand_is_a_reference(tmp_path: Path) -> None:
    rows = ["fog,0.1,0.2,.3,4e-1,1", "clean,,,,,,0.05", "snow,,,,,,0.5", "mean,,,,,,0.4"]
    own = load_reference(write(tmp_path, *rows, header=f"{HEADER},mean_error"))

    assert own.errors == {"fog": (0.1, 0.2, 0.3, 0.4, 1.0)}
    assert own.error_sum("fog") == pytest.approx(2.0)
    assert own.error_sum("snow") is None  # CE takes all five.
    assert own.clean_error == 0.05
    assert (own.name, own.protocol) == ("own", "as stated in own.csv")


def test_the_mark_of_a_spreadsheet_at_the_start_of_a_file_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"{HEADER}\r\nfog,0,0,0,0,0.5\r\n", encoding="utf-8-sig")
    assert load_reference(path).errors == {"fog": (0, 0, 0, 0, 0.5)}


def test_columns_may_stand_in_any_order_and_a_short_row_names_nothing(tmp_path: Path) -> None:
    header = ",".join(reversed(HEADER.split(",")))
    path = write(tmp_path, "0.5,0.4,0.3,0.2,0.1,fog", header=header)
    assert load_reference(path).errors == {"fog": (0.1, 0.2, 0.3, 0.4, 0.5)}

    write(tmp_path, "0.5,0.4,0.3,0.2,0.1", header=header)
    with pytest.raises(DataError, match=r"expected names of corruptions in .*, got ''"):
        load_reference(path)


def test_alexnets_own_file_is_read_as_alexnet() -> None:
    own = load_reference(resources.data_folder() / "alexnet_errors.csv")

    assert own.errors == default_reference().errors
    assert own.clean_error == default_reference().clean_error


FOG = "fog,0.1,0.2,0.3,0.4,0.5"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "got none called corruption, severity_1, severity_2"),
        (["clean,,,,,"], "expected the 5 errors of a corruption in {path}, got none"),
        (["fog,,,,,"], "expected the 5 errors of a corruption in {path}, got none"),
        (["fog,0.1,0.2,0.3,0.4,"], "{path} lacks severities of fog: CE needs all 5"),
        (["fog,0.1,0.2,0.3"], "{path} lacks severities of fog: CE needs all 5"),
        ([FOG, FOG], "{path} has the row fog twice; leave one"),
        ([FOG, "clean,,,,,,0.1", "clean,,,,,,0.1"], "{path} has the row clean twice; leave one"),
        ([FOG, "frog,0,0,0,0,0"], "got 'frog'; did you mean 'fog' or 'frost'?"),
        ([FOG, ",0,0,0,0,0"], "expected names of corruptions in {path}, got ''"),
        (["fog,0.1,0.2,0.3,0.4,51.2"], "as fractions in [0, 1] in {path}, got '51.2' for fog"),
        (["fog,0.1,0.2,0.3,0.4,1.01"], "got '1.01' for fog; divide percents by 100"),
        (["fog,-0.1,0.2,0.3,0.4,0.5"], "got '-0.1' for fog"),
        (["fog,much,0.2,0.3,0.4,0.5"], "got 'much' for fog"),
        (["fog,nan,0.2,0.3,0.4,0.5"], "got 'nan' for fog"),
        (["fog,inf,0.2,0.3,0.4,0.5"], "got 'inf' for fog"),
        ([FOG, "clean,,,,,,43.5"], "got '43.5' for clean; divide percents by 100"),
    ],
)
def test_a_table_that_is_no_reference_is_refused(
    rows: Sequence[str], why: str, tmp_path: Path
) -> None:
    path = write(tmp_path, *rows, header=f"{HEADER},error")
    with pytest.raises(DataError, match=re.escape(why.format(path=path))) as caught:
        load_reference(path)
    assert caught.value.path == path


@pytest.mark.parametrize("column", HEADER.split(","))
def test_a_column_that_is_not_there_is_named(column: str, tmp_path: Path) -> None:
    path = write(tmp_path, FOG, header=HEADER.replace(column, "other"))
    sentence = (
        f"expected a CSV with the columns {HEADER.replace(',', ', ')} in {path}, got none called "
        f"{column}; `gnlbench runs show RUN --format csv` writes such a file"
    )
    with pytest.raises(DataError, match=re.escape(sentence)):
        load_reference(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "got none called corruption, severity_1"),
        (f"{HEADER}\n{FOG}\n".replace(",", ";").encode(), "got none called corruption, severity_1"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "cannot read it: 'utf-8' codec can't decode"),
        (f"{HEADER}\nfog,{'1' * 200_000}\n".encode(), "cannot read it: field larger than field"),
    ],
    ids=["empty", "semicolons", "not text", "endless field"],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(why)) as caught:
        load_reference(path)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("name", "why"), [("absent.csv", "No such file or directory"), (".", "Is a directory")]
)
def test_a_path_that_cannot_be_read_is_refused(name: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / name
    sentence = f"expected a reference in {path}, cannot read it: {why}; check the path"
    with pytest.raises(DataError, match=re.escape(sentence)):
        load_reference(path)


def test_every_bibtex_entry_is_found_by_its_key() -> None:
    text = (resources.data_folder() / "references.bib").read_text(encoding="utf-8")
    found = load_bibliography()

    assert list(found) == re.findall(r"^@\w+\{([^,\s]+),", text, flags=re.MULTILINE)
    for key, entry in found.items():
        assert re.fullmatch(r"@(?P<kind>\w+)\{" + re.escape(key) + r",\n.*\n\}", entry, re.DOTALL)
        assert entry.count("{") == entry.count("}")
        for field in ("title", "author", "year"):
            assert re.search(rf"^  {field} += \{{.+\}},?$", entry, re.MULTILINE), (key, field)
    assert "Benchmarking Neural Network Robustness" in found["hendrycks2019benchmarking"]
