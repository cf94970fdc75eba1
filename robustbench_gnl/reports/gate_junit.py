"""The result of a gate, or why there is none, as the JUnit XML that CI servers read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from robustbench_gnl.reports.gate_rows import detectable_sentence, sentence, why_inconclusive
from robustbench_gnl.reports.gate_words import headline, notes_of, subject
from robustbench_gnl.text import printable

if TYPE_CHECKING:
    from robustbench_gnl.reports.gate import GateReport
    from robustbench_gnl.statistics import Verdict

CLASS_NAME = "gnlbench.check"


def junit_xml(report: GateReport) -> str:
    """One test case a rule, and the notes once.

    An inconclusive rule is skipped, which no CI server takes for a pass or for a failure; where
    it is no pass, it is an error: the test could not be carried out.
    """
    root, suite = _suite(
        subject(report),
        n_tests=len(report.verdicts),
        n_failures=report.count("failed"),
        **{"n_errors" if report.fail_inconclusive else "n_skipped": report.count("inconclusive")},
    )
    for verdict in report.verdicts:
        case = _case(suite, verdict.rule.text)
        if verdict.status == "failed":
            message = {"type": "regression", "message": printable(sentence(verdict))}
            ElementTree.SubElement(case, "failure", message)
        elif verdict.status == "inconclusive":
            message = {"message": printable(f"inconclusive: {why_inconclusive(verdict)}")}
            if report.fail_inconclusive:
                ElementTree.SubElement(case, "error", {"type": "inconclusive", **message})
            else:
                ElementTree.SubElement(case, "skipped", message)
        if verdict.status != "failed":
            ElementTree.SubElement(case, "system-out").text = printable(_details(verdict))
    told = "\n".join(map(printable, [headline(report), *notes_of(report)]))
    ElementTree.SubElement(suite, "system-out").text = told
    return _text_of(root)


def junit_error(kind: str, message: str, rule: str | None = None) -> str:
    """A gate that could not decide: one case with why.

    Args:
        rule: The one that could not be tested, if it was one.
    """
    root, suite = _suite("gnlbench check", n_tests=1, n_errors=1)
    case = _case(suite, rule or "gnlbench check")
    ElementTree.SubElement(case, "error", {"type": kind, "message": printable(message)})
    return _text_of(root)


def _details(verdict: Verdict) -> str:
    parts = [sentence(verdict)]
    if verdict.detectable is not None:
        parts.append(detectable_sentence(verdict))
    return "; ".join(parts)


def _suite(
    name: str, *, n_tests: int, n_failures: int = 0, n_errors: int = 0, n_skipped: int = 0
) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The root, and the one suite in it."""
    counts = {"tests": str(n_tests), "failures": str(n_failures), "errors": str(n_errors)}
    skipped = {"skipped": str(n_skipped)}  # an attribute of suites alone
    root = ElementTree.Element("testsuites", counts)
    return root, ElementTree.SubElement(
        root, "testsuite", {"name": printable(name), **counts, **skipped}
    )


def _case(suite: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", {"classname": CLASS_NAME, "name": printable(name)}
    )


def _text_of(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
