"""Light: the sun comes in through windows alone, lamps leave what is hidden from them dark."""

import numpy as np
import pytest

from ssen_ros.labels import CLASS_NAMES
from ssen_ros.simulation import build_room
from ssen_ros.simulation.light import Lighting
from ssen_ros.simulation.scene import Scene

SEEDS = range(100, 130)
OPEN = [CLASS_NAMES.index(name) for name in ("window", "curtain")]


def floor_of(room):
    rng = np.random.default_rng(0)
    at = rng.uniform(0.1, np.array(room.size[:2]) - 0.1, (4000, 2))
    points = np.column_stack([at, np.full(len(at), 0.02)]).astype(np.float32)
    return points, np.broadcast_to(np.array((0, 0, 1), np.float32), points.shape)


def sunlit():
    """(room, its scene, its light, points that the sun reaches) of rooms in which it does."""
    for seed in SEEDS:
        room = build_room(seed)
        if not any(placed.class_id == OPEN[0] for placed in room.objects):
            continue
        scene, (points, normals) = Scene(room), floor_of(room)
        for k in range(12):
            light = Lighting(room, np.random.default_rng(k))
            rows = light._sunny(scene, points, normals) if light._sun else np.empty(0, int)
            if len(rows) > 20:
                yield scene, light, points[rows]
                break


def test_nothing_but_glass_stands_between_the_sun_and_what_it_lights():
    patches = [patch for patch, _ in zip(sunlit(), range(3))]
    assert patches
    for scene, light, points in patches:
        directions = np.ascontiguousarray(np.broadcast_to(light._to_sun, points.shape))
        triangle, _, _ = scene.cast(points, directions)
        first = scene.semantic_label[scene.owner(triangle[triangle >= 0])]
        in_the_way = np.isin(first, OPEN, invert=True) & (first >= 0)
        assert in_the_way.mean() < 0.1  # frames of neighbouring walls and things on the sill, grazed


@pytest.mark.parametrize("seed", [100, 102])
def test_light_is_finite_and_falls_below_furniture(seed):
    room = build_room(seed)
    scene, (points, normals) = Scene(room), floor_of(room)
    light = Lighting(room, np.random.default_rng(1))
    level = light.shade(scene, points, normals).mean(axis=1)
    assert np.isfinite(level).all() and (level > 0.05).all()
    covered = scene.is_blocked(points, points + np.array((0, 0, 0.9), np.float32))
    assert covered.sum() > 20
    assert np.median(level[covered]) < 0.85 * np.median(level[~covered])
