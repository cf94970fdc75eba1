"""Tags of runs: which are refused, and which run a tag names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from robustbench_gnl.cli._output import say
from robustbench_gnl.errors import UsageError

if TYPE_CHECKING:
    from robustbench_gnl.store import Store


def check_tags(tags: Iterable[str]) -> None:
    """Refuse tags that no store takes, before any work is done.

    Raises:
        UsageError: One is blank, too long, no text that a database can hold, or like a run id.
    """
    from robustbench_gnl.store.checks import tag_problem

    for tag in tags:
        if not tag.strip():
            raise UsageError("a tag needs a name, such as release-1.2")
        problem = tag_problem(tag)
        if problem is not None:
            raise UsageError(f"{problem}; name a tag such as release-1.2", tag=tag)


def check_free(tags: Iterable[str], store: Store) -> None:
    """Refuse tags that commands would mistake for a run id or a file.

    Raises:
        UsageError: A run's id begins so, or it looks like the name of a file.
    """
    for tag in tags:
        run_id = store.begins_id(tag)
        if run_id is not None:
            raise UsageError(
                f"the id of run {run_id} begins with {tag!r}, which would go on meaning that run; "
                "name another tag",
                tag=tag,
            )
        if "/" in tag or tag.endswith(".json"):
            raise UsageError(
                f"commands that take a RUN would look for a file {tag!r}; "
                "name a tag without / and .json",
                tag=tag,
            )


def say_repeated_tags(tags: Sequence[str], run_ids: Collection[str], store: Store) -> None:
    """Report tags that several runs have: a tag names the newest run that has it.

    Args:
        run_ids: The runs that have just been given these tags.
    """
    for tag in tags:
        ids = store.tagged(tag)
        if len(ids) > 1:
            others = [id for id in ids if id not in run_ids]
            was = f" (before: {others[0]})" if others and ids[0] not in others else ""
            newest = f"which selects the newest, {ids[0]}{was}"
            say(f"Note: {len(ids)} runs have the tag {tag!r}, {newest}")
        run_id = store.begins_id(tag)
        if run_id is not None and store.named(tag) == [run_id]:
            say(
                f"Warning: {tag!r} names run {run_id}, whose id begins so, rather than the runs "
                "with this tag; use another one"
            )


def say_remaining_runs(tags: Sequence[str], store: Store) -> None:
    """Report which runs still have tags that were removed from one."""
    for tag in tags:
        ids = store.tagged(tag)
        means = (
            f"the tag {tag!r} now selects {ids[0]}" if ids else f"no run has the tag {tag!r} now"
        )
        say(f"Note: {means}")
