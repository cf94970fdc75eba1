"""What is said of one run: the JSON contract, and the table for people."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import pytest

import corruptions
from robustbench_gnl.records import CLEAN, Condition, Run
from robustbench_gnl.reports.render import render
from robustbench_gnl.reports.run import run_document


def render_run(run: Run, format: str) -> str:
    return render(run_document(run), format)


def table_text(run: Run, width: int = 80) -> str:
    return render(run_document(run), "table", width=width)


def test_the_document_has_the_contracts_fields(make_run: Any) -> None:
    run = make_run()
    document = json.loads(json.dumps(run_document(run).data))

    assert document["schema_version"] == 1
    assert document["run_id"] == run.id
    assert document["model"]["name"] == "resnet50"
    assert document["model"]["checkpoint_sha256"] == "ab" * 32
    assert document["model"]["n_params"] == 25_557_032
    assert document["protocol"]["name"] == "released-50k"
    assert document["protocol"]["fingerprint"] == run.protocol.fingerprint
    assert set(run.protocol.fields()) < set(document["protocol"])
    assert document["n_images"] == 50_000
    assert document["clean_error"] == pytest.approx(0.8 * 0.43478, abs=1e-5)
    assert document["mce"] == pytest.approx(80.0, abs=0.01)
    assert document["relative_mce"] == pytest.approx(80.0, abs=0.01)
    assert 0 < document["mean_corruption_error"] < 1
    assert tuple(document["corruptions"]) == corruptions.names("common")
    assert document["reference"]["name"] == "AlexNet"
    assert document["demonstration"] is None
    for one in document["corruptions"].values():
        assert len(one["severities"]) == 5
        assert one["ce"] == pytest.approx(80.0, abs=0.01)
    assert set(document["reasons"]) == {"mean_error_19"}


def test_what_was_not_run_is_null_with_a_reason(make_run: Any) -> None:
    document = run_document(make_run(without=[CLEAN, Condition("fog", 2)])).data

    assert document["corruptions"]["fog"]["severities"][1] is None
    for field in ("clean_error", "mce", "relative_mce", "mean_corruption_error"):
        assert document[field] is None
        assert document["reasons"][field]
    assert document["reasons"]["corruptions.fog.ce"] == "severity 2 of fog is missing"
    assert document["n_common_cells"] == 74


def test_skipped_images_are_counted(make_run: Any) -> None:
    run = make_run(skipped={"n01440764/x": "truncated"})

    assert run_document(run).data["n_skipped"] == 1
    assert "1 left out because they could not be read" in table_text(run, 200)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_names_all_that_its_numbers_stand_on(make_run: Any, width: int) -> None:
    run = make_run(extra=True)
    text = table_text(run, width)

    assert max(len(line) for line in text.splitlines()) <= width
    for phrase in (
        "resnet50",
        "checkpoint abababababab",
        f"released-50k [{run.protocol.fingerprint[:8]}]",
        "50,000 images",
        "clean error, %: 34.78",
        "mean corruption error (not normalised), %: 63.12",
        "mCE, AlexNet = 100: 80.00",
        "relative mCE, AlexNet = 100: 80.00",
        "mean error over all 19 (not normalised), %: 62.50",
        "Extra corruptions: part of no mean over the 15",
    ):
        assert phrase in text
    for name in corruptions.names("all"):
        assert name in text


def test_dashes_are_explained_below(make_run: Any) -> None:
    gaps = [CLEAN, Condition("fog", 2), *(Condition("snow", s) for s in range(1, 6))]
    text = " ".join(table_text(make_run(without=gaps), 200).split())

    assert "mCE, AlexNet = 100: -" in text
    assert "no clean error: clean was not evaluated" in text
    assert (
        "no mean corruption error and no mCE: snow was not evaluated; "
        "severity 2 of fog is missing" in text
    )
    assert "the mean of fog is over the severities shown" in text
    assert "69/75 cells complete" in text


def test_a_demonstration_says_so_in_every_format(make_run: Any, protocol_of: Any) -> None:
    run = make_run(protocol=protocol_of(name="sample", source="sample", n_images=20))
    sentence = "20 images are a demonstration"

    assert sentence in table_text(run)
    assert sentence in render_run(run, "markdown")
    assert sentence in render_run(run, "latex")
    assert sentence in run_document(run).data["demonstration"]


def test_csv_has_a_row_for_each_corruption_and_the_means(make_run: Any) -> None:
    rows = {
        row["corruption"]: row
        for row in csv.DictReader(io.StringIO(render_run(make_run(extra=True), "csv")))
    }

    assert tuple(rows) == (*corruptions.names("all"), "clean", "mean")
    assert rows["spatter"]["group"] == "extra"
    assert float(rows["mean"]["ce"]) == pytest.approx(80.0, abs=0.01)
    assert float(rows["clean"]["error"]) == pytest.approx(0.34782)
    assert {row["model"] for row in rows.values()} == {"resnet50"}
    assert {row["reference"] for row in rows.values()} == {"AlexNet"}


def test_a_models_name_is_no_markup(make_run: Any) -> None:
    run = make_run("net[bold]x[/bold]_1")

    assert "net[bold]x[/bold]_1" in table_text(run)
    assert "net[bold]x[/bold]\\_1" in render_run(run, "latex")


def test_an_empty_run_has_no_table_and_still_a_foot(make_run: Any) -> None:
    run = dataclasses.replace(make_run(), cells={})

    assert "0/75 cells complete" in table_text(run)
    assert json.loads(render_run(run, "json"))["mce"] is None


def test_a_network_that_guesses_says_so_in_every_view(make_run: Any) -> None:
    good = make_run("good")
    cells = {**good.cells, CLEAN: dataclasses.replace(good.cells[CLEAN], n_top1=60)}
    broken = dataclasses.replace(good, cells=cells)
    sentence = "good is right on 0.12 % of the clean images, which is near chance (0.10 %)"

    for run, is_said in ((good, False), (broken, True)):
        assert (sentence in table_text(run, 200)) == is_said
        for format in ("markdown", "latex"):
            text = render_run(run, format).replace("\\%", "%")
            assert (sentence in text) == is_said
        assert run_document(run).data["near_chance"] == is_said
