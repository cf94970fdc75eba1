"""Text from users stays text: every command that prints what is stored, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from robustbench_gnl.cli._options import Format
from robustbench_gnl.reports.document import Document, Records
from robustbench_gnl.reports.render import render
from robustbench_gnl.reports.render.data import json_text
from robustbench_gnl.reports.render.markdown import markdown_cell, markdown_text
from robustbench_gnl.text import printable
from tests.cli.conftest import CHECKOUT, gnlbench
from tests.cli.stored import make_stored
from tests.cli.test_commands import COMMANDS
from tests.reports.reading import (
    Page,
    check_latex,
    markdown_headings,
    markdown_items,
    markdown_tables,
)

PLAIN = (
    "modèle 模型 \u0645 \U0001f600 \U0001f469\u200d\U0001f680 tf_efficientnet-b0.ns_jft [x] 50 %"
)
HOSTILE = [
    "a\x1b[31mred\x1b]0;title\x07",
    "a\nError: forged\r\n% forged\t\x0b\x0c\x1c\x85\u2028\u2029end",
    "\x9b31m \x7f \x00 \x08\x08\x08",
    "\u202egpj.exe\u2066 \u200b\u200d\u200e\ufeff\u00ad \U000e0041",
    "\ufffe\uffff",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "-2+3+cmd|' /C calc'!A0",
    "[red]markup[/red] [link=file:///etc]x[/link]",
    "a|b \\| c\\",
    "`code` ``two`` ```",
    "<img src=x onerror=alert(1)><script>1</script> &lt; <!-- ",
    "![i](http://e.example/x) [t](javascript:1) [r]: http://e.example",
    "# heading https://e.example www.e.example @octocat a@b.example #1",
    "**bold** _it_ ~~no~~ $x$ \\[y\\]",
    "[2pt] \\input{/etc/passwd} }{ % & ^^M $",
    "*[2pt]",
    "]]><x a=\"'",
]
STARTS = [text for text in HOSTILE if text[0] in "=[a" and "\n" not in text and "]m" not in text]
"""What means something at the start of a line, a cell or a row."""
RULES = ("--fail-on", "mCE:+0.5", "--fail-on", "error[fog]:+1pp")
JSON_IS_ITS_OWN = ("runs export", "runs import", "runs cite", "runs delete")
"""Commands without --format."""

WALK: dict[str, tuple[tuple[object, ...], ...]] = {
    "leaderboard": (("leaderboard",), ("leaderboard", "--ci"), ("leaderboard", "--published")),
    "runs list": (("runs", "list"),),
    "runs show": (("runs", "show", "{base}"),),
    "runs export": (("runs", "export", "{base}"),),
    "runs cite": (("runs", "cite"), ("runs", "cite", "{base}")),
    "compare": (("compare", "{base}", "{other}"),),
    "check": (("check", "{other}", "--baseline", "{base}", *RULES),
              ("check", "{base}", "--baseline", "{other}", *RULES)),
    "plan": (("plan", "{base}", "--against", "{other}", "--change", "mCE:+0.5"),
             ("plan", "{base}")),
    "explain": (("explain", "{base}"),),
}  # fmt: skip
ELSEWHERE = {
    "eval": "prints a run as `runs show` does, through the same reports",
    "demo": "as eval; all its texts are ours",
    "corrupt": "prints messages alone, which `say` escapes",
    "preview": "prints messages alone",
    "models": "prints names of networks that are installed; its pattern is an argument",
    "runs import": "prints ids, whose form is checked",
    "runs delete": "prints messages alone",
    "runs tag": "prints messages alone",
}


def test_every_command_is_walked_or_says_why_not() -> None:
    assert {" ".join(path) for path in COMMANDS} == {*WALK, *ELSEWHERE}


class Hostile:
    """A store of two runs in which every text is hostile, and a reference."""

    def __init__(self, folder: Path, text: str) -> None:
        self.text = text
        self.db = folder / "store.sqlite"
        stored = make_stored(self.db)
        self.base, self.other = stored.ids["base_net"], stored.ids["worse_net"]
        with closing(sqlite3.connect(self.db)) as connection, connection:
            # The store refuses some of these, and what it fingerprints; another program may not.
            connection.execute("UPDATE runs SET model_name = ? || id", (text,))
            facts = {"device": text, "packages": {text: text}, "more": [text], "nan": 1}
            connection.execute(
                "UPDATE runs SET environment = ?, skipped = ?",
                (json.dumps(facts), json.dumps({text: text})),
            )
            connection.execute("UPDATE protocols SET name = ? || name", (text,))
            connection.execute("DELETE FROM tags")
            connection.execute("INSERT INTO tags SELECT key, ? FROM runs", (text,))
            self._fingerprints(connection)
        self.reference = folder / "reference.csv"
        shown = make_reference(folder)
        rows = list(csv.DictReader(io.StringIO(shown)))
        with self.reference.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            safe = text.replace("\x00", "")
            writer.writerows({**row, "model": safe, "protocol": safe} for row in rows)

    def _fingerprints(self, connection: sqlite3.Connection) -> None:
        from robustbench_gnl.records import Model

        columns = "model_name, checkpoint_sha256, weights, n_params, n_classes, mean, std"
        for key, *values in connection.execute(f"SELECT key, {columns} FROM runs").fetchall():
            *facts, mean, std = values
            model = Model(*facts, tuple(json.loads(mean)), tuple(json.loads(std)))
            connection.execute(
                "UPDATE runs SET model_fingerprint = ? WHERE key = ?", (model.fingerprint, key)
            )

    def arguments(self, words: tuple[object, ...]) -> list[object]:
        return [str(word).format(base=self.base, other=self.other) for word in words]


def make_reference(folder: Path) -> str:
    db = folder / "clean.sqlite"
    make_stored(db)
    return gnlbench("runs", "show", "v1", "--db", db, "-f", "csv").stdout


@pytest.fixture(scope="module", params=[PLAIN, "\n".join(HOSTILE), *STARTS])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    return Hostile(tmp_path_factory.mktemp("hostile"), request.param)


def check_raw(text: str) -> None:
    """No character of it does anything to a terminal but line breaks, and no line is forged."""
    for character in text.replace("\n", "").replace("\u200d\U0001f680", ""):
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), ascii(text)
        assert character not in "\ufffe\uffff"
    assert not re.search(r"^(Error: )?forged|^% forged|^Error: forged", text, re.MULTILINE)


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} in JSON")


def check_json(text: str) -> None:
    json.loads(text, parse_constant=no_constant)


def check_csv(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text), strict=True))
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        if re.match(r"\s*[=+\-@]", cell) and cell != "-":
            float(re.sub(r" to .*", "", cell))


def check_markdown(text: str) -> None:
    assert "<script" not in re.sub(r"\\<", "", text)
    markdown_tables(text)
    markdown_headings(text)
    markdown_items(text)


def check_latex_rules(text: str) -> None:
    body = [line for line in text.splitlines() if not line.startswith("%")]
    for line in body:
        assert not line.startswith(("[", "*"))
        assert re.match(r"\\|$|.* (\\\\|&)", line), line
    check_latex("\n".join(body))
    assert "\\input" not in text.replace("\\textbackslash{}input", "").replace("% ", "") or all(
        line.startswith("%") for line in text.splitlines() if "\\input" in line
    )


def check_html(text: str) -> None:
    Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert not re.search(r"<(script|img|a|x)\b", text, re.IGNORECASE)


CHECKS = {
    "table": check_raw,
    "json": check_json,
    "csv": check_csv,
    "markdown": check_markdown,
    "latex": check_latex_rules,
    "html": check_html,
}


def test_every_format_has_a_check() -> None:
    assert set(CHECKS) == {format.value for format in Format}


def outputs(hostile: Hostile) -> Iterator[tuple[str, str, str]]:
    """The command, the format and what it printed, of all."""
    for command, calls in WALK.items():
        formats = ["none"] if command in JSON_IS_ITS_OWN else list(CHECKS)
        for words in calls:
            for format in formats:
                options = [] if format == "none" else ["--format", format]
                if command not in (*JSON_IS_ITS_OWN, "runs list") and "--published" not in words:
                    options += ["--reference", hostile.reference]
                arguments = [*hostile.arguments(words), "--db", hostile.db, *options]
                done = gnlbench(*arguments, check=None)
                assert done.returncode in (0, 1), done.stderr
                check_raw(done.stderr)
                yield command, format, done.stdout


def test_every_command_in_every_format(hostile: Hostile) -> None:
    for command, format, text in outputs(hostile):
        check_raw(text)
        if format == "none":
            (check_json if command == "runs export" else check_raw)(text)
        else:
            CHECKS[format](text)
        if hostile.text == PLAIN and (command, format) == ("runs list", "table"):
            assert PLAIN in text


def test_junit_and_the_summary(
    hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, junit = tmp_path / "summary.md", tmp_path / "junit.xml"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    options = ("--db", hostile.db, "--junit", junit, "--reference", hostile.reference)
    words = hostile.arguments(WALK["check"][0])
    for arguments in ([*words, *options], [*words, "--fail-on", hostile.text, *options]):
        done = gnlbench(*(str(one).replace("\0", "0") for one in arguments), check=None)
        assert done.returncode in (0, 1, 2)
        ElementTree.parse(junit)
        check_raw(junit.read_text())
        check_raw(summary.read_text())
        check_markdown(summary.read_text())


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_errors_and_wrong_usage(text: str, tmp_path: Path) -> None:
    text = text.replace("\0", "0")
    db = ("--db", tmp_path / "none.sqlite")
    for arguments in (
        ("runs", "show", text, *db),
        ("runs", "list", "--db", f"{tmp_path}/{text}/x"),
        ("runs", "list", "--format", text),
        ("runs", "list", "--limit", text),
        ("leaderboard", "--sort", text, *db),
        ("leaderboard", "--reference", text, *db),
        ("preview", f"{text}.jpg", "--corruption", "fog"),
        ("preview", "--corruption", text),
        ("compare", text, text, *db),
        ("check", text, "--baseline", text, "--fail-on", text, *db),
        ("runs", "import", text, *db),
        ("models", f"zz{text}"),
        (f"--{text}",),
        (text,),
    ):
        done = gnlbench(*arguments, check=None)
        assert done.returncode in (0, 2, 3, 5), done.stderr
        check_raw(done.stderr)
        check_raw(done.stdout)


def test_paths_with_bytes_that_are_no_unicode() -> None:
    done = gnlbench("leaderboard", "--reference", "a\udcff\x1b.csv", check=3)
    assert "a\\udcff\\x1b.csv" in done.stderr


def test_json_has_no_infinity() -> None:
    text = json_text({"a": [1.0, float("inf")], "b": {"c": float("nan")}, "reasons": {"x": "y"}})
    check_json(text)
    found = json.loads(text)
    assert (found["a"], found["b"]) == ([1.0, None], {"c": None})
    assert set(found["reasons"]) == {"x", "a.1", "b.c"}


def test_clean_text_is_as_it_was() -> None:
    assert printable(PLAIN) is PLAIN or printable(PLAIN) == PLAIN
    assert markdown_text(PLAIN) == markdown_cell(PLAIN) == PLAIN
    for text in (
        "-",
        "-0.50 to +1.20",
        "<0.001",
        "+1.50 ~",
        "error[fog]:+1pp",
        "RVT-S* [Official]",
    ):
        assert markdown_cell(text) == text
    note = "More images would tell: `gnlbench plan a --against b` says how many."
    assert markdown_text(note) == note


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-1.5, "-1.5"), ("-1.50", "-1.50"), ("-", "-"), ("=1", "'=1"), ("+a", "'+a"),
        ("-2+3", "'-2+3"), ("\t=1", "\\t=1"), (" =1", "' =1"), ("\uff1d1", "'\uff1d1"),
        (["=a", "b"], "'=a, b"), ("a=b", "a=b"),
    ],
)  # fmt: skip
def test_cells_that_a_spreadsheet_would_run(value: object, cell: str) -> None:
    text = render(Document("", (), None, Records(("x",), [{"x": value}])), "csv")
    assert next(iter(csv.DictReader(io.StringIO(text))))["x"] == cell


def test_one_owner_prints_and_one_makes_each_format() -> None:
    """Text that another module printed by itself would not be escaped."""
    owners = {
        "typer.echo(": {"cli/_output.py"},
        "rich.text import Text": {"reports/render/terminal.py", "progress.py"},
        "print(": set(),
        "sys.stdout.write": set(),
    }
    package = CHECKOUT / "robustbench_gnl"
    for word, allowed in owners.items():
        pattern = re.compile(r"(?<![\w.`])" + re.escape(word))
        found = {
            str(path.relative_to(package))
            for path in package.rglob("*.py")
            if pattern.search(path.read_text())
        }
        assert found <= allowed, (word, found - allowed)
    dumps = {
        str(path.relative_to(package))
        for layer in ("cli", "reports")
        for path in (package / layer).rglob("*.py")
        if "json.dumps(" in path.read_text()
    }
    assert dumps == {"reports/render/data.py", "cli/runs.py"}
