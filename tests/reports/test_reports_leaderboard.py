"""The report of a leaderboard in all formats."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import pytest

import corruptions
from robustbench_gnl.errors import UsageError
from robustbench_gnl.leaderboard import (
    Board,
    boards,
)
from robustbench_gnl.metrics.reference import load_published
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.reports.leaderboard import leaderboard_document
from robustbench_gnl.reports.render import render
from tests.leaderboard.samples import ranks


def rows_of(board: Board) -> list[dict[str, Any]]:
    """The rows as JSON has them."""
    (found,) = leaderboard_document([board]).data["boards"]
    return found["rows"]


def render_boards(found: list[Board], format: str, columns: str = "groups") -> str:
    return render(leaderboard_document(found, columns), format)


def board_text(board: Board, columns: str = "groups", width: int = 80) -> str:
    return render(leaderboard_document([board], columns), "table", width=width)


def test_models_rank_by_mce_and_the_reference_has_no_rank(make_run: Any) -> None:
    (board,) = boards([make_run("b", 0.8), make_run("a", 0.9), make_run("c", 0.7)])

    assert ranks(board) == {"c": 1, "b": 2, "a": 3, "AlexNet (reference)": None}
    assert board.entries[0].value("mce") == pytest.approx(70.0, abs=0.01)
    reference = next(entry for entry in board.entries if entry.kind == "reference")
    assert (reference.value("mce"), reference.value("relative_mce")) == (100.0, 100.0)
    assert reference.value("mean_corruption_error") == pytest.approx(0.788993, abs=1e-6)
    assert "reference: AlexNet, 50,000 released images, no resampling" in board_text(
        board, width=200
    )


def test_protocols_are_never_mixed_and_demonstrations_come_last(
    make_run: Any, protocol_of: Any
) -> None:
    few = protocol_of(name="released-5k", n_images=5_000)
    resized = protocol_of(name="released-50k", resampling="bicubic-256")
    sample = protocol_of(name="sample", source="sample", n_images=100_000)
    found = boards(
        [make_run("s", protocol=sample), make_run("f", protocol=few), make_run("a"),
         make_run("r", protocol=resized)]
    )  # fmt: skip

    assert [sorted(set(ranks(board)) - {"AlexNet (reference)"}) for board in found][2:] == [
        ["f"],
        ["s"],
    ]
    assert {next(iter(ranks(board))) for board in found[:2]} == {"a", "r"}
    assert [board.is_demonstration for board in found] == [False, False, False, True]
    assert "Demonstration" in board_text(found[3])
    assert "demonstration" in render_boards(found[3:], "markdown")


def test_incomplete_runs_have_no_rank_and_say_how_far_they_are(make_run: Any) -> None:
    gaps = [Condition(name, s) for name in ("fog", "snow") for s in range(1, 6)]
    (board,) = boards([make_run("a", 0.9), make_run("half", 0.1, without=gaps)], sort="noise")

    assert ranks(board)["half"] is None
    assert ranks(board)["a"] == 1
    for width in (60, 80, 120, 200):
        assert "65/75 cells" in board_text(board, width=width)


def test_a_shared_name_is_told_apart_by_checkpoint_and_then_by_weights(make_run: Any) -> None:
    (board,) = boards(
        [
            make_run("a"),
            make_run("a", 0.7, weights="state_dict_ema"),
            make_run("a", 0.6, sha256="cd" * 32),
            make_run("other", 0.9),
        ]
    )

    assert [entry.checkpoint for entry in board.entries[:4]] == [
        "cdcdcdcd",
        "abababab state_dict_ema",
        "abababab state_dict",
        None,
    ]
    assert "cdcdcdcd" in board_text(board)


def test_published_results_alone_rank_where_they_state_the_same_protocol() -> None:
    (board,) = boards([], published=load_published())
    rows = rows_of(board)
    ranked = [row for row in rows if row["rank"]]

    assert ranked
    assert {row["stated_protocol"] for row in ranked} == {"50,000 images, not resampled"}
    assert all(row["source_url"] for row in ranked)
    assert any("protocol not stated" in (row["remark"] or "") for row in rows)


def test_json_has_every_number_whatever_the_columns(make_run: Any, protocol_of: Any) -> None:
    few = protocol_of(name="released-5k", n_images=5_000)
    found = boards([make_run("a"), make_run("b", protocol=few)])
    document = json.loads(render_boards(found, "json", "min"))

    assert document["schema_version"] == 1
    assert [board["protocol"]["name"] for board in document["boards"]] == [
        "released-50k",
        "released-5k",
    ]
    row = document["boards"][0]["rows"][0]
    assert (row["rank"], row["model"], row["kind"]) == (1, "a", "run")
    assert row["mce"] == pytest.approx(80.0, abs=0.01)
    assert tuple(row["ce"]) == corruptions.names("common")
    assert set(row["groups"]) == {"noise", "blur", "weather", "digital"}


def test_csv_names_the_protocol_in_each_row(make_run: Any, protocol_of: Any) -> None:
    few = protocol_of(name="released-5k", n_images=5_000)
    found = boards([make_run("a"), make_run("b", protocol=few)])
    rows = list(csv.DictReader(io.StringIO(render_boards(found, "csv", "all"))))

    assert [row["protocol"] for row in rows] == ["released-50k"] * 2 + ["released-5k"] * 2
    assert {row["reference"] for row in rows} == {"AlexNet"}
    assert (rows[0]["rank"], rows[1]["rank"]) == ("1", "")
    assert rows[0]["n_params"] == "25557032"
    assert float(rows[0]["ce_fog"]) == pytest.approx(80.0, abs=0.01)


@pytest.mark.parametrize("columns", ["min", "groups", "all"])
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_models_name_is_never_cut(make_run: Any, width: int, columns: str) -> None:
    name = "mobilenetv3_large_100_groupnl_ema"
    (board,) = boards([make_run(name), make_run(name, 0.7, sha256="cd" * 32)])
    text = board_text(board, columns, width)

    assert text.count(name) >= (2 if width >= 80 else 0)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    assert "70.00" in text
    if columns == "all":
        assert "elastic" in text


def test_a_name_longer_than_the_terminal_folds(make_run: Any) -> None:
    name = "vit_base_patch16_clip_quickgelu_384.openai_ft_in12k_in1k"
    (board,) = boards([make_run(name)])
    lines = board_text(board).splitlines()
    first = next(i for i, line in enumerate(lines) if "vit_base" in line)

    assert lines[first].split()[1] + lines[first + 1].strip() == name


def test_markdown_and_latex_have_a_table_a_board(make_run: Any, protocol_of: Any) -> None:
    few = protocol_of(name="released_5k", n_images=5_000)
    found = boards([make_run("a_1"), make_run("b", protocol=few)])

    assert render_boards(found, "markdown").count("### released") == 2
    latex = render_boards(found, "latex")
    assert latex.count("\\begin{tabular}") == 2
    assert "a\\_1" in latex
    assert "\\caption{released\\_5k" in latex


def test_no_boards_render_as_nothing() -> None:
    assert json.loads(render_boards([], "json")) == {"schema_version": 1, "boards": []}
    assert render_boards([], "markdown") == ""
    assert render_boards([], "csv").startswith("protocol,protocol_fingerprint,reference,rank,model")


def test_unknown_columns_are_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match=r"columns 'grups'.*did you mean 'groups'\?"):
        render_boards([], "csv", "grups")


def test_a_network_that_guesses_is_remarked_on_and_never_the_best(make_run: Any) -> None:
    """Its relative mCE is the lowest, because its clean error is the highest."""
    good, worse, broken = make_run("good", 0.7), make_run("worse", 0.8), make_run("broken", 0.9)
    cells = {**broken.cells, CLEAN: dataclasses.replace(broken.cells[CLEAN], n_top1=50)}
    broken = dataclasses.replace(broken, cells=cells)
    (board,) = boards([good, worse, broken])
    rows = {row["model"]: row for row in rows_of(board)}

    assert rows["broken"]["relative_mce"] < rows["good"]["relative_mce"]
    assert (rows["broken"]["rank"], rows["good"]["remark"]) == (3, None)
    assert rows["broken"]["remark"] == "near chance on clean images"
    for format, bold in (("markdown", "**{}**"), ("latex", "\\textbf{{{}}}")):
        text = render_boards([board], format)
        assert bold.format("70.00") in text
        assert bold.format(f"{rows['broken']['relative_mce']:.2f}") not in text
        assert "near chance on clean images" in text
    assert "near chance on clean images" in " ".join(board_text(board, width=200).split())
    part = dataclasses.replace(
        broken, cells={one: cell for one, cell in cells.items() if one.corruption != "fog"}
    )
    (unfinished, *_) = (row for row in rows_of(boards([part])[0]) if row["kind"] == "run")
    assert unfinished["remark"] == "70/75 cells; near chance on clean images"
