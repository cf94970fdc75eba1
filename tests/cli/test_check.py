"""`gnlbench check` of stored runs: its exit codes, and what it decides by."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.rule_grammar import parse_rule
from robustbench_gnl.statistics.rules import subjects
from tests.cli.conftest import Done, gnlbench, gnlbench_json
from tests.cli.stored import FIRST_THREE, N_IMAGES, Stored
from tests.statistics.samples import ALL_CELLS, chances, draw


def check(stored: Stored, *arguments: object, code: int) -> Done:
    """The command against the newer `base_net`, whose exit code must be this."""
    options = ("--baseline", "v1", "--db", stored.db)
    return gnlbench("check", *arguments, *options, check=code)


def checked(stored: Stored, *arguments: object, code: int) -> dict:
    return json.loads(check(stored, *arguments, "--format", "json", code=code).stdout)


def test_a_run_that_has_same_errors_keeps_every_rule(stored: Stored) -> None:
    rules = (
        "mCE:+0", "relative_mCE:+0", "CE[fog]:+0", "CE[blur]:+0", "clean_error:+0pp",
        "error:+0pp", "error[blur,5]:+0pp", "top5_error:+0pp", "nll:+0nats", "ece:+0%",
    )  # fmt: skip
    options = [word for rule in rules for word in ("--fail-on", rule)]
    document = checked(stored, "twin_net", *options, code=0)
    assert document["passed"]
    assert [rule["rule"] for rule in document["rules"]] == list(rules)
    assert {rule["difference"] for rule in document["rules"]} == {0}
    assert "Both runs have the same errors on every image." in document["notes"]


def test_a_run_held_against_itself_passes_and_says_so(stored: Stored) -> None:
    for word in ("base_net", "v1", stored.ids["base_net"]):
        done = check(stored, word, "--fail-on", "mCE:+0.5", code=0)
        first = done.stdout.splitlines()[0]
        name = f"base_net [{stored.ids['base_net']}]"
        assert first == f"PASSED: {name} is the baseline itself, so nothing was compared"
    document = checked(stored, "v0", "--fail-on", "mCE:+100", code=0)
    assert document["run"]["name"] != document["baseline"]["name"]


def test_what_would_tell_is_a_command_that_runs(stored: Stored) -> None:
    rules = ("--fail-on", "mCE:+0", "--fail-on", "error[blur]:+0.1pp")
    notes = checked(stored, "near_net", *rules, code=0)["notes"]
    command = shlex.split(notes[-1].split("`")[1])
    assert command[:5] == ["gnlbench", "plan", "near_net", "--against", "v1"]
    assert command[5:7] == ["--db", str(stored.db)]
    assert command[7:9] == ["--alpha", "0.025"]  # of each of two rules
    planned = gnlbench_json(*command[1:])
    assert [one["change"] for one in planned["changes"]] == ["mCE:+1.29", "error[blur]:+0.1pp"]


def test_a_regression_exits_with_1_and_says_which_rule(stored: Stored) -> None:
    done = check(
        stored, "worse_net", "--fail-on", "mCE:+0.5", "--fail-on", "relative_mCE:+5", code=1
    )
    assert "FAILED: worse_net compared with base_net violates 1 of 2 rules" in done.stdout
    by_rule = {line.split()[0]: line for line in done.stdout.splitlines() if ":+" in line}
    assert by_rule["mCE:+0.5"].split()[-1] == "FAIL"
    assert by_rule["relative_mCE:+5"].split()[-1] == "pass"
    assert done.stderr == ""


def test_numbers_are_those_of_the_stored_bits(stored: Stored) -> None:
    rules = ("--fail-on", "error:+1pp", "--fail-on", "clean_error:+1pp",
             "--fail-on", "error[fog,5]:+10%")  # fmt: skip
    document = checked(stored, "worse_net", *rules, code=1)
    base, worse = stored.wrong["base_net"], stored.wrong["worse_net"]
    fog = ALL_CELLS.index(Condition("fog", 5))
    for rule, rows in zip(document["rules"], (slice(1, None), [0], [fog]), strict=True):
        assert rule["baseline"] == pytest.approx(base[rows].mean())
        assert rule["run"] == pytest.approx(worse[rows].mean())
        assert rule["difference"] == pytest.approx(worse[rows].mean() - base[rows].mean())
    assert [rule["allowed"] for rule in document["rules"]] == pytest.approx(
        [0.01, 0.01, 0.1 * base[fog].mean()]
    )
    assert document["run"]["run_id"] == stored.ids["worse_net"]
    assert document["baseline"]["run_id"] == stored.ids["base_net"]
    assert (document["n_images"], document["reference"]) == (N_IMAGES, "AlexNet")


def test_noise_does_not_fail_but_strict_does(stored: Stored) -> None:
    (rule,) = checked(stored, "near_net", "--fail-on", "mCE:+0", code=0)["rules"]
    assert rule["difference"] > 0
    assert rule["inside_noise"]
    assert rule["n_images_differing"] == 8
    strict = checked(stored, "near_net", "--fail-on", "mCE:+0", "--strict", code=1)
    assert strict["strict"]
    assert "significant or not" in strict["notes"][0]
    assert {strict["rules"][0][key] for key in ("p_value", "p_holm", "detectable")} == {None}


def test_alpha_is_the_level_that_decides(stored: Stored) -> None:
    arguments = ("near_net", "--fail-on", "mCE:+0", "--alpha")
    (rule,) = checked(stored, *arguments, "0.05", code=0)["rules"]
    assert 0.05 < rule["p_holm"] < 0.9
    checked(stored, *arguments, rule["p_holm"] * 0.99, code=0)
    checked(stored, *arguments, rule["p_holm"] * 1.01, code=1)


def test_several_rules_share_the_level(stored: Stored) -> None:
    one, two = (("--fail-on", rule) for rule in ("mCE:+0", "clean_error:+0pp"))
    (alone,) = checked(stored, "near_net", *one, code=0)["rules"]
    together = checked(stored, "near_net", *one, *two, code=0)["rules"]
    assert alone["p_holm"] == alone["p_value"]
    first = min(together, key=lambda rule: rule["p_value"])
    assert first["p_holm"] == pytest.approx(min(1, 2 * first["p_value"]))


@pytest.mark.parametrize(
    "rule", ["mCE:+1", "error:+1pp", "CE[snow]:+1", "nll:+5%", "error[fog]:+1pp"]
)
def test_cells_that_are_missing_are_never_a_pass(stored: Stored, rule: str) -> None:
    done = check(stored, "part_net", "--fail-on", rule, code=2)
    assert f"the rule {rule} needs" in done.stderr
    assert "that the run lacks" in done.stderr
    assert done.stdout == ""
    swapped = gnlbench(
        "check", "base_net", "--baseline", "part_net", "--fail-on", rule, "--db", stored.db, check=2
    )
    assert "that the baseline lacks" in swapped.stderr


def test_common_cells_narrow_the_errors_and_say_so(stored: Stored) -> None:
    arguments = ("part_net", "--fail-on", "error:+1pp", "--common-cells")
    document = checked(stored, *arguments, code=0)
    (rule,) = document["rules"]
    rows = slice(1, len(FIRST_THREE))
    assert rule["n_cells"] == 15
    assert rule["baseline"] == pytest.approx(stored.wrong["base_net"][rows].mean())
    assert sorted(document["cells_left_out"]) == sorted(map(str, ALL_CELLS[len(FIRST_THREE) :]))
    done = check(stored, *arguments, code=0)
    assert "on the 15 cells that both have" in done.stdout.splitlines()[0]
    assert "60 cells" in done.stdout
    assert "mCE:+1 needs" in check(
        stored, "part_net", "--fail-on", "mCE:+1", "--common-cells", code=2
    ).stderr  # fmt: skip


def test_named_cells_that_neither_has_are_left_out_and_counted(stored: Stored) -> None:
    spatter = ("near_net", "--fail-on", "error[all]:+5pp", "--common-cells")
    document = checked(stored, *spatter, code=0)
    assert document["rules"][0]["n_cells"] == 75
    assert len(document["cells_left_out"]) == 20  # the four extra corruptions
    done = check(stored, *spatter, code=0)
    assert "on the 75 cells that both have" in done.stdout.splitlines()[0]
    assert "not both runs have them: 20 cells" in done.stdout


def test_a_network_that_came_to_guess_does_not_pass(stored: Stored, tmp_path: Path) -> None:
    """Its relative mCE falls, for its clean error rises to that of its corrupted images."""
    more = Stored(tmp_path / "more.sqlite")
    more.add("base_net", stored.wrong["base_net"], tags=("v1",))
    more.add("dead_net", np.ones_like(stored.wrong["base_net"]))
    rules = ("--fail-on", "relative_mCE:+1")
    done = check(more, "dead_net", *rules, code=2)
    assert "dead_net is right on 0.00 % of the clean images, which is near chance" in done.stderr
    assert "add the rule clean_error:+1pp" in done.stderr
    assert done.stdout == ""
    done = check(more, "dead_net", *rules, "--fail-on", "clean_error:+1pp", code=1)
    assert "which is near chance" in done.stdout


def test_another_protocol_is_refused_with_what_differs(stored: Stored) -> None:
    done = check(stored, "other_net", "--fail-on", "mCE:+100", code=2)
    assert "crop: centre 224 and centre 224 of 256" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("worse_net",), "at least one --fail-on RULE"),
        (("worse_net", "--fail-on", "mCE"), "such as mCE:+0.5"),
        (("worse_net", "--fail-on", "mCE:0.5"), "or mCE:-0.5 for what must fall by it, got '0.5'"),
        (("worse_net", "--fail-on", "mCE:+nan"), "cannot be read"),
        (("worse_net", "--fail-on", "mCE:+inf"), "cannot be read"),
        (("worse_net", "--fail-on", "mCE:+1pp"), "leave out pp"),
        (("worse_net", "--fail-on", "error:+1"), "needs a unit"),
        (("worse_net", "--fail-on", "mse:+1"), "the fields are mCE, relative_mCE"),
        (("worse_net", "--fail-on", "CE[foog]:+1"), "did you mean 'fog'"),
        (("worse_net", "--fail-on", "caf\udce9:+1"), "cannot be read"),
        (("worse_net", "--fail-on", "mCE:+1", "--fail-on", "mCE:+1"), "given twice"),
        (("worse_net", "--fail-on", "mCE:+1", "--alpha", "nan"), "alpha above 0 and at most 0.5"),
        (("worse_net", "--fail-on", "mCE:+1", "--alpha", "0"), "alpha above 0 and at most 0.5"),
        (("worse_net", "--fail-on", "mCE:+1", "--alpha", "1"), "alpha above 0 and at most 0.5"),
        (("--fail-on", "mCE:+1"), "got neither"),
        (("worse_net", "--model", "resnet18", "--fail-on", "mCE:+1"), "got both"),
        (("worse_net", "--ckpt", "x.pth", "--fail-on", "mCE:+1"), "got both"),
        (("--model", "resnet18", "--fail-on", "mCE:+1"), "no weights were given"),
        (("--model", "a", "--model", "b", "--pretrained", "--fail-on", "mCE:+1"), "got 2"),
        (("--model", "a", "--pretrained", "--fail-on", "mCE:+1"), "no data was given"),
        (
            ("--model", "a", "--pretrained", "--data", "x", "--fail-on", "mCE:+1", "--alpha", "2"),
            "alpha above 0 and at most 0.5",
        ),
    ],
)
def test_wrong_usage(stored: Stored, arguments: tuple[str, ...], words: str) -> None:
    done = check(stored, *arguments, code=2)
    assert words in done.stderr
    assert done.stdout == ""


def test_too_few_blocks_say_how_many_images_make_enough(tmp_path: Path) -> None:
    few, rng = Stored(tmp_path / "few.sqlite"), np.random.default_rng(0)
    for name in ("old", "new"):
        few.add(name, draw(rng, chances(rng, 60)))
    done = gnlbench(
        "check", "new", "--baseline", "old", "--fail-on", "nll:+5%", "--db", few.db, check=2
    )
    assert "needs 4: evaluate more images (4 x 32 = 128 are enough); or leave" in done.stderr


def test_the_rules_of_the_help_can_be_read_and_name_every_field() -> None:
    rules = re.findall(r"`([\w\[\],]+(?::[+-]|<=)[^`]+)`", check_help().replace("\\[", "["))
    parsed = [parse_rule(rule) for rule in rules]
    assert {rule.subject.name for rule in parsed} == {one.name for one in subjects().values()}
    assert {(rule.is_limit, rule.is_gain) for rule in parsed} == {
        (False, False), (False, True), (True, False),
    }  # fmt: skip


def check_help() -> str:
    return " ".join(gnlbench("check", "--help").stdout.split())


def test_a_baseline_must_be_named(stored: Stored) -> None:
    done = gnlbench("check", "worse_net", "--fail-on", "mCE:+1", "--db", stored.db, check=2)
    assert "--baseline" in done.stderr


def limits(stored: Stored, *arguments: object, code: int) -> dict:
    """The document of a check without a baseline."""
    options = ("--db", stored.db, "--format", "json")
    return json.loads(gnlbench("check", *arguments, *options, check=code).stdout)


def test_limits_need_no_baseline(stored: Stored) -> None:
    rules = ("mCE<=70", "clean_error<=25%", "error[fog]<=0.6", "ece<=0.05", "nll<=1.2nats")
    options = [word for rule in rules for word in ("--fail-on", rule)]
    document = limits(stored, "worse_net", *options, code=1)
    worse = stored.wrong["worse_net"]
    by_rule = {rule["rule"]: rule for rule in document["rules"]}
    assert document["baseline"] is None
    assert by_rule["clean_error<=25%"]["run"] == pytest.approx(worse[0].mean())
    fog = [ALL_CELLS.index(Condition("fog", severity)) for severity in (1, 2, 3, 4, 5)]
    assert by_rule["error[fog]<=0.6"]["run"] == pytest.approx(worse[fog].mean())
    assert [rule["limit"] for rule in document["rules"]] == pytest.approx(
        [70, 0.25, 0.6, 0.05, 1.2]
    )
    for rule in document["rules"]:
        assert (rule["baseline"], rule["difference"], rule["allowed"]) == (None, None, None)
        assert rule["lower_bound"] <= rule["run"] <= max(rule["upper_bound"], rule["run"])
        is_sure = rule["p_holm"] <= 0.05
        assert (rule["verdict"] == "failed") == (is_sure and rule["run"] > rule["limit"])
        assert (rule["lower_bound"] > rule["limit"]) == is_sure
    assert by_rule["clean_error<=25%"]["verdict"] == "failed"
    assert by_rule["mCE<=70"]["verdict"] == "inconclusive"


def test_limits_and_changes_go_together(stored: Stored) -> None:
    rules = ("--fail-on", "mCE<=60", "--fail-on", "mCE:+0.5")
    document = checked(stored, "twin_net", *rules, code=0)
    assert [rule["limit"] for rule in document["rules"]] == [60, None]
    assert document["baseline"]["name"] == "base_net"
    only = checked(stored, "twin_net", "--fail-on", "mCE<=60", code=0)
    assert "No rule compares with base_net: all are limits." in only["notes"]


def test_a_change_without_a_baseline_is_refused_and_named(stored: Stored) -> None:
    rules = ("--fail-on", "mCE<=60", "--fail-on", "mCE:+0.5", "--db", stored.db)
    done = gnlbench("check", "twin_net", *rules, check=2)
    assert "no baseline was given, and the rule mCE:+0.5 needs one" in done.stderr
    only = ("--fail-on", "error<=60%", "--common-cells", "--db", stored.db)
    assert "--common-cells needs a --baseline" in gnlbench(
        "check", "twin_net", *only, check=2
    ).stderr  # fmt: skip


def test_a_limit_of_cells_that_are_missing_is_no_pass(stored: Stored) -> None:
    for rule in ("mCE<=70", "error[fog]<=60%"):
        done = gnlbench("check", "part_net", "--fail-on", rule, "--db", stored.db, check=2)
        assert f"the rule {rule} needs" in done.stderr
        assert "that the run lacks" in done.stderr
    document = limits(stored, "part_net", "--fail-on", "error<=90%", code=0)
    assert document["rules"][0]["n_cells"] == 15


def test_a_gain_that_is_required(stored: Stored) -> None:
    """The other way round, from the worse run to the better one."""
    swapped = ("base_net", "--baseline", "worse_net", "--db", stored.db, "--format", "json")
    gained = json.loads(gnlbench("check", *swapped, "--fail-on", "mCE:-5").stdout)
    assert (gained["rules"][0]["verdict"], gained["rules"][0]["allowed"]) == ("passed", -5)
    gnlbench("check", *swapped, "--fail-on", "mCE:-40", check=1)
    # Nothing was gained, and eight images that changed do not show that half a point was not.
    near = checked(stored, "near_net", "--fail-on", "mCE:-0.5", code=0)
    assert near["rules"][0]["verdict"] == "inconclusive"
    checked(stored, "near_net", "--fail-on", "mCE:-0.5", "--strict", code=1)
    checked(stored, "near_net", "--fail-on", "mCE:-0.5", "--fail-inconclusive", code=2)
    checked(stored, "worse_net", "--fail-on", "mCE:-0.5", code=1)


def test_no_run_gains_over_itself(stored: Stored) -> None:
    done = check(stored, "v1", "--fail-on", "mCE:-0.5", code=2)
    assert "is the baseline itself, and mCE:-0.5 requires a gain over it" in done.stderr


def test_an_inconclusive_rule_exits_with_2_where_it_was_asked_for(stored: Stored) -> None:
    noisy, broken = ("--fail-on", "mCE:+0"), ("--fail-on", "clean_error<=1%")
    assert checked(stored, "near_net", *noisy, code=0)["passed"]
    document = checked(stored, "near_net", *noisy, "--fail-inconclusive", code=2)
    assert (document["passed"], document["verdict"]) == (False, "inconclusive")
    done = check(stored, "near_net", *noisy, "--fail-inconclusive", code=2)
    assert done.stdout.startswith("INCONCLUSIVE: near_net compared with base_net: its rule is")
    assert done.stderr == ""
    # A failure counts before it, and what is decided does not exit with 2.
    checked(stored, "near_net", *noisy, *broken, "--fail-inconclusive", code=1)
    checked(stored, "twin_net", *noisy, "--fail-inconclusive", code=0)
    checked(stored, "v1", *noisy, "--fail-inconclusive", code=0)
    both = check(stored, "near_net", *noisy, "--fail-inconclusive", "--strict", code=2)
    assert "expected --strict or --fail-inconclusive, got both" in both.stderr


def test_strict_prints_nothing_of_tests_in_any_format(stored: Stored) -> None:
    for format in ("table", "markdown", "latex", "csv", "json"):
        arguments = ("--fail-on", "mCE:+0", "--fail-on", "mCE<=60", "--strict", "-f", format)
        text = check(stored, "near_net", *arguments, code=1).stdout
        assert "power" not in text
        assert "p (Holm)" not in text
        assert "lower bound" not in text


def test_a_network_that_guesses_does_not_pass_a_limit(stored: Stored, tmp_path: Path) -> None:
    more = Stored(tmp_path / "more.sqlite")
    more.add("dead_net", np.ones_like(stored.wrong["base_net"]))
    rules = ("--fail-on", "relative_mCE<=100", "--db", more.db)
    done = gnlbench("check", "dead_net", *rules, check=2)
    assert "near chance" in done.stderr
    assert "add the rule clean_error<=25%" in done.stderr
