"""What a gate found, or why it found nothing, as the JUnit XML that CI servers read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from robustbench_gnl.reports.gate_rows import inside_noise, seen, sentence
from robustbench_gnl.reports.gate_words import headline, notes_of
from robustbench_gnl.text import printable

if TYPE_CHECKING:
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import Verdict

CLASS_NAME = "gnlbench.check"


def junit_xml(report: GateReport) -> str:
    """One test case a rule, and the notes once."""
    n_failed = sum(not verdict.passed for verdict in report.verdicts)
    name = f"{report.name} against {report.baseline_name}"
    root, suite = _suite(name, n_tests=len(report.verdicts), n_failures=n_failed)
    for verdict in report.verdicts:
        case = _case(suite, verdict.rule.text)
        text = sentence(verdict, strict=report.strict)
        if not verdict.passed:
            ElementTree.SubElement(
                case, "failure", {"type": "regression", "message": printable(text)}
            )
        else:
            ElementTree.SubElement(case, "system-out").text = printable(_kept(verdict, text))
    told = "\n".join(map(printable, [headline(report), *notes_of(report)]))
    ElementTree.SubElement(suite, "system-out").text = told
    return _text_of(root)


def junit_error(kind: str, message: str, rule: str | None = None) -> str:
    """A gate that could not judge: one case with why.

    Args:
        rule: The one that could not be judged, if it was one.
    """
    root, suite = _suite("gnlbench check", n_tests=1, n_errors=1)
    case = _case(suite, rule or "gnlbench check")
    ElementTree.SubElement(case, "error", {"type": kind, "message": printable(message)})
    return _text_of(root)


def _kept(verdict: Verdict, text: str) -> str:
    parts = [text]
    if inside_noise(verdict):
        parts.append("inside the noise")
    if verdict.detectable is not None:
        parts.append(seen(verdict))
    return "; ".join(parts)


def _suite(
    name: str, *, n_tests: int, n_failures: int = 0, n_errors: int = 0
) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The root, and the one suite in it."""
    counts = {"tests": str(n_tests), "failures": str(n_failures), "errors": str(n_errors)}
    root = ElementTree.Element("testsuites", counts)
    return root, ElementTree.SubElement(root, "testsuite", {"name": printable(name), **counts})


def _case(suite: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", {"classname": CLASS_NAME, "name": printable(name)}
    )


def _text_of(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
