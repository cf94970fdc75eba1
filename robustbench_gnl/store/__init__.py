"""The database of runs: a SQLite file, or any server that SQLAlchemy supports.

    with open_store("results/gnlbench.sqlite", write=True) as store:
        run_id = store.create_run(model, protocol, image_set, block_size=512)
        with store.lock_run(run_id):
            store.add_piece(run_id, piece)

Only facts are stored. A store that does not exist reads as an empty one.
"""

from robustbench_gnl.store.opening import open_store
from robustbench_gnl.store.store import Store
from robustbench_gnl.store.stored_run import StoredRun

__all__ = ["Store", "StoredRun", "open_store"]
