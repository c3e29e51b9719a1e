"""Where SLAM moves the map, what is known of it goes along: objects, answers, corrections by hand."""

from dataclasses import replace

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.motion import Moves, moved, moves_between
from ssen_ros.structures import Box, Corrections, Evidence, Known, Memory, VoxelSnapshot


def follow(memory: Memory, snapshot: VoxelSnapshot) -> Memory:
    """The memory of an earlier map as one of the map of the snapshot: all voxels where they are now.

    Where nothing has moved only `map` differs. Asked again it does nothing.
    """
    before, memory = memory.map, replace(memory, map=snapshot)
    if before is None or before is snapshot or not (memory.known or memory.corrections):
        return memory
    moves = moves_between(before, snapshot, [*(k.keys for k in memory.known), *_freed(memory.corrections)])
    if moves is None:
        return memory
    log = [
        replace(one, **{side: _carried(getattr(one, side), moves) for side in ("before", "after")})
        for one in memory.corrections.log
    ]
    return replace(
        memory,
        known=_carried(memory.known, moves),
        corrections=Corrections(tuple(log)),
        evidence=_answers(memory.evidence, moves, snapshot),
    )


def _answers(evidence: Evidence | None, moves: Moves, now: VoxelSnapshot) -> Evidence | None:
    """What the passes have said of each voxel, said of it where it is now.

    What has moved has not changed by that: it counts as seen at its place.
    """
    if evidence is None:
        return None
    arrived = np.flatnonzero(moves.origin >= 0)
    row = voxel_keys.find(evidence.keys, moves.before[moves.origin[arrived]])
    arrived, row = arrived[row >= 0], row[row >= 0]
    has_moved = (moves.piece[moves.origin[arrived]] >= 0)[:, None]
    return replace(
        evidence,
        keys=moves.now[arrived],
        points=np.where(has_moved, now.points[arrived], evidence.points[row]),
        colors=np.where(has_moved, now.colors[arrived], evidence.colors[row]),
        mean=evidence.mean[row],
        label=evidence.label[row],
        meanwhile=evidence.meanwhile[row],
        told=evidence.told[row],
        doubts=evidence.doubts[row],
        passes=0,
    )


def _freed(corrections: Corrections) -> list[np.ndarray]:
    """Of each correction, the voxel keys that belong to no object since."""
    hand = corrections.hand
    free = hand.keys[hand.ids <= 0]
    parts = [np.concatenate([free[:0], *(k.keys for k in one.before)]) for one in corrections.log]
    return [part for part in (np.intersect1d(free, keys) for keys in parts) if len(part)]


def _carried(known: tuple[Known, ...], moves: Moves) -> tuple[Known, ...]:
    return tuple(_moved(one, moves) for one in known)


def _moved(known: Known, moves: Moves) -> Known:
    keys = moves.carry(known.keys)
    if len(keys) == 0 or np.array_equal(keys, known.keys):
        return known
    instance, motion = known.instance, moves.motion_of(known.keys)
    yaw = instance.box.yaw + np.arctan2(motion[1, 0], motion[0, 0])
    instance = replace(
        instance,
        box=Box(moved(instance.box.center, motion), instance.box.size, float(yaw % np.pi)),
        centroid=moved(instance.centroid, motion),
        voxel_count=len(keys),
    )
    return replace(known, instance=instance, keys=keys)
