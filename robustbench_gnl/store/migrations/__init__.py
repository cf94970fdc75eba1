"""Alembic's script folder: one file a revision under `versions`, run by `store.versions`."""
