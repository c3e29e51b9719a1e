"""What an incremental map forgets: voxels not seen again for long, seen through, or far from the robot."""

from dataclasses import dataclass, field

import numpy as np

from ssen_ros import sight, voxel_keys
from ssen_ros.stamps import SECOND_NS


@dataclass(frozen=True)
class Sightings:
    """When the voxels of a map were last seen."""

    voxels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (V,) keys, ascending, unique
    stamps_ns: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (V,); 0: not known
    newest_ns: int = 0  # of all clouds; 0: none had a stamp

    @classmethod
    def unknown(cls, voxels: np.ndarray) -> "Sightings":
        """Of (V,) ascending keys, such as those of a loaded map: their time begins with the next cloud."""
        return cls(voxels, np.zeros(len(voxels), np.int64))

    def at(self, stamp_ns: int) -> "Sightings":
        """The same voxels when a cloud of that stamp comes; a late one, or one without, comes at once."""
        now_ns = max(self.newest_ns, stamp_ns)
        return Sightings(self.voxels, np.where(self.stamps_ns == 0, now_ns, self.stamps_ns), now_ns)

    def where(self, kept: np.ndarray) -> "Sightings":
        """Those of a (V,) mask."""
        return Sightings(self.voxels[kept], self.stamps_ns[kept], self.newest_ns)

    def again(self, voxels: np.ndarray) -> "Sightings":
        """These and the (n,) ascending keys of `voxels`, which are seen now."""
        row = voxel_keys.find(self.voxels, voxels)
        stamps_ns = self.stamps_ns.copy()
        stamps_ns[row[row >= 0]] = self.newest_ns
        new = voxels[row < 0]
        place = np.searchsorted(self.voxels, new)
        return Sightings(
            np.insert(self.voxels, place, new), np.insert(stamps_ns, place, self.newest_ns), self.newest_ns
        )


@dataclass(frozen=True)
class Forgetting:
    """The rule; by default nothing is forgotten."""

    decay_s: float = 0.0  # a voxel is kept so long after the last cloud that had a point in it; 0: for ever
    box_m: float = 0.0  # side of a cube around the robot, along the axes of the map; 0: everywhere
    see_through: bool = False  # what a cloud looks through is no longer there

    def __bool__(self) -> bool:
        return bool(self.decay_s or self.box_m or self.see_through)

    def recent(self, seen: Sightings) -> np.ndarray:
        """(V,) bool: seen at most `decay_s` before the newest cloud."""
        if not self.decay_s:
            return np.ones(len(seen.voxels), bool)
        return seen.newest_ns - seen.stamps_ns <= round(self.decay_s * SECOND_NS)

    def near(self, voxels: np.ndarray, robot: np.ndarray | None, voxel_size: float) -> np.ndarray:
        """(n,) bool of (n,) voxel keys: their middle lies in the box around `robot` (3,), m, map frame.

        All do where nobody knows where the robot is.
        """
        if not self.box_m or robot is None:
            return np.ones(len(voxels), bool)
        middle = (voxel_keys.unpack(voxels) + 0.5) * voxel_size
        return np.all(np.abs(middle - robot) <= self.box_m / 2, axis=1)

    def standing(
        self, voxels: np.ndarray, points: np.ndarray, camera: np.ndarray | None, voxel_size: float
    ) -> np.ndarray:
        """(n,) bool of (n,) ascending voxel keys: the (N, 3) points of a cloud, m, do not lie behind it.

        All do where nobody knows from where the cloud was seen; `camera` is (3,) m, map frame.
        """
        if not self.see_through or camera is None:
            return np.ones(len(voxels), bool)
        return ~sight.seen_through(voxels, points, camera, voxel_size)


NEVER = Forgetting()
