"""Where the pieces of a map have gone when SLAM moved it, as it does when a loop closes.

SLAM publishes the same map anew, moved by some tenths of a metre and a few degrees, differently here and
there. A piece is what moves as one: an object, or a block of what lies around. Its motion is looked for where
many of its voxels have gone: first that of its neighbours, then any of a coarse grid of poses, refined in
smaller and smaller steps. Pure functions of voxels with colour; a motion is a (4, 4) float64 matrix, the map
now <- the map before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.spatial import KDTree

from ssen_ros import stopping, voxel_keys
from ssen_ros.rotations import turn_z
from ssen_ros.structures import VoxelSnapshot

REACH_M = 0.4  # that a piece may have moved, along x and y; half as far along z
REACH_RAD = np.radians(8)  # that it may have turned about z; about x and y it is only refined
LEAST_PRESENT = 0.75  # share of a piece's voxels still in the map from which on it has not moved
LEAST_SCORE = 0.5  # of a motion; the score of one that fits is some 0.9
LEAST_GAIN = 0.1  # of the score, over that of staying
GOOD_SCORE = 0.8  # of a neighbour's motion, refined, that is not improved on by a search
BLOCK = 32  # voxels, edge of the blocks of what is in no object

_SAMPLE = 250  # voxels of a piece that are looked at
_TOUCH = 1.5  # voxels from a point to its counterpart, at most
_COLOR = 128.0  # levels by which the colours of counterparts may differ, at most
_COARSE = 2  # voxels, edge of the cells of the coarse search
_TURNS = np.linspace(-REACH_RAD, REACH_RAD, 5)
_PROMISING = 6  # poses of the coarse search that are looked at closely
_STEPS = ((1.0, 2.0), (0.5, 1.0), (0.25, 0.5))  # voxels, degrees; of the refinement
_FITS = 3  # least-squares fits at its end
_NEIGHBOURS = 3  # pieces whose motions are tried first

STAY = np.eye(4)


@dataclass(frozen=True)
class Piece:
    """Points that move as one."""

    points: np.ndarray  # (n, 3) float32, m
    colors: np.ndarray  # (n, 3) uint8 RGB

    @classmethod
    def of(cls, snapshot: VoxelSnapshot, rows: np.ndarray) -> "Piece":
        return cls(snapshot.points[rows], snapshot.colors[rows])


@dataclass(frozen=True)
class Moves:
    """What has become of a map, voxel by voxel."""

    before: np.ndarray  # (U,) int64 voxel keys of the map before, ascending
    now: np.ndarray  # (V,) int64, of the map now
    origin: np.ndarray  # (V,) int64, the row of `before` that each voxel was; -1: of none
    piece: np.ndarray  # (U,) int64, row of `motions`; -1: it has not moved
    motions: np.ndarray  # (M, 4, 4)

    def carry(self, keys: np.ndarray) -> np.ndarray:
        """(m,) ascending keys of where the voxels of (n,) ascending keys are now; those that stay, stay."""
        row = voxel_keys.find(self.before, keys)
        moved = row >= 0
        moved[moved] = self.piece[row[moved]] >= 0
        there = np.zeros(len(self.before), bool)
        there[row[moved]] = True
        arrived = self.now[(self.origin >= 0) & there[self.origin]]
        return np.union1d(keys[~moved], arrived)

    def motion_of(self, keys: np.ndarray) -> np.ndarray:
        """The motion (4, 4) of most of the voxels of (n,) keys."""
        row = voxel_keys.find(self.before, keys)
        piece = self.piece[row[row >= 0]]
        counts = np.bincount(piece + 1, minlength=1)
        return STAY if counts.argmax() == 0 else self.motions[counts.argmax() - 1]


def moved(points: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """(n, 3) points, m, after a motion."""
    return points @ motion[:3, :3].T + motion[:3, 3]


def moves_between(before: VoxelSnapshot, now: VoxelSnapshot, objects: Sequence[np.ndarray]) -> Moves | None:
    """What has become of each voxel of the map before; None where no object has moved.

    objects: the (n,) voxel keys of each, ascending. A voxel that is in several belongs to the first.
    """
    keys_before, keys_now = (one.keys for one in (before, now))
    gone = voxel_keys.present(keys_now, objects) < LEAST_PRESENT * np.array([len(keys) for keys in objects])
    if not gone.any():
        return None
    owner = voxel_keys.owner(keys_before, objects[::-1])
    owner = np.where(owner < 0, -1, len(objects) - 1 - owner)  # of the first
    free = np.append(gone, True)[_owner_now(owner, keys_before, keys_now)]
    finder = _Finder(before, now, free)
    sizes = np.bincount(owner[owner >= 0], minlength=len(objects))
    for k in sorted(np.flatnonzero(gone & (sizes > 0)), key=lambda k: -sizes[k]):
        finder.find(np.flatnonzero(owner == k), search=True)
    if not finder.motions:
        return None
    lost = voxel_keys.find(keys_now, keys_before) < 0
    for rows in _blocks(before.voxel_coords, np.flatnonzero(owner < 0)):
        if lost[rows].mean() > 1 - LEAST_PRESENT:
            finder.find(rows, search=False)
    return Moves(
        keys_before,
        keys_now,
        _origin(before, now, keys_before, keys_now, finder),
        finder.piece,
        np.array(finder.motions),
    )


def _owner_now(owner: np.ndarray, keys_before: np.ndarray, keys_now: np.ndarray) -> np.ndarray:
    return np.append(owner, -1)[voxel_keys.find(keys_before, keys_now)]


def _blocks(coords: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """The rows by the block that they lie in."""
    return voxel_keys.grouped(rows, voxel_keys.pack(coords[rows] // BLOCK))


def _origin(
    before: VoxelSnapshot,
    now: VoxelSnapshot,
    keys_before: np.ndarray,
    keys_now: np.ndarray,
    finder: "_Finder",
) -> np.ndarray:
    """(V,) the row before of each voxel: of the one that stayed, or the nearest that moved here."""
    row = voxel_keys.find(keys_before, keys_now)
    stayed = (row >= 0) & (np.append(finder.piece, 0)[row] < 0)
    origin = np.where(stayed, row, -1)
    rows = np.flatnonzero(finder.piece >= 0)
    arrived = np.concatenate(
        [
            moved(before.points[own], motion)
            for own, motion in zip(voxel_keys.grouped(rows, finder.piece[rows]), finder.motions, strict=True)
        ]
    )
    rows = np.concatenate(voxel_keys.grouped(rows, finder.piece[rows]))
    open_ = np.flatnonzero(~stayed)
    found = KDTree(arrived).query(now.points[open_], distance_upper_bound=now.voxel_size)
    distance, nearest = map(np.asarray, found)
    there = np.isfinite(distance)
    origin[open_[there]] = rows[nearest[there]]
    return origin


class _Finder:
    """Finds one motion after the other, each with those found before as first guesses."""

    def __init__(self, before: VoxelSnapshot, now: VoxelSnapshot, free: np.ndarray):
        self._before, self._now, self._free = before, now, free  # (V,) bool: may be where a piece has gone
        self.piece = np.full(len(before), -1)
        self.motions: list[np.ndarray] = []
        self._centers: list[np.ndarray] = []

    def find(self, rows: np.ndarray, search: bool) -> None:
        stopping.check()
        center = self._before.points[rows].mean(axis=0)
        far = np.linalg.norm(np.array(self._centers).reshape(-1, 3) - center, axis=1)
        guesses = [self.motions[k] for k in np.argsort(far, kind="stable")[:_NEIGHBOURS]]
        motion = find_motion(
            Piece.of(self._before, rows), self._scene(rows), self._now.voxel_size, guesses, search
        )
        if motion is not None:
            self.piece[rows] = len(self.motions)
            self.motions.append(motion)
            self._centers.append(center)

    def _scene(self, rows: np.ndarray) -> Piece:
        """What the piece may have become: all that is free near it."""
        margin = int(np.ceil((REACH_M + 0.1) / self._now.voxel_size))
        coords = self._before.voxel_coords[rows]
        low, high = coords.min(axis=0) - margin, coords.max(axis=0) + margin
        x = self._now.voxel_coords[:, 0]
        begin, end = np.searchsorted(x, [low[0], high[0] + 1])  # sorted by x
        slab = self._now.voxel_coords[begin:end]
        inside = self._free[begin:end] & np.all((slab >= low) & (slab <= high), axis=1)
        return Piece.of(self._now, begin + np.flatnonzero(inside))


def find_motion(
    piece: Piece, scene: Piece, voxel_size: float, guesses: Sequence[np.ndarray] = (), search: bool = True
) -> np.ndarray | None:
    """The motion (4, 4) that brings a piece onto the points of a scene, m; None where none is found.

    guesses: motions that are tried first; without `search`, they alone. A motion has to fit better than
    staying does, by LEAST_GAIN.
    """
    if len(piece.points) == 0 or len(scene.points) == 0:
        return None
    fit = _Fit(piece, scene, voxel_size)
    stay, *scores = fit.scores([STAY, *guesses])
    enough = max(LEAST_SCORE, stay + LEAST_GAIN)
    score, motion = 0.0, STAY
    if guesses:
        score, motion = fit.refined(guesses[int(np.argmax(scores))], _STEPS[1:])
    if search and score < max(GOOD_SCORE, enough):
        promising = fit.coarse()
        found = fit.refined(promising[int(fit.scores(promising).argmax())], _STEPS)
        score, motion = max((score, motion), found, key=lambda one: one[0])
    return motion if score >= enough else None


class _Fit:
    """How well a piece, moved, lies on a scene: 1 where each point lies on one of its own colour."""

    def __init__(self, piece: Piece, scene: Piece, voxel_size: float):
        rows = np.random.default_rng(0).permutation(len(piece.points))[
            :_SAMPLE
        ]  # every n-th may lie in a plane
        self._center = piece.points.mean(axis=0, dtype=np.float64)
        self._points = piece.points[rows].astype(np.float64) - self._center
        self._colors = piece.colors[rows].astype(np.float32)
        self._scene_points = scene.points.astype(np.float64) - self._center
        self._scene_colors = np.vstack([scene.colors, np.zeros(3)]).astype(np.float32)
        self._tree = KDTree(self._scene_points, balanced_tree=False, compact_nodes=False)
        self._size = voxel_size

    def scores(self, motions: Sequence[np.ndarray]) -> np.ndarray:
        """(m,) of 0 to 1."""
        return self._scores([self._local(motion) for motion in motions])

    def _scores(self, local: Sequence[np.ndarray]) -> np.ndarray:
        places = np.concatenate([moved(self._points, motion) for motion in local])
        value, _ = self._counterparts(places)
        return value.reshape(len(local), -1).mean(axis=1)

    def _counterparts(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How well each of the places (m * n, 3) of the points is met, and by which point of the scene."""
        touch = _TOUCH * self._size
        distance, nearest = map(np.asarray, self._tree.query(places, distance_upper_bound=touch))
        colors = np.tile(self._colors, (len(places) // len(self._colors), 1))
        differing = np.abs(self._scene_colors[nearest] - colors).mean(axis=1)
        near = 1 - np.minimum(distance / touch, 1) ** 2
        return near * np.maximum(1 - differing / _COLOR, 0), nearest

    def coarse(self) -> list[np.ndarray]:
        """The most promising of a grid of poses, by occupied cells alone."""
        cell = _COARSE * self._size
        reach = np.array([REACH_M, REACH_M, REACH_M / 2]) // cell
        scene = np.floor(self._scene_points / cell).astype(np.int64)
        margin = reach.astype(np.int64) + 1
        cells = [np.floor(self._points @ turn_z(a).T / cell).astype(np.int64) for a in _TURNS]
        low = np.min([c.min(axis=0) for c in cells], axis=0) - margin
        shape = np.max([c.max(axis=0) for c in cells], axis=0) + margin + 1 - low
        grid = np.zeros(shape, np.float32)
        inside = np.all((scene >= low) & (scene < low + shape), axis=1)
        grid[tuple((scene[inside] - low).T)] = 1
        offsets = np.array(list(product(*(np.arange(-r, r + 1) for r in reach)))).astype(np.int64)
        strides = np.array([shape[1] * shape[2], shape[2], 1])
        found = np.stack(
            [grid.ravel()[((c - low) @ strides)[:, None] + (offsets @ strides)].sum(axis=0) for c in cells]
        )
        # Of equals the smallest motion: a table top slides within itself.
        turned, far = np.abs(_TURNS)[:, None] / REACH_RAD, np.linalg.norm(offsets * cell, axis=1) / REACH_M
        found -= 0.02 * len(self._points) * (turned + far)
        best = np.argsort(-found, axis=None, kind="stable")[:_PROMISING]
        turn, offset = np.unravel_index(best, found.shape)
        local = [_pose(_TURNS[a], offsets[o] * cell) for a, o in zip(turn, offset)]
        return [self._global(motion) for motion in local]

    def refined(self, motion: np.ndarray, steps: Sequence[tuple[float, float]]) -> tuple[float, np.ndarray]:
        """A better motion nearby, in `steps` of ever less, and its score."""
        local = self._local(motion)
        score = self._scores([local])[0]
        for step, degrees in steps:
            shifts = np.concatenate([np.eye(3), -np.eye(3)]) * step * self._size
            ways = [_pose(0.0, shift) for shift in shifts]
            ways += [_pose(np.radians(a), np.zeros(3)) for a in (-degrees, degrees)]
            for _ in range(4):
                around = [way @ local for way in ways]
                scores = self._scores(around)
                if scores.max() <= score:
                    break
                score, local = scores.max(), around[int(scores.argmax())]
        for _ in range(_FITS):
            fitted = self._fitted(local)
            new = self._scores([fitted])[0]
            if new <= score:
                break
            score, local = new, fitted
        return float(score), self._global(local)

    def _fitted(self, local: np.ndarray) -> np.ndarray:
        """The motion that brings the points nearest to what they lie on now (W. Kabsch, 1976)."""
        value, nearest = self._counterparts(moved(self._points, local))
        if (value > 0).sum() < 6:
            return local
        weight = value / value.sum()
        to = np.vstack([self._scene_points, np.zeros(3)])[nearest]
        a, b = weight @ self._points, weight @ to
        u, _, vt = np.linalg.svd((self._points - a).T @ ((to - b) * weight[:, None]))
        turn = vt.T @ np.diag([1, 1, np.linalg.det(vt.T @ u.T)]) @ u.T
        fitted = np.eye(4)
        fitted[:3, :3], fitted[:3, 3] = turn, b - turn @ a
        return fitted

    def _local(self, motion: np.ndarray) -> np.ndarray:
        """The same about the middle of the piece, which is the origin here: nothing far is turned."""
        local = motion.copy()
        local[:3, 3] += motion[:3, :3] @ self._center - self._center
        return local

    def _global(self, local: np.ndarray) -> np.ndarray:
        motion = local.copy()
        motion[:3, 3] += self._center - local[:3, :3] @ self._center
        return motion


def _pose(yaw: float, shift: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn_z(yaw), shift
    return pose
