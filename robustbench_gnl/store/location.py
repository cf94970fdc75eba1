"""The location of a store: a SQLite file, a database in memory, or a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from robustbench_gnl.errors import StoreError

EXPECTED = (
    "expected a path such as results/gnlbench.sqlite, or an SQLAlchemy URL such as "
    "postgresql+psycopg://user@host/gnlbench"
)


@dataclass(frozen=True)
class Location:
    """The location of a store. Exactly one of `path` and `url` is set."""

    name: str
    """The name in messages, without the password."""
    path: Path | None = None
    """The SQLite file, absolute, links resolved: two names of one file share its locks."""
    url: URL | None = None


def parse_location(text: str) -> Location:
    """Read a path or a URL.

    Raises:
        StoreError: The text is neither a path nor a URL of a supported database.
    """
    if not text.strip():
        raise StoreError(f"the store has no name: {EXPECTED}", location=text)
    if "://" not in text:
        return _file(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        shown = without_password(text)
        raise StoreError(
            f"{shown!r} is no URL of a database: {EXPECTED}", location=shown
        ) from error
    name = without_password(url.render_as_string(hide_password=True))
    if url.get_backend_name() != "sqlite":
        return Location(name, url=url)
    if not url.database or url.database == ":memory:":
        return Location(name, url=url)
    if url.database.startswith("file:") or url.query:
        raise StoreError(
            f"{name!r} has options that gnlbench sets by itself: expected a plain path, "
            "or sqlite:///PATH",
            location=name,
        )
    return _file(url.database)


def without_password(text: str) -> str:
    """A URL as messages may show it, even one that cannot be taken apart."""
    text = re.sub(r"(://[^:/@]*:).*@", r"\1***@", text, flags=re.DOTALL)
    return re.sub(r"([?&]\w*password=)[^&]*", r"\1***", text)


def _file(text: str) -> Location:
    try:
        return Location(text, path=Path(text).expanduser().resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"{text!r} is no path of a store ({error}): {EXPECTED}") from error
