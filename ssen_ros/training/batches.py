"""The batches of a run, one a step: drawn when they are wanted, or ahead, by other processes."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ssen_ros.training.background import Foreground
from ssen_ros.training.config import TrainConfig
from ssen_ros.training.dataset import Batch, RoomDataset, collate, twin_rows

_ROOM = 1  # the generator that draws the room of two scenes is none of the scenes' own


def draw_batch(
    rooms: RoomDataset,
    config: TrainConfig,
    features: tuple[str, ...],
    scenes: Sequence[int],
    shown: Foreground,
    step: int,
) -> Batch:
    """These scenes of the step's batch, 0 to batch_size - 1. Whoever draws them, they are the same.

    With config.consistency, scenes 0 and 1, 2 and 3 and so on are of one room.
    """
    drawn, masks, placements = [], [], []
    for scene in scenes:
        rng = np.random.default_rng([config.seed, step, scene])
        room = None
        if config.consistency:
            shared = np.random.default_rng([config.seed, step, scene // 2, _ROOM])
            room = int(shared.integers(len(rooms)))
        voxels, placement = rooms.scene(rng, config, room)
        drawn.append(voxels)
        masks.append(shown(rng, voxels))
        placements.append(placement)
    batch = collate(drawn, masks, features)
    if not config.consistency:
        return batch
    twins = twin_rows(batch.coords.numpy(), placements, rooms.voxel_size)
    return replace(batch, twins=torch.from_numpy(twins))


def batches(draw: Callable[[int], Batch], steps: range, workers: int) -> Iterator[Batch]:
    """`draw(step)` of each step, in order; `workers` processes are two steps ahead each, none: nobody is.

    The processes hold `draw` as it was at the call. They end when the iterator is forgotten.
    """
    loader = DataLoader(
        _Drawn(draw),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_leave_interrupts,
        multiprocessing_context="fork" if workers else None,  # what is drawn from need not be pickled
        generator=torch.Generator(),  # torch's own is left alone
    )
    return iter(loader)


class _Drawn(Dataset):
    def __init__(self, draw: Callable[[int], Batch]):
        self._draw = draw

    def __getitem__(self, step: int) -> Batch:
        return self._draw(step)


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_interrupts(_: int) -> None:
    """Ctrl-C, and a SIGTERM to the group, are for the process that trains, which decides what they mean."""
    os.setpgid(0, 0)
