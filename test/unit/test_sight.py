"""What is carried away goes from the map when its place is looked at again, and nothing else does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros import voxel_keys
from ssen_ros.config import ClusteringConfig, SsenConfig
from ssen_ros.errors import ConfigError
from ssen_ros.forgetting import Forgetting
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.sight import BEHIND_VOXELS, REACH_M, seen_through
from ssen_ros.structures import Event, Memory
from ssen_ros.voxel_map import VoxelMap

VOXEL_SIZE = 0.05
CAMERA = np.array([0.0, 0.0, 1.0])
ROOM = (-3.0, -3.0, 0.0), (3.0, 3.0, 3.0)
CABINET = (1.4, -0.5, 1.0), (2.0, 0.1, 1.6)
LAMP = (-0.2, 1.6, 1.2), (0.3, 2.0, 1.8)
CHEST = (-1.5, -1.0, 0.0), (-1.1, 0.2, 0.6)


class Colored(Segmenting):
    """What is red is a chair, and the rest wall; an object's embedding is its place."""

    voxel_size, class_names = VOXEL_SIZE, ("wall", "chair")

    def semantic(self, snapshot, floor):
        return np.where((snapshot.colors[:, :1] > 128) == [False, True], -0.1, -6.0).astype(np.float32)

    def embed(self, snapshot, thing_rows, floor):
        return snapshot.points[thing_rows]


def view(camera, yaw, *boxes):
    """The cloud of a depth camera: where its rays meet the room's grey walls, or a red box before them."""
    turn, tilt = np.meshgrid(np.radians(np.arange(-40, 40, 0.6)) + yaw, np.radians(np.arange(-40, 40, 0.6)))
    rays = np.stack([np.cos(tilt) * np.cos(turn), np.cos(tilt) * np.sin(turn), np.sin(tilt)], -1).reshape(
        -1, 3
    )
    with np.errstate(divide="ignore"):
        sides = [(np.array(box) - camera)[:, None] / rays for box in (ROOM, *boxes)]
    depth = wall = sides[0].max(axis=0).min(axis=1)  # from the inside
    for box in sides[1:]:
        enter, leave = box.min(axis=0).max(axis=1), box.max(axis=0).min(axis=1)
        depth = np.where((enter < leave) & (enter > 0), np.minimum(depth, enter), depth)
    return camera + depth[:, None] * rays, np.where((depth < wall)[:, None], [200, 0, 0], 100).astype(
        np.uint8
    )


def map_that_sees():
    return VoxelMap(VOXEL_SIZE, "incremental", Forgetting(see_through=True))


def voxels_of(voxel_map, box):
    points, (low, high) = voxel_map.snapshot().points, np.array(box)
    return int(((points >= low - 1e-3) & (points <= high + 1e-3)).all(axis=1).sum())


def test_what_was_carried_away_goes_once_its_place_is_looked_at_again():
    voxel_map = map_that_sees()
    voxel_map.integrate(*view(CAMERA, 0.0, CABINET, LAMP), camera=CAMERA)
    voxel_map.integrate(*view(CAMERA, np.pi / 2, CABINET, LAMP), camera=CAMERA)
    before = voxels_of(voxel_map, CABINET)
    assert before > 100 and voxels_of(voxel_map, LAMP) > 100
    voxel_map.integrate(*view(CAMERA, np.pi / 2), camera=CAMERA)  # both are gone, and one is looked for
    assert (voxels_of(voxel_map, CABINET), voxels_of(voxel_map, LAMP)) == (before, 0)
    voxel_map.integrate(*view(CAMERA, 0.0), camera=CAMERA)
    assert voxels_of(voxel_map, CABINET) == 0


@settings(max_examples=10, derandomize=True)
@given(
    st.lists(st.tuples(*[st.floats(-1, 1)] * 2, st.floats(0.5, 1.5), st.floats(-np.pi, np.pi)), max_size=3),
    st.floats(0, 0.01),
    st.integers(0, 9),
)
def test_of_a_room_that_stays_as_it_is_nothing_goes(views, noise, seed):
    """Whatever the views, and with depths that are wrong by a hundredth of them."""
    sees, keeps, random = map_that_sees(), VoxelMap(VOXEL_SIZE, "incremental"), np.random.default_rng(seed)
    for *camera, yaw in views:
        camera = np.array(camera)
        points, colors = view(camera, yaw, CABINET, LAMP, CHEST)
        error = random.normal(0, noise, (len(points), 1)).clip(-2 * noise, 2 * noise)
        for voxel_map in (sees, keeps):
            voxel_map.integrate(points + error * (points - camera), colors, camera=camera)
    np.testing.assert_array_equal(sees.state.keys, keeps.state.keys)


def test_a_voxel_is_seen_through_only_where_all_rays_near_it_end_well_behind_it():
    voxel = voxel_keys.pack(np.array([[20, 0, 0]]))  # its middle is 1.025 m ahead
    y, z = (side.ravel() for side in np.meshgrid(*[np.linspace(-0.3, 0.3, 41)] * 2))
    beside = np.stack([np.ones(41**2), y, z], axis=1)

    def through(*depths, camera=(0, 0, 0), voxels=voxel):
        rays = np.concatenate([beside * (depth, depth, depth) for depth in depths])
        return seen_through(voxels, rays + camera, np.array(camera), VOXEL_SIZE).tolist()

    assert through(2.0) == [True]
    assert through(1.025 + 0.9 * BEHIND_VOXELS * VOXEL_SIZE) == [False]  # it may be what the rays met
    assert through(0.5) == [False]  # it is hidden
    assert through(2.0, 0.5) == [False]  # in part
    assert through(2.0, camera=(0, 5, 0)) == [False]  # out of view
    assert seen_through(voxel, np.empty((0, 3)), np.zeros(3), VOXEL_SIZE).tolist() == [False]
    far = voxel_keys.pack(np.array([[round(REACH_M / VOXEL_SIZE) + 1, 0, 0]]))
    assert through(9.0, voxels=far) == [False]


def test_an_object_that_was_carried_away_is_retired_at_once_and_its_id_never_given_again():
    pipeline = SsenPipeline(Colored(), SsenConfig(clustering=ClusteringConfig(min_cluster_size=20)))
    live, memory = map_that_sees(), Memory()

    def update(yaw, *boxes):
        nonlocal memory
        live.integrate(*view(CAMERA, yaw, *boxes), camera=CAMERA)
        result = pipeline.step(live.snapshot(), live.version, memory)
        memory = result.memory
        return [i.id for i in result.instances], result.events

    assert update(0.0, CABINET, LAMP) == ([1], (Event("created", 1),))
    assert update(np.pi / 2, CABINET, LAMP) == ([1, 2], (Event("created", 2),))
    assert update(np.pi / 2) == ([1], (Event("retired", 2),))  # the cabinet may hang there still
    assert update(0.0, CABINET) == ([1], ())
    assert update(0.0) == ([], (Event("retired", 1),))
    assert update(0.0, CABINET) == ([3], (Event("created", 3),))


def test_only_an_incremental_map_is_seen_through():
    with pytest.raises(ConfigError, match="map.see_through = true: .*map.mode: incremental"):
        VoxelMap(VOXEL_SIZE, "accumulated", Forgetting(see_through=True))
