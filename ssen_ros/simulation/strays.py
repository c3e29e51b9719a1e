"""Points below the floor, as glossy floors and drift leave them in real maps: no surface, no label."""

from dataclasses import dataclass, replace

import numpy as np

from ssen_ros.labels import IGNORE_INDEX
from ssen_ros.simulation.camera import Frame
from ssen_ros.simulation.recipe import Recipe

_LOW, _HIGH = 0.2, 1.2  # m below the floor


@dataclass(frozen=True)
class Strays:
    """How many a room's map has, and of what sort."""

    share: float  # of the voxels of the map
    mirrored: bool  # images of what stands above; else anywhere below what is seen

    @classmethod
    def of(cls, seed: int) -> "Strays":
        """None in plain rooms and half of the varied; else a thousandth to three hundredths of the voxels."""
        rng = np.random.default_rng((24, seed))
        if Recipe.of(seed) is Recipe.PLAIN or rng.random() < 0.5:
            return cls(0.0, False)
        return cls(float(np.exp(rng.uniform(np.log(0.001), np.log(0.03)))), bool(rng.random() < 0.5))

    def of_frame(self, frame: Frame, new_voxels: int, copies: int, rng: np.random.Generator) -> Frame:
        """What strays from a frame that adds so many voxels to the map; map frame, its floor near z = 0.

        Each comes `copies` times, so that no filter of noise takes it away.
        """
        z = frame.points[:, 2]
        source = np.flatnonzero((z > _LOW) & (z < _HIGH)) if self.mirrored else np.arange(len(z))
        count = min(int(rng.poisson(self.share * new_voxels)), len(source))
        rows = rng.choice(source, count, replace=False)
        points = frame.points[rows]
        points[:, 2] = -points[:, 2] if self.mirrored else -rng.uniform(_LOW, _HIGH, count)
        return replace(
            frame,
            points=np.repeat(points, copies, axis=0),
            colors=np.repeat(frame.colors[rows], copies, axis=0),
            semantic_label=np.full(count * copies, IGNORE_INDEX, np.int8),
            instance_label=np.full(count * copies, IGNORE_INDEX, np.int16),
        )
