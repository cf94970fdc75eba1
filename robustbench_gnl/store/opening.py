"""Opening a store, which is created or migrated if needed."""

from __future__ import annotations

from sqlalchemy import Engine

from robustbench_gnl.store import schema, versions
from robustbench_gnl.store.database_errors import store_errors
from robustbench_gnl.store.inspection import check_file
from robustbench_gnl.store.location import Location, parse_location
from robustbench_gnl.store.server import lock_until_commit, server_engine
from robustbench_gnl.store.sqlite import WRITES, memory_engine, reading_engine, writing_engine
from robustbench_gnl.store.store import Store


def open_store(location: str, *, write: bool = False) -> Store:
    """Open the store at a path or SQLAlchemy URL.

    For writing, it is created where it is missing and brought up to date where it is older.
    For reading, a store that is missing is an empty one, and no file appears.

    Raises:
        StoreError: It cannot be opened.
    """
    place = parse_location(location)
    with store_errors(place.name):
        check_file(place)
        return _open_for_writing(place) if write else _open_for_reading(place)


def _open_for_writing(location: Location) -> Store:
    engine = (
        _url_engine(location)
        if location.path is None
        else writing_engine(location.path, location.name)
    )
    try:
        with engine.connect() as connection:
            revision = versions.revision_of(connection, location.name)
        if not versions.is_current(revision):
            _upgrade(engine, location)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, location, writable=True)


def _open_for_reading(location: Location) -> Store:
    if location.path is None:
        engine = _url_engine(location)
    elif location.path.exists():
        engine = reading_engine(location.path, location.name)
    else:
        return _empty(location)
    try:
        with engine.connect() as connection:
            revision = versions.revision_of(connection, location.name)
    except BaseException:
        engine.dispose()
        raise
    if versions.is_readable(revision):
        if revision not in versions.WITH_CONTENTS:
            engine = engine.execution_options(**{schema.WITHOUT_CONTENTS: True})
        has_cache = revision in versions.WITH_CACHE
        return Store(engine, location, writable=False, has_cache=has_cache)
    engine.dispose()
    if revision is None:
        return _empty(location)
    # Older than this program: reading it needs today's tables.
    _open_for_writing(location).close()
    return _open_for_reading(location)


def _url_engine(location: Location) -> Engine:
    assert location.url is not None
    if location.url.get_backend_name() == "sqlite":  # of a file, it would have a path
        return memory_engine()
    return server_engine(location.url, location.name)


def _upgrade(engine: Engine, location: Location) -> None:
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        # Two processes that migrate at once would both change the tables.
        lock_until_commit(connection, "gnlbench schema")
        # Another process may have done it while this one waited for the lock.
        if not versions.is_current(versions.revision_of(connection, location.name)):
            versions.upgrade(connection)


def _empty(location: Location) -> Store:
    engine = memory_engine()
    schema.metadata.create_all(engine)
    return Store(engine, location, writable=False, exists=False)
