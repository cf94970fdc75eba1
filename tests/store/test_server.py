"""The same store on PostgreSQL; set GNLBENCH_TEST_POSTGRES to the URL of an empty database."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.store import Store, open_store
from tests.store.samples import fill, make_image_set, make_model, make_piece, make_protocol

FOG = Condition("fog", 3)


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
        assert local.merge(server) == [run_id]
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
        with server.at_one_moment():
            assert server.run(run_id).id == run_id
            other.delete_run(run_id)
            assert server.stored_pieces(run_id) == {}
        with pytest.raises(StoreError, match="another process has deleted it"):
            server.run(run_id)
