"""Checks for CI servers: JUnit XML, and annotations of GitHub workflows."""

from __future__ import annotations

from typing import Literal
from xml.etree import ElementTree

from robustbench_gnl.reports.document import CHECK_COMMAND, Check, Checks, Document
from robustbench_gnl.text import printable

CLASS_NAME = CHECK_COMMAND.replace(" ", ".")


def junit_xml(document: Document) -> str:
    """A test suite with one test case for each check.

    An inconclusive check is reported as skipped, which CI servers count neither as passed nor as
    failed; if inconclusive checks are to fail, it is reported as an error.
    """
    checks = _checks_of(document)
    n_open, n_errors = checks.count("inconclusive"), checks.count("error")
    # An inconclusive test is counted where it is written: as skipped, or as an error.
    n_skipped = 0 if checks.fail_inconclusive else n_open
    counts = {
        "tests": str(len(checks.checks)),
        "failures": str(checks.count("failed")),
        "errors": str(n_errors + n_open - n_skipped),
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        # The schema has no count of skipped tests on the root element.
        {"name": printable(checks.name), **counts, "skipped": str(n_skipped)},
    )
    for check in checks.checks:
        _add_case(suite, check, fail_inconclusive=checks.fail_inconclusive)
    if checks.summary:
        text = "\n".join(map(printable, checks.summary))
        ElementTree.SubElement(suite, "system-out").text = text
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _add_case(suite: ElementTree.Element, check: Check, *, fail_inconclusive: bool) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": CLASS_NAME, "name": printable(check.name)}
    )
    message = printable(check.message)
    if check.status == "failed":
        ElementTree.SubElement(case, "failure", {"type": "regression", "message": message})
    elif check.status == "error":
        ElementTree.SubElement(case, "error", {"type": check.kind, "message": message})
    elif check.status == "inconclusive":
        why = {"message": printable(f"inconclusive: {check.reason}")}
        if fail_inconclusive:
            ElementTree.SubElement(case, "error", {"type": "inconclusive", **why})
        else:
            ElementTree.SubElement(case, "skipped", why)
    if check.details:
        ElementTree.SubElement(case, "system-out").text = printable(check.details)


def github_annotations(document: Document) -> str:
    """One line for each check that did not pass: an error, or a warning if it is inconclusive.

    Format: "Workflow commands for GitHub Actions" in GitHub's documentation; escapes as in the
    actions toolkit, `packages/core/src/command.ts`.
    """
    checks, lines = _checks_of(document), []
    for check in checks.checks:
        title, message = f"{CHECK_COMMAND}: {check.name}", f"{checks.name}: {check.message}"
        if check.status == "failed":
            lines.append(_command("error", f"{title} failed", message))
        elif check.status == "error":
            lines.append(_command("error", f"{CHECK_COMMAND} could not decide", check.message))
        elif check.status == "inconclusive":
            why = f"{message}; inconclusive: {check.reason}"
            lines.append(_command("warning", f"{title} is inconclusive", why))
    return "\n".join(lines)


def _checks_of(document: Document) -> Checks:
    assert document.checks is not None, "`render` offers these formats of documents with checks"
    return document.checks


def _command(level: Literal["error", "warning"], title: str, message: str) -> str:
    """A workflow command on one line: a line break in a text would start another command."""
    return f"::{level} title={_escaped_property(title)}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
