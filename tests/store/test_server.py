"""The same store on PostgreSQL; set GNLBENCH_TEST_POSTGRES to the URL of an empty database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.store import Store, open_store, versions, writing
from robustbench_gnl.store.documents import from_document
from tests.store.samples import fill, make_image_set, make_model, make_piece, make_protocol

FOG = Condition("fog", 3)
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def server() -> Iterator[Store]:
    url = os.environ.get("GNLBENCH_TEST_POSTGRES")
    if not url:
        pytest.skip("needs GNLBENCH_TEST_POSTGRES, the URL of an empty database")
    with open_store(url, write=True) as store:
        yield store
        for run in store.runs():
            store.delete_run(run.id)


def test_a_run_is_the_same_on_a_server_and_in_a_file(server: Store):
    run_id = fill(server, (CLEAN, FOG), tags=("paper",))
    with open_store("sqlite://", write=True) as local:
        assert local.import_stored(server.stored_runs()) == [run_id]
        assert local.export_run(run_id) == server.export_run(run_id)
        assert local.run(run_id) == server.run(run_id)
    with pytest.raises(StoreError, match="already holds fog/3, block 0"):
        server.add_piece(run_id, make_piece(FOG, 0, 8))


def test_a_lock_on_a_server_keeps_others_out(server: Store):
    run_id = fill(server, ())
    with (
        server.lock_run(run_id),
        pytest.raises(StoreError, match="is being written by another process"),
        server.lock_run(run_id),
    ):
        pass
    with server.lock_run(run_id):
        pass


def test_one_process_begins_a_run_on_a_server(server: Store):
    images = make_image_set()
    what = (make_model(), make_protocol(images), images)
    with open_store(os.environ["GNLBENCH_TEST_POSTGRES"], write=True) as other:
        with (
            server.begin_run(*what, known=(), block_size=8) as run_id,
            pytest.raises(StoreError, match=f"run {run_id} is being written"),
            other.begin_run(*what, known=(), block_size=8),
        ):
            pass
        with server.snapshot():
            assert server.run(run_id).id == run_id
            other.delete_run(run_id)
            assert server.stored_pieces(run_id) == {}
        with pytest.raises(StoreError, match="another process has deleted it"):
            server.run(run_id)


def test_an_older_schema_on_a_server_is_read_as_it_is_and_migrated_without_loss(server: Store):
    """In a schema of its own, as it would be for another program."""
    url = make_url(os.environ["GNLBENCH_TEST_POSTGRES"])
    old = url.update_query_dict({"options": "-csearch_path=gnlbench_older"})
    name = old.render_as_string(hide_password=False)
    golden = json.loads((GOLDEN / "run_0001.json").read_text(encoding="utf-8"))
    engine = create_engine(old)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS gnlbench_older CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA gnlbench_older")
        versions.upgrade(connection, "0003")
        writing.insert_run(connection, from_document(golden))
    try:
        for write, revision in ((False, "0003"), (True, versions.REVISIONS[-1])):
            with open_store(name, write=write) as store:
                assert store.export_run(golden["run"]["id"]) == golden
            with engine.begin() as connection:
                assert versions.revision_of(connection, name) == revision
        with open_store(name, write=True) as store:
            sketch = Condition("imagenet-sketch", 0)
            assert list(store.run(fill(store, (sketch,), suite=sketch.corruption)).cells) == [
                sketch
            ]
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA gnlbench_older CASCADE")
        engine.dispose()
