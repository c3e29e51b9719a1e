"""What the next clicks on the map are for, and what they ask for. It knows no browser."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import KDTree

from ssen_ros.corrections import Edit
from ssen_ros.errors import CorrectionError
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import UNKNOWN_NAME

# What the brush gives, beside the names of classes.
JOIN, LEAVE, NONE = "add to the chosen object", "take from the chosen object", "none of these"

HINTS = {  # kind of tool -> what the user is to do, by how many points have been clicked
    "merge": ("Click the object that belongs to #{id}.",),
    "split": ("Click a point on one of the two parts of #{id}.", "Now click a point on the other part."),
    "cut": (
        "Click two points of #{id}: it is cut by the upright plane through them.",
        "Now click the second point of the cut.",
    ),
    "brush": ("Click, or drag over what is to be painted. It {gives}.",),
    "box": (
        "Click two opposite corners of the box.",
        "Now click the opposite corner.",
        "Set its height, then make it: Enter.",
    ),
}
OF_NO_OBJECT = ("brush", "box")  # tools that need none chosen

_LONGEST_STEP = 16  # half radii between two places of a brush that are one line
_LEAST_HEIGHT = 2  # voxels, of a box at first


@dataclass(frozen=True)
class Tool:
    """What clicks are for at present, and where those made so far have met the map."""

    kind: str = ""  # of HINTS; empty: a click chooses an object
    clicked: tuple[np.ndarray, ...] = ()  # (3,) float64 each, m

    def click(self, point: np.ndarray) -> "Tool":
        before = () if self.complete else self.clicked
        return replace(self, clicked=(*before, np.asarray(point, np.float64)))

    @property
    def complete(self) -> bool:
        return len(self.clicked) == 2

    def hint(self, id: int, gives: str) -> str:
        """What to do next, with the chosen object, 0 for none, and what the brush gives."""
        hints = HINTS.get(self.kind, ("",))
        return hints[min(len(self.clicked), len(hints) - 1)].format(id=id, gives=_effect(id, gives))


def box_between(labelled: LabelledMap, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(2, 3) m: the lowest and the highest corner of the upright box over what lies between two points.

    It begins at the floor, and is as high as the things there.
    """
    half = labelled.voxel_size / 2
    low, high = np.minimum(a, b), np.maximum(a, b)
    flat = labelled.points[:, :2]
    inside = ((flat >= low[:2] - half) & (flat <= high[:2] + half)).all(axis=1)
    low[2] = labelled.points[inside, 2].min(initial=low[2])
    tops = labelled.points[inside & (labelled.instance_id > 0), 2]
    high[2] = tops.max(initial=low[2] + _LEAST_HEIGHT * labelled.voxel_size)
    return np.array([low - half, high + half])


def box_edit(corners: np.ndarray, chosen: int, gives: str) -> Edit:
    """All things between two corners, (2, 3) m, as the chosen object, or a new one of the class given."""
    name = "" if chosen or gives in (JOIN, LEAVE) else _class_of(gives)
    return Edit("box", (chosen,) if chosen else (), name, corners)


def between(a: np.ndarray, b: np.ndarray, radius: float) -> list[np.ndarray]:
    """Centres of a brush that goes straight from one point to another; of a far jump, the last one alone."""
    steps = int(np.ceil(np.linalg.norm(b - a) / (radius / 2)))
    return [a + (b - a) * i / steps for i in range(1, steps + 1)] if 0 < steps <= _LONGEST_STEP else [b]


def reached(points: np.ndarray, centers: Sequence[np.ndarray], radius: float) -> np.ndarray:
    """Which of (n, 3) points lie within so many m of one of the centres; (k,) int64, ascending."""
    at = np.array(centers)
    low, high = at.min(axis=0) - radius, at.max(axis=0) + radius
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    distance, _ = KDTree(at).query(points[near], distance_upper_bound=radius)
    return near[np.isfinite(distance)]


def paint_edit(labelled: LabelledMap, rows: np.ndarray, chosen: int, gives: str) -> Edit | None:
    """These voxels painted with what is given; None where they are that already.

    A class makes a new object, unless the chosen one is of it: then that one goes on.
    Raises CorrectionError where an object must be chosen first.
    """
    of_chosen = labelled.instance_id[rows] == chosen
    if any(one.id == chosen and one.class_name == _class_of(gives) for one in labelled.instances):
        gives = JOIN
    if gives in (JOIN, LEAVE):
        if not chosen:
            raise CorrectionError("choose an object first: click it without the brush")
        rows = rows[of_chosen if gives == LEAVE else ~of_chosen]
    if len(rows) == 0:
        return None
    ids, name = ((chosen,), "") if gives == JOIN else ((), "" if gives == LEAVE else _class_of(gives))
    return Edit("paint", ids, name, labelled.points[rows].astype(np.float64))


def _effect(id: int, gives: str) -> str:
    if gives in (JOIN, LEAVE) and not id:
        return f"{'joins' if gives == JOIN else 'leaves'} no object yet: choose one, or what the brush gives"
    return {JOIN: f"joins #{id}", LEAVE: f"leaves #{id}"}.get(gives, f"becomes a new object: {gives}")


def _class_of(gives: str) -> str:
    return UNKNOWN_NAME if gives == NONE else gives


@dataclass(frozen=True)
class Quick:
    """Classes that are given by one key. A further one takes the place of the longest unused."""

    names: tuple[str, ...]
    used: tuple[str, ...] = ()  # of the names, the last one last

    def with_used(self, name: str) -> "Quick":
        names = self.names
        if name not in names:
            idle = [other for other in names if other not in self.used] or list(self.used)
            gone = idle[-1] if idle[0] not in self.used else idle[0]
            names = tuple(name if other == gone else other for other in names)
        used = tuple(other for other in self.used if other in names and other != name)
        return Quick(names, (*used, name))
