"""`--dry-run`: what would be done, and how long it would take, from a short probe."""

from __future__ import annotations

import time

import numpy as np

from robustbench_gnl.cli._output import counted, say
from robustbench_gnl.cli._plan import Plan
from robustbench_gnl.cli._progress import duration
from robustbench_gnl.data import check_trees, default_workers, result_of
from robustbench_gnl.data.probe import seconds_to_make
from robustbench_gnl.evaluation.lanes import lanes

N_PROBED = 4  # images a condition: a second or two in all


def describe_plan(plan: Plan) -> None:
    """Say what would be done; nothing is stored."""
    check_trees(plan.source, plan.conditions)
    n_pieces = len(plan.conditions) * plan.layout.n_blocks
    say(
        f"Images: {plan.source.n_images:,} in {counted(plan.layout.n_blocks, 'block')}; "
        f"conditions: {len(plan.conditions)} ({', '.join(map(str, plan.conditions[:3]))}, ...)"
    )
    for each in plan.candidates:
        wanted = [
            (block, condition)
            for block in range(plan.layout.n_blocks)
            for condition in plan.conditions
        ]
        n_stored = sum(key in each.stored for key in wanted)
        run = f"run {each.run_id}" if each.run_id else "a new run"
        say(
            f"{each.model.name}: protocol {each.protocol.name} "
            f"({each.protocol.fingerprint[:8]}), {run}, {n_stored} of {n_pieces} pieces stored"
        )
    n_images = plan.n_images_left()
    if n_images == 0:
        say("Nothing is left to do")
        return
    say(f"Left: {n_images:,} images; about {duration(estimated_seconds(plan))}")


def estimated_seconds(plan: Plan) -> float:
    """Seconds for what is left: making the images and the networks share the processors on a
    CPU, and overlap elsewhere."""
    n_images = plan.n_images_left()
    making = n_images * _seconds_to_make(plan)
    network = n_images * _seconds_of_networks(plan)
    n_cores = default_workers()
    if plan.n_workers == 0:
        return making + network
    if plan.candidates[0].network.device.type != "cpu":
        return max(making / plan.n_workers, network)
    return max(making / plan.n_workers, network, making / n_cores + network)


def _seconds_to_make(plan: Plan) -> float:
    """Processor seconds for one image of one condition, over one severity of each corruption."""
    # Of each corruption the severity nearest the middle, which stands for the others.
    by_distance = sorted(plan.conditions, key=lambda c: -abs(c.severity - 3))
    probed = list({condition.corruption: condition for condition in by_distance}.values())
    seconds = result_of(plan.executor.submit(seconds_to_make, plan.source, probed, N_PROBED))
    return seconds / len(probed)


def _seconds_of_networks(plan: Plan) -> float:
    """Seconds for one image through every network, with all lanes at work."""
    size = plan.settings.input_size
    images = np.zeros((plan.batch_size, size, size, 3), np.uint8)
    total = 0.0
    for each in plan.candidates:
        with lanes(each.network.device) as (executor, n_lanes):
            for _ in range(2):  # the second time counts
                start = time.perf_counter()
                tasks = [executor.submit(each.network.logits, images) for _ in range(n_lanes)]
                for future in tasks:
                    future.result().cpu()
                seconds = time.perf_counter() - start
        total += seconds / (n_lanes * plan.batch_size)
    return total
