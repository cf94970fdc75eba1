"""docs/ci.md as it is written: its commands and its workflow are run in a small repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import timm
import torch
import yaml

import robustbench_gnl.models  # noqa: F401  (gives timm our networks)
from robustbench_gnl.levels import ALPHA, POWER
from robustbench_gnl.statistics import parse_rule
from robustbench_gnl.statistics.power import detectable_change, images_needed
from tests.cli.stored import Stored
from tests.conftest import CHECKOUT
from tests.statistics.samples import chances, draw
from tests.trees import make_clean_tree

PAGE = (CHECKOUT / "docs" / "ci.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def workflow_job() -> dict:
    (workflow,) = map(yaml.safe_load, blocks("yaml"))
    (job,) = workflow["jobs"].values()
    return job


def steps() -> list[dict]:
    return workflow_job()["steps"]


def checking_step() -> dict:
    (step,) = (step for step in steps() if "gnlbench check --model" in step.get("run", ""))
    return step


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints and as few images as a gate of two rules can be judged by, in git."""
    root = tmp_path_factory.mktemp("repository")
    make_clean_tree(root / "robustness-images", n_classes=2, n_per_class=3)
    torch.manual_seed(0)
    network = timm.create_model("efficientnet_gnl_es")
    torch.save(network.state_dict(), root / "released.pth")
    with torch.no_grad():
        network.get_classifier().bias += 1e-3
    torch.save(network.state_dict(), root / "candidate.pth")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """As a step of a workflow runs: by bash, which stops at the first command that fails."""
    tools = folder / ".git" / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gnlbench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m robustbench_gnl "$@"\n')
    (tools / "gnlbench").chmod(0o755)
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("GNLBENCH", "GITHUB"))
    }  # fmt: skip
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={**kept, "PATH": path, "PYTHONPATH": str(CHECKOUT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_release_and_then_the_workflow_run_as_written(repository: Path) -> None:
    once = blocks("sh")[0]
    done = run(once, repository, MODEL="efficientnet_gnl_es", DATA="robustness-images")
    assert done.returncode == 0, done.stderr
    staged = subprocess.run(
        ["git", "diff", "--cached", "--name-only"],
        cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert staged.stdout.split() == ["robustness-baseline.json"]

    shutil.rmtree(repository / "results")  # a workflow starts from what git holds
    variables = workflow_job()["env"]
    summary = repository / "summary.md"
    check = checking_step()["run"]
    github = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"}
    done = run(check, repository, **variables, **github)
    assert done.returncode == 0, done.stderr
    table = (repository / "robustness.md").read_text()
    assert "| mCE:+0.5 " in table
    assert summary.read_text() == table
    assert not any(line.startswith("::error") for line in done.stderr.splitlines())
    # What is cached is what spares the next evaluation.
    (cache,) = (step for step in steps() if "actions/cache" in step.get("uses", ""))
    assert cache["with"]["path"] == variables["GNLBENCH_DB"]
    assert (repository / variables["GNLBENCH_DB"]).exists()
    done = run(check, repository, **variables)
    assert (done.returncode, "stored already" in done.stderr) == (0, True)
    (upload,) = (step for step in steps() if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    root = ElementTree.parse(repository / upload["with"]["path"]).getroot()
    names_of_cases = [case.attrib["name"] for case in root.iter("testcase")]
    assert names_of_cases == ["mCE:+0.5", "clean_error:+1pp"]


def commenting_step() -> dict:
    (step,) = (step for step in steps() if "gh pr comment" in step.get("run", ""))
    return step


@pytest.mark.parametrize("table", ["### PASSED\n", "", None])
def test_the_comment_is_the_table_or_says_that_there_is_none(
    tmp_path: Path, table: str | None
) -> None:
    """With a `gh` that keeps what it is given; nothing goes to GitHub."""
    step = commenting_step()
    (tmp_path / ".git" / "tools").mkdir(parents=True)
    gh = tmp_path / ".git" / "tools" / "gh"
    gh.write_text('#!/bin/sh\necho "$@" > said.txt\ncat robustness.md >> said.txt\n')
    gh.chmod(0o755)
    if table is not None:
        (tmp_path / "robustness.md").write_text(table)
    done = run(step["run"], tmp_path, PR="7", GH_TOKEN="none")
    assert done.returncode == 0, done.stderr
    command, text = (tmp_path / "said.txt").read_text().split("\n", 1)
    assert command == "pr comment 7 --body-file robustness.md --edit-last --create-if-none"
    assert text == (table or "gnlbench check could not decide; see its log.\n")
    assert step["if"].startswith("always()")
    assert set(step["env"]) == {"GH_TOKEN", "PR"}


def test_the_workflow_may_comment_and_installs_the_cpu_build_first() -> None:
    (workflow,) = map(yaml.safe_load, blocks("yaml"))
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    (install,) = (step["run"] for step in steps() if "pip install" in step.get("run", ""))
    torch_line, own_line = install.splitlines()
    assert torch_line.endswith("--index-url https://download.pytorch.org/whl/cpu")
    assert own_line.startswith("pip install ./gnlbench")


def test_the_shell_and_the_workflow_give_the_same_command() -> None:
    every_time = shlex.split(blocks("sh")[1].replace('"$DATA"', "robustness-images"))
    in_workflow = shlex.split(checking_step()["run"])
    assert in_workflow[: len(every_time)] == every_time
    assert in_workflow[len(every_time) :] == ["--format", "markdown", ">", "robustness.md"]


def test_no_step_or_block_is_left_untried() -> None:
    assert len(blocks("sh")) == 2
    scripts = [step["run"] for step in steps() if "run" in step]
    assert len(scripts) == 3
    assert scripts[0].startswith("pip install")
    assert scripts[1].startswith("gnlbench check")
    assert scripts[2] == commenting_step()["run"]


def test_the_example_checks_and_plans_the_same_pair_by_the_same_rule(tmp_path: Path) -> None:
    stored, rng = Stored(tmp_path / "store.sqlite"), np.random.default_rng(0)
    for name in ("released", "quantised"):
        stored.add(name, draw(rng, chances(rng, 60)), tags=(name,))
    (tmp_path / ".git").mkdir()
    (block,) = blocks("console")
    checks, plans = (line.removeprefix("$ ") for line in block.replace("\\\n", "").splitlines())
    # The evaluation of a model is the workflow's; here its run is there already.
    checks = re.sub(r"--model .* --tag (\w+)", r"\1", checks)
    done = run(
        f"gnlbench runs export released -o robustness-baseline.json\n{checks} --strict || true\n"
        f"{plans} --format json",
        tmp_path,
        GNLBENCH_DB=str(stored.db),
    )
    assert done.returncode == 0, done.stderr
    assert "quantised compared with released" in done.stdout
    assert '"change": "mCE:+0.75"' in done.stdout


def test_a_gate_that_allows_three_quarters_fails_the_whole_4_times_in_5() -> None:
    sd = 12.5
    n_images = images_needed(0.75, sd, alpha=ALPHA, power=POWER)
    whole = detectable_change(sd, n_images, alpha=ALPHA, power=POWER, threshold=0.75)
    assert whole == pytest.approx(1, rel=0.01)


def test_what_the_page_says_could_be_seen_is_of_the_pair_that_it_plans_from() -> None:
    """The table of the plan gives what tells a rise from 0; a rule adds what it allows."""
    table = {line.split("  ")[0]: line.split() for line in PAGE.splitlines()}
    from_zero = float(table["mCE"][table["images"].index("500")])
    (quoted,) = re.findall(r"With these 500 images an increase of ([\d.]+) in mCE", PAGE)
    one_error = from_zero / (1.645 + 0.842)
    assert float(quoted) == pytest.approx(max(0.5, 1.645 * one_error) + 0.842 * one_error, abs=0.01)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5])
def test_every_exit_code_is_told(code: int) -> None:
    table = PAGE.split("| exit code | what it means |")[1].split("\n\n")[0]
    told = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert sum(str(code) in cell for cell in told) == 1


def test_every_rule_of_the_table_can_be_read() -> None:
    table = PAGE.split("| rule | fails when |")[1].split("\n\n")[0]
    first_cells = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    rules = [rule for cell in first_cells for rule in re.findall(r"`([^`]+)`", cell)]
    assert len(rules) == 21
    assert all(parse_rule(rule).text == rule for rule in rules)


def test_the_plan_prints_a_table_like_the_one_shown(tmp_path: Path) -> None:
    stored, rng = Stored(tmp_path / "store.sqlite"), np.random.default_rng(0)
    for name in ("tf_efficientnet_lite0", "tf_efficientnet_lite1"):
        stored.add(name, draw(rng, chances(rng, 60)))
    (shown,) = (block for block in blocks("") if block.startswith("$ "))
    command, *expected = shown.splitlines()
    (tmp_path / ".git").mkdir()
    done = run(command.removeprefix("$ "), tmp_path, GNLBENCH_DB=str(stored.db))
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()[: len(expected)]
    assert printed[-3].split() == ["time", *["-"] * 6]  # made-up runs took no time
    printed[-3] = expected[-3]

    def shape(lines: list[str]) -> list[str]:
        """The words without their figures."""
        return [" ".join(re.sub(r"[\d.,]+ *(s|min|h)?\b", "#", line).split()) for line in lines]

    assert printed[1].split() == expected[1].split()
    assert shape(printed)[3:] == shape(expected)[3:]
