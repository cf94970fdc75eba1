"""The result of a gate as annotations of a GitHub workflow: one line a rule that did not pass.

The format is that of "Workflow commands for GitHub Actions" in GitHub's documentation, and the
escapes are those of its own toolkit, `packages/core/src/command.ts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from robustbench_gnl.reports.gate_rows import sentence, why_inconclusive
from robustbench_gnl.reports.gate_words import subject

if TYPE_CHECKING:
    from robustbench_gnl.reports.gate import GateReport

TITLE = "gnlbench check"


def annotation_lines(report: GateReport) -> list[str]:
    """An error for each failed rule, and a warning for each inconclusive one."""
    lines = []
    for verdict in report.verdicts:
        message = f"{subject(report)}: {sentence(verdict)}"
        title = f"{TITLE}: {verdict.rule.text}"
        if verdict.status == "failed":
            lines.append(_command("error", f"{title} failed", message))
        elif verdict.status == "inconclusive":
            why = f"{message}; inconclusive: {why_inconclusive(verdict)}"
            lines.append(_command("warning", f"{title} is inconclusive", why))
    return lines


def annotation_of_error(message: str) -> str:
    """That nothing could be decided, and why."""
    return _command("error", f"{TITLE} could not decide", message)


def _command(level: Literal["error", "warning"], title: str, message: str) -> str:
    """One line, whatever the texts hold: a line break would begin another command."""
    return f"::{level} title={_escaped_property(title)}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
