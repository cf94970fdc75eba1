"""An estimate of what a session would evaluate and how long it would take."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from robustbench_gnl.data import check_trees, default_workers, result_of
from robustbench_gnl.data.probe import seconds_to_make
from robustbench_gnl.evaluation.inference_threads import inference_threads
from robustbench_gnl.evaluation.model import pieces_of
from robustbench_gnl.evaluation.session import Session
from robustbench_gnl.records import Protocol

N_PROBED = 4
"""Images per condition: a second or two in all."""


@dataclass(frozen=True)
class ModelEstimate:
    """How much of one model is stored already."""

    name: str
    protocol: Protocol
    run_id: str | None
    """The run that would be resumed; None where a new one would be begun."""
    n_pieces: int
    n_stored: int


@dataclass(frozen=True)
class Estimate:
    """What a session would do."""

    models: tuple[ModelEstimate, ...]
    n_images: int
    n_blocks: int
    n_images_left: int
    """Images that some model still has to see, each counted once per condition."""
    seconds: float
    """For what is left; 0 where nothing is."""


def estimate_of(session: Session) -> Estimate:
    """What an entered session would do: looks at what is stored, and tries the rest on a few
    images. Nothing is stored.

    Raises:
        DataError: An image is missing, or the images changed since a run began.
    """
    session.find_stored_runs()
    check_trees(session.source, session.conditions)
    layout = session.layout
    wanted = {
        # Stored runs may have blocks of different sizes.
        each: pieces_of(session.source, each.block_size, session.conditions)
        for each in session.models
    }
    n_images_left = session.n_images_left()
    return Estimate(
        models=tuple(
            ModelEstimate(
                each.model.name,
                each.protocol,
                each.run_id,
                n_pieces=len(pieces),
                n_stored=sum(piece in each.stored for piece in pieces),
            )
            for each, pieces in wanted.items()
        ),
        n_images=session.source.n_images,
        n_blocks=layout.n_blocks,
        n_images_left=n_images_left,
        seconds=_seconds_for(session, n_images_left) if n_images_left else 0.0,
    )


def _seconds_for(session: Session, n_images: int) -> float:
    """Making the images and the networks share the processors on a CPU, and overlap elsewhere."""
    making = n_images * _seconds_to_make(session)
    inference = n_images * _seconds_of_inference(session)
    if session.n_workers == 0:
        return making + inference
    if session.device.type != "cpu":
        return max(making / session.n_workers, inference)
    # On a CPU both need the same processors, so their work adds up over all of them.
    return max(making / session.n_workers, inference, making / default_workers() + inference)


def _seconds_to_make(session: Session) -> float:
    """Processor seconds for one image of one condition, over one severity of each corruption."""
    # One severity of each corruption, the middle one, represents the others.
    severities = session.source.suite.severities
    middle = severities[len(severities) // 2]
    by_distance = sorted(session.conditions, key=lambda c: -abs(c.severity - middle))
    probed = list({condition.corruption: condition for condition in by_distance}.values())
    probe = session.executor.submit(seconds_to_make, session.source, probed, N_PROBED)
    return result_of(probe) / len(probed)


def _seconds_of_inference(session: Session) -> float:
    """Seconds for one image through every network, with all inference threads at work."""
    size = session.input_size
    images = np.zeros((session.batch_size, size, size, 3), np.uint8)
    total = 0.0
    for each in session.models:
        with inference_threads(session.device) as (executor, n_threads):
            for _ in range(2):  # the second time counts
                start = time.perf_counter()
                tasks = [executor.submit(each.network.logits, images) for _ in range(n_threads)]
                for future in tasks:
                    future.result().cpu()
                seconds = time.perf_counter() - start
        total += seconds / (n_threads * session.batch_size)
    return total
