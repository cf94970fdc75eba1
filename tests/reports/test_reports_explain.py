"""Every number of a run explained: added up again from the images by formulas of its own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import corruptions
from robustbench_gnl.metrics import FRACTION
from robustbench_gnl.metrics.reference import Reference, default_reference, load_published
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.reports.explanation import explanation_document
from robustbench_gnl.reports.formulas import METHODS, Explanation, explanations
from robustbench_gnl.reports.render import render
from robustbench_gnl.statistics import N_RESAMPLES, run_statistics
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.reports.reading import (
    captions,
    latex_tables,
    markdown_headings,
    read_csv,
    worked_out,
)
from tests.reports.samples import (
    ALL,
    HOSTILE,
    IMAGES_PER_CLASS,
    N_BLOCKS,
    N_IMAGES,
    Judged,
    judged,
)

COMMON, EXTRA = corruptions.names("common"), corruptions.names("extra")


def explained(one: Judged, reference: Reference | None = None) -> dict[str, Explanation]:
    reference = reference or default_reference()
    details = run_statistics(one.outcomes, one.keys, reference)
    return {found.number: found for found in explanations(one.run, reference, details)}


@pytest.fixture(scope="module")
def sample() -> Judged:
    return judged(conditions=ALL)


@pytest.fixture(scope="module")
def found(sample: Judged) -> dict[str, Explanation]:
    return explained(sample)


class ByHand:
    """The formulas of the papers, on the answers for each image."""

    def __init__(self, one: Judged) -> None:
        self.answers = one.answers
        self.alexnet = {name: np.array(default_reference().errors[name]) for name in COMMON}
        self.clean = one.answers[CLEAN].wrong.mean()

    def five(self, name: str) -> Any:
        """(5,): the errors of a corruption."""
        cells = conditions_of((name,), corruptions.SEVERITIES)
        return np.array([self.answers[cell].wrong.mean() for cell in cells])

    def ce(self, name: str) -> float:
        return 100 * self.five(name).sum() / self.alexnet[name].sum()

    def relative_ce(self, name: str) -> float:
        alexnet_clean = default_reference().clean_error
        return (
            100 * (self.five(name) - self.clean).sum() / (self.alexnet[name] - alexnet_clean).sum()
        )

    def calibration_error(self, cell: Condition) -> float:
        """Guo et al. 2017, equation 3: gaps of 15 bins, weighted by their images."""
        answers = self.answers[cell]
        error = 0.0
        for b in range(15):
            inside = (answers.confidence > b / 15) & (answers.confidence <= (b + 1) / 15)
            if inside.any():
                accuracy = (~answers.wrong[inside]).mean()
                error += inside.mean() * abs(accuracy - answers.confidence[inside].mean())
        return error

    def trend(self) -> Any:
        """Slope and intercept of mCE on the clean error, through results not resampled."""
        points = [
            (100 * one.clean_error, one.mce)
            for one in load_published()
            if one.kind != "reference" and one.resampling == "none"
            and one.test_time_adaptation in ("", "none")
            and None not in (one.clean_error, one.mce)
        ]  # fmt: skip
        return np.polyfit(*np.array(points).T, 1)

    def numbers(self) -> dict[str, float]:
        mean_error = np.mean([self.five(name) for name in COMMON])
        ces = {name: self.ce(name) for name in COMMON}
        worst = max(COMMON, key=lambda name: ces[name])
        slope, intercept = self.trend()
        mce = np.mean(list(ces.values()))
        values = {
            "clean error": self.clean,
            f"error of {worst}/1": self.five(worst)[0],
            f"error of {worst}": self.five(worst).mean(),
            f"CE of {worst}": ces[worst],
            f"relative CE of {worst}": self.relative_ce(worst),
            "mean corruption error": mean_error,
            "mCE": mce,
            "relative mCE": np.mean([self.relative_ce(name) for name in COMMON]),
            **{
                f"CE of {group}": np.mean([ces[name] for name in corruptions.names(group)])
                for group in DEFAULT_SUITE.groups
            },
            "mean error over all 19": np.mean([self.five(name) for name in COMMON + EXTRA]),
            "robustness gap": mean_error - self.clean,
            "effective robustness": intercept + slope * 100 * self.clean - mce,
        }
        for label, of_cell in (
            ("top-5 error", lambda cell: self.answers[cell].wrong_top5.mean()),
            (
                "negative log likelihood",
                lambda cell: self.answers[cell].negative_log_likelihood.mean(),
            ),
            ("expected calibration error", self.calibration_error),
        ):
            values[f"clean {label}"] = of_cell(CLEAN)
            values[f"mean {label}"] = np.mean(
                [of_cell(cell) for cell in DEFAULT_SUITE.main_conditions]
            )
        return values


def test_every_number_is_what_its_formula_makes_of_the_images(
    found: dict[str, Explanation], sample: Judged
) -> None:
    numbers = {name: one.value for name, one in found.items() if not name.startswith("worst")}

    assert numbers == pytest.approx(ByHand(sample).numbers())


def test_the_worst_sides_are_those_of_the_images(
    found: dict[str, Explanation], sample: Judged
) -> None:
    by_hand = ByHand(sample)
    worst = max(COMMON, key=by_hand.ce)
    corrupted = [one.wrong for cell, one in sample.answers.items() if cell != CLEAN]
    by_class = np.mean(corrupted, axis=0).reshape(-1, IMAGES_PER_CLASS).mean(axis=1)

    assert found["worst corruption"].value == worst
    assert found["worst corruption"].worked == (
        f"CE {by_hand.ce(worst):.2f}, error {100 * by_hand.five(worst).mean():.2f} %"
    )
    assert found["worst class"].value == f"n{by_class.argmax():08d}"
    assert found["worst class"].worked == f"{100 * by_class.max():.2f} % of 20 images"


def test_the_numbers_put_into_a_formula_give_the_number_shown(
    found: dict[str, Explanation],
) -> None:
    checked = 0
    for name, one in found.items():
        if name.startswith("worst"):
            continue
        value, slack = worked_out(one.worked)
        assert value == pytest.approx(float(one.shown), abs=0.005 + min(slack, 0.001)), name
        checked += 1
    assert checked == len(found) - 2


def test_each_number_says_what_its_value_is_in(found: dict[str, Explanation]) -> None:
    for name, unit, label in (
        ("clean error", "fraction", "clean error, %"),
        ("robustness gap", "fraction", "robustness gap, %"),
        ("mCE", "percent", "mCE"),
        ("clean negative log likelihood", "nats", "clean negative log likelihood, nats"),
        ("effective robustness", "points of mCE", "effective robustness, points of mCE"),
        ("worst corruption", None, "worst corruption"),
    ):
        assert (found[name].unit, found[name].label) == (unit, label)


def test_percents_and_nats_are_shown_rounded(found: dict[str, Explanation]) -> None:
    for name, format in (
        ("clean error", lambda value: f"{100 * value:.2f}"),
        ("mCE", "{:.2f}".format),
        ("effective robustness", "{:.2f}".format),
        ("mean negative log likelihood", "{:.3f}".format),
    ):
        assert found[name].shown == format(found[name].value)


def test_counts_stand_in_the_formulas_of_single_cells(
    found: dict[str, Explanation], sample: Judged
) -> None:
    clean = sample.answers[CLEAN]

    assert found["clean error"].worked == f"100 x {clean.wrong.sum()} / {N_IMAGES}"
    assert found["clean top-5 error"].worked == f"100 x {clean.wrong_top5.sum()} / {N_IMAGES}"
    assert found["clean negative log likelihood"].worked == (
        f"{clean.negative_log_likelihood.sum():.3f} / {N_IMAGES}"
    )


def test_the_errors_of_the_reference_stand_one_by_one_where_they_are_known(
    found: dict[str, Explanation],
) -> None:
    worst = str(found["worst corruption"].value)
    five = [FRACTION.precise(error) for error in default_reference().errors[worst]]

    assert found[f"CE of {worst}"].worked.endswith(f" / ({' + '.join(five)})")
    assert found[f"relative CE of {worst}"].worked.endswith(f" / ({' + '.join(five)} - 5 x 43.478)")


def test_each_interval_names_its_level_and_method(found: dict[str, Explanation]) -> None:
    by_method = {
        "wilson": ["clean error", "clean top-5 error"],
        "bootstrap": ["mCE", "relative mCE", "CE of blur", "effective robustness"],
        "jackknife": ["mean top-5 error", "clean negative log likelihood"],
    }
    for method, names in by_method.items():
        for name in names:
            one = found[name]
            assert one.interval.method == method
            assert one.interval.low < one.value < one.interval.high
            assert one.interval_shown.endswith(f", 95 %: {METHODS[method]}")
    mce = found["mCE"].interval
    assert found["mCE"].interval_shown.startswith(f"{mce.low:.2f}-{mce.high:.2f}, ")
    assert found["mCE"].interval_text.startswith(f"[{mce.low:.2f}, {mce.high:.2f}], ")
    assert f" {N_RESAMPLES:,} resamples " in METHODS["bootstrap"]


def test_wilsons_interval_of_the_clean_error_is_that_of_the_counts(
    found: dict[str, Explanation], sample: Judged
) -> None:
    """Wilson 1927: the centre moves towards a half by z^2 / 2 images."""
    z, n, p = 1.959964, N_IMAGES, sample.answers[CLEAN].wrong.mean()
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    interval = found["clean error"].interval

    assert (interval.low, interval.high) == pytest.approx((centre - half, centre + half), abs=1e-6)


def test_every_number_names_its_source(found: dict[str, Explanation]) -> None:
    sources = {name: one.source for name, one in found.items() if not name.startswith("worst")}

    assert all(sources.values())
    assert sources["mCE"].startswith("Hendrycks & Dietterich 2019")
    assert sources["mean error over all 19"] == "val_imagenet_c.py of GroupNL"
    assert sources["clean expected calibration error"] == "Guo et al. 2017, equation 3"
    assert sources["effective robustness"].startswith("Taori et al. 2020")


def test_the_mean_over_19_is_explained_only_where_it_is_there() -> None:
    assert "mean error over all 19" not in explained(judged())


@pytest.mark.parametrize(
    ("conditions", "without_clean"),
    [
        (DEFAULT_SUITE.main_conditions, True),
        ((CLEAN, *conditions_of(("fog",), (2, 4))), False),
        ((CLEAN,), False),
        ((), True),
    ],
)
def test_every_number_that_is_not_there_says_why(
    conditions: tuple[Condition, ...], without_clean: bool
) -> None:
    missing = {n: one for n, one in explained(judged(conditions=conditions)).items()
               if one.value is None}  # fmt: skip

    assert {"relative mCE", "robustness gap"} <= set(missing)
    assert ("clean top-5 error" in missing) == without_clean
    for name, one in missing.items():
        assert (one.shown, one.worked, one.interval) == ("-", "-", None)
        assert one.reason, name


def test_a_reason_names_the_cells_that_are_missing() -> None:
    found = explained(judged(conditions=conditions_of(("fog",), (2, 4))))

    assert found["clean top-5 error"].reason == "clean was not evaluated"
    assert found["mean top-5 error"].reason == (
        "14 of 15 corruptions were not evaluated; severities 1, 3, 5 of fog are missing"
    )
    assert found["robustness gap"].reason == (
        f"{found['mean top-5 error'].reason}; clean was not evaluated"
    )
    assert found["CE of fog"].reason == "severities 1, 3, 5 of fog are missing"


def test_the_example_is_the_worst_corruption_at_its_first_severity() -> None:
    found = explained(judged(conditions=conditions_of(("fog",), (2, 4))))

    assert found["error of fog/2"].value is not None
    assert found["error of fog"].worked.endswith(") / 2")
    worst = found["worst corruption"]
    assert (worst.value, worst.shown, worst.worked) == (None, "-", "-")
    assert worst.reason == (
        "14 of 15 corruptions were not evaluated; severities 1, 3, 5 of fog are missing"
    )


def test_a_number_without_an_interval_says_why() -> None:
    one = explained(judged(n_blocks=1))["mean top-5 error"]

    assert one.value is not None
    assert one.interval_shown is None
    assert one.reason.startswith("1 whole block of images, and the jackknife needs 4")


def test_a_reference_known_by_its_sums_divides_by_them(sample: Judged) -> None:
    means = dict.fromkeys(corruptions.names("all"), 0.5)
    reference = Reference("half", "made up", 0.25, {}, means)
    found = explained(sample, reference)
    worst = found["worst corruption"].value

    assert found[f"CE of {worst}"].worked.endswith(" / (250.00)")
    assert found[f"relative CE of {worst}"].worked.endswith(" / (250.00 - 5 x 25.00)")
    assert found[f"CE of {worst}"].meaning == "errors of the corruption as a share of those of half"
    assert found["mCE"].meaning == "half is 100"
    assert found["effective robustness"].reason == ("published mCEs are against AlexNet, not half")


@pytest.fixture(scope="module")
def hostile() -> Judged:
    return judged(HOSTILE)


def rendered(one: Judged, format: str) -> str:
    document = explanation_document(one.run, default_reference(), one.details)
    return render(document, format, width=500 if format == "table" else None)


def test_json_carries_every_explanation(hostile: Judged) -> None:
    document = json.loads(rendered(hostile, "json"))
    found = explained(hostile)

    assert (document["schema_version"], document["run_id"]) == (1, hostile.run.id)
    assert (document["model"], document["reference"]) == (HOSTILE, "AlexNet")
    assert [one["number"] for one in document["numbers"]] == list(found)
    for one in document["numbers"]:
        assert one["value"] == found[one["number"]].value
        assert one["unit"] == found[one["number"]].unit
        assert one["worked"] == found[one["number"]].worked
    mce = next(one for one in document["numbers"] if one["number"] == "mCE")
    assert mce["interval"]["low"] == found["mCE"].interval.low
    assert mce["interval"]["method"] == "bootstrap"


def test_csv_carries_every_explanation(hostile: Judged) -> None:
    table = read_csv(rendered(hostile, "csv")).set_index("number")
    found = explained(hostile)

    assert list(table.index) == list(found)
    assert float(table.loc["mCE", "value"]) == pytest.approx(found["mCE"].value, rel=1e-12)
    assert set(table["reference"]) == {"AlexNet"}
    for column in ("unit", "shown", "meaning", "formula", "worked", "interval_shown", "source"):
        assert str(table.loc["mCE", column]) == getattr(found["mCE"], column)


def test_latex_is_a_table_of_formulas_with_numbers_in_them(hostile: Judged) -> None:
    text = rendered(hostile, "latex")
    (table,) = latex_tables(text)
    found = explained(hostile)

    assert captions(text) == [f"The numbers of {HOSTILE}. CE divides by the errors of AlexNet"]
    assert f"% protocol {hostile.run.protocol.name} [" in text
    assert table[0] == ["number", "shown", "formula", "worked", "source"]
    assert table[1:] == [
        [
            one.label,
            f"{one.shown}; {one.remark}" if one.remark else one.shown,
            one.formula,
            one.worked,
            one.source,
        ]
        for one in found.values()
    ]


@pytest.mark.parametrize("view", ["markdown", "table"])
def test_people_read_each_number_with_its_formula_interval_and_source(
    hostile: Judged, view: str
) -> None:
    text = rendered(hostile, view)
    bullet = "- " if view == "markdown" else "  "
    lines = text.splitlines()

    named = f"{HOSTILE} (25.56 M parameters)"
    assert named in (markdown_headings(text) if view == "markdown" else lines)
    for one in explained(hostile).values():
        head = next(i for i, line in enumerate(lines) if line.endswith(f"{one.label}: {one.shown}"))
        expected = [f"{bullet}{label}: {shown}" for label, shown in (
            ("meaning", one.meaning), ("formula", one.formula), ("worked", one.worked),
            ("interval", one.interval_text), ("remark", one.remark), ("source", one.source),
        ) if shown]  # fmt: skip
        assert lines[head + 1 : head + 1 + len(expected)] == expected


def test_a_missing_value_and_a_missing_interval_have_their_own_words() -> None:
    without_clean = rendered(
        judged(conditions=DEFAULT_SUITE.main_conditions, n_blocks=N_BLOCKS), "markdown"
    )
    one_block = rendered(judged(n_blocks=1), "markdown")

    assert "#### clean error, %: -\n" in without_clean
    assert "\n- no value: clean was not evaluated\n" in without_clean
    assert "\n- no interval: 1 whole block of images" in one_block
