"""Rows of a leaderboard that no run of ours stands behind: published results, the reference."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlsplit

import corruptions
from robustbench_gnl.metrics import GROUPS, mean
from robustbench_gnl.metrics.reference import Published, Reference
from robustbench_gnl.records import Protocol
from robustbench_gnl.reports.formats import as_count

N_VALIDATION_IMAGES = 50_000


def is_comparable(published: Published) -> bool:
    """Whether it states the released images, all of them, as they are.

    A source that says nothing of adapting to the test images is taken to evaluate a
    plain network.
    """
    return (
        published.n_images == N_VALIDATION_IMAGES
        and published.resampling == "none"
        and published.test_time_adaptation in ("", "none")
    )


def takes_reported(protocol: Protocol) -> bool:
    """Whether a run's protocol is the one that comparable published results state."""
    return (
        protocol.source == "released"
        and protocol.n_images == N_VALIDATION_IMAGES
        and protocol.resampling == "none"
        and protocol.skipped_images == 0
    )


def stated_protocol(published: Published) -> str:
    """What the source says of its protocol, in a phrase."""
    phrases = []
    if published.n_images is not None:
        phrases.append(f"{as_count(published.n_images)} images")
    if published.resampling:
        phrases.append("not resampled" if published.resampling == "none" else published.resampling)
    if published.test_time_adaptation not in ("", "none"):
        phrases.append(f"adapted at test time ({published.test_time_adaptation})")
    if published.n_images is None and not published.resampling:
        phrases.insert(0, "protocol not stated")
    elif published.n_images is None:
        phrases.insert(0, "number of images not stated")
    elif not published.resampling:
        phrases.append("resampling not stated")
    return ", ".join(phrases)


def reported_row(published: Published) -> dict[str, Any]:
    """The row of one published result, not yet ranked."""
    row: dict[str, Any] = {
        "kind": "reported",
        "model": _model_name(published),
        "clean_error": published.clean_error,
        "mce": published.mce,
        "mean_corruption_error": published.mean_corruption_error,
        "n_images": published.n_images,
        "stated_protocol": stated_protocol(published),
        "remark": f"reported by {_origin(published.source_url)}: {stated_protocol(published)}",
        "source_url": published.source_url,
    }
    for name in corruptions.names("common"):
        row[f"ce_{name}"] = published.ce.get(name)
    for group in GROUPS:
        row[f"ce_{group}"] = mean(published.ce.get(name) for name in corruptions.names(group))
    return row


def reference_row(reference: Reference) -> dict[str, Any]:
    """The line of the network that CE divides by."""
    sums = [reference.error_sum(name) for name in corruptions.names("common")]
    known = [one for one in sums if one is not None]
    n_severities = len(corruptions.SEVERITIES)
    return {
        "kind": "reference",
        "rank": None,
        "model": f"{reference.name} (reference)",
        "clean_error": reference.clean_error,
        "mce": 100.0,
        "relative_mce": 100.0,
        "mean_corruption_error": (
            math.fsum(known) / n_severities / len(sums) if len(known) == len(sums) else None
        ),
        **{f"ce_{name}": 100.0 for name in (*GROUPS, *corruptions.names("common"))},
        "remark": f"reference: {reference.protocol}",
    }


def _model_name(published: Published) -> str:
    """Method and architecture, unless the method's name says both."""
    if published.architecture in published.method:
        return published.method
    return f"{published.method}, {published.architecture}"


def _origin(url: str) -> str:
    """`owner/repository` of a GitHub address, the host of any other."""
    parts = urlsplit(url)
    owner_and_repository = parts.path.strip("/").split("/")[:2]
    return "/".join(owner_and_repository) if parts.netloc == "github.com" else parts.netloc
