"""What is refused, or made smaller, before the system has to kill somebody for memory."""

from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from ssen_ros import headroom
from ssen_ros.errors import CloudError
from ssen_ros.forgetting import Forgetting
from ssen_ros.models.tiling import run_in_parts
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.voxel_map import MapState, VoxelMap

MB = 10**6


@pytest.fixture
def free(monkeypatch):
    """free(bytes): so much is free from now on."""
    return lambda amount: monkeypatch.setattr(headroom, "free_bytes", lambda: amount)


def group(folder: Path, **files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """groups(lines of /proc/self/cgroup): the folder of all groups, on a machine that has 100 GB free."""

    def make(*lines: str) -> Path:
        (tmp_path / "own").write_text("".join(f"{line}\n" for line in lines))
        return tmp_path / "all"

    monkeypatch.setattr(headroom, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(headroom, "_ALL_GROUPS", tmp_path / "all")
    machine = psutil.virtual_memory()._replace(available=100_000 * MB, total=100_000 * MB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    return make


def test_of_all_groups_around_the_process_the_tightest_counts(groups):
    root = groups("0::/robot/ssen")
    assert headroom.free_bytes() == 95_000 * MB, "without a limit, that of the machine less the reserve"
    group(root / "robot/ssen", memory__max="max", memory__current=300 * MB, memory__stat="inactive_file 0")
    assert headroom.free_bytes() == 95_000 * MB
    stat = f"anon 5\ninactive_file {200 * MB}\nactive_file 7"
    group(root / "robot", memory__max=1000 * MB, memory__current=700 * MB, memory__stat=stat)
    assert headroom.free_bytes() == pytest.approx((950 - 700 + 200) * MB)
    group(root, memory__max=500 * MB, memory__current=700 * MB, memory__stat="anon 1")
    assert headroom.free_bytes() == pytest.approx((475 - 700) * MB)


def test_groups_of_version_1_count_and_other_controllers_do_not(groups):
    root = groups("7:cpu,cpuacct:/a", "4:memory:/not/seen/from/inside", "0::/")
    files = dict(memory__usage_in_bytes=400 * MB, memory__stat=f"total_inactive_file {50 * MB}")
    group(root / "memory", memory__limit_in_bytes=1000 * MB, **files)
    group(root / "cpu,cpuacct/a", memory__limit_in_bytes=1 * MB, **files)
    assert headroom.free_bytes() == pytest.approx((950 - 400 + 50) * MB)


def test_where_there_are_no_groups_the_machine_counts(groups):
    assert headroom.free_bytes() == 95_000 * MB


def test_what_is_needed_and_not_there_is_told(free):
    free(300 * MB)
    headroom.require(300 * MB, "a thing")
    with pytest.raises(
        MemoryError, match=r"a thing needs about 301 MB, 300 MB are free beside a reserve of 5 %"
    ):
        headroom.require(301 * MB, "a thing")
    free(-50 * MB)
    headroom.require(1 * MB, "a little thing")  # so little that it makes no difference
    with pytest.raises(MemoryError, match=" 0 MB are free"):
        headroom.require(100 * MB, "a thing")


def test_a_cloud_for_which_there_is_no_memory_leaves_the_map_as_it_was(free):
    voxel_map, rng = VoxelMap(0.1), np.random.default_rng(0)
    points = rng.random((400_000, 3), dtype=np.float32)
    colors = np.zeros(points.shape, np.uint8)
    voxel_map.integrate(points[:10], colors[:10])
    before = voxel_map.state
    free(40 * MB)
    with pytest.raises(MemoryError, match="a cloud of 400,000 points needs about 52 MB, 40 MB are free"):
        voxel_map.integrate(points, colors)
    assert voxel_map.state is before
    voxel_map.integrate(points[:1000], colors[:1000])
    assert voxel_map.version == 2
    large = np.arange(3_000_000)
    voxel_map.restore(MapState(large, large, voxels=len(large) // 8))
    with pytest.raises(MemoryError, match="a cloud of 10 points needs about 48 MB"):  # for the map is copied
        voxel_map.integrate(points[:10], colors[:10])


def test_a_network_that_would_not_fit_is_not_even_tried_on_the_whole_map(free):
    sizes = []

    def network(features, coords):
        sizes.append(len(coords))
        return features * 2

    features = torch.arange(100.0)[:, None]
    coords = torch.zeros(100, 4, dtype=torch.long)
    coords[:, 1] = torch.arange(100)
    free(60 * MB)
    answer = run_in_parts(network, features, coords, 5, bytes_per_voxel=1 * MB)
    assert sizes == [55, 55] and torch.equal(answer, features * 2)
    free(30 * MB)  # of 35 voxels, 20 in the middle and all that they see on both sides, still too many
    with pytest.raises(MemoryError, match="a network over"):
        run_in_parts(network, features, coords, 20, bytes_per_voxel=1 * MB)


class Stub(Segmenting):
    class_names = ("wall", "chair")
    voxel_size = 0.1

    def semantic(self, snapshot, floor):
        return np.zeros((len(snapshot), 2), np.float32)

    def embed(self, snapshot, thing_rows, floor):
        return np.zeros((len(thing_rows), 3), np.float32)


def test_a_pass_for_which_there_is_no_memory_is_not_begun(free):
    voxel_map = VoxelMap(0.1)
    points = np.stack(np.meshgrid(*[np.arange(50)] * 3), -1).reshape(-1, 3) * np.float32(0.1) + np.float32(
        0.05
    )
    voxel_map.integrate(points, np.zeros(points.shape, np.uint8))
    free(35 * MB)
    with pytest.raises(MemoryError, match="a pass over 125,000 voxels needs about 50 MB"):
        SsenPipeline(Stub()).step(voxel_map.snapshot(), 0)


def test_a_full_map_is_updated_where_it_is_known_and_does_not_grow():
    def cloud(first, last, color):
        points = np.zeros((last - first, 3), np.float32)
        points[:, 0] = np.arange(first, last) * 0.1 + 0.05
        return points, np.full(points.shape, color, np.uint8)

    voxel_map = VoxelMap(0.1, "incremental", max_voxels=1000)
    voxel_map.integrate(*cloud(0, 900, 200))
    assert not voxel_map.full
    change = voxel_map.integrate(*cloud(800, 1100, 100))
    assert voxel_map.full and len(voxel_map) == 900 and len(change.new) == 0 and len(change.changed) == 100
    assert voxel_map.snapshot().colors[:, 0].tolist() == [200] * 800 + [100] * 100
    voxel_map.integrate(*cloud(850, 1000, 50))
    assert not voxel_map.full and len(voxel_map) == 1000, "what there is room for comes in"
    with pytest.raises(CloudError, match="1,001 voxels: expected 1,000 at most.*map.max_voxels"):
        voxel_map.integrate(*cloud(0, 1001, 0), restart=True)
    assert len(voxel_map) == 1000
    other = VoxelMap(0.1)
    other.integrate(*cloud(0, 1001, 0))
    with pytest.raises(CloudError, match="map.max_voxels"):
        voxel_map.restore(other.state)
    assert len(voxel_map) == 1000


def test_a_full_map_that_forgets_has_room_again():
    def cloud(first, last):
        points = np.zeros((last - first, 3), np.float32)
        points[:, 0] = np.arange(first, last) * 0.1 + 0.05
        return points, np.zeros(points.shape, np.uint8)

    voxel_map = VoxelMap(0.1, "incremental", Forgetting(decay_s=10.0), max_voxels=100)
    voxel_map.integrate(*cloud(0, 80), stamp_ns=10**9)
    voxel_map.integrate(*cloud(60, 110), stamp_ns=5 * 10**9)
    assert voxel_map.full and len(voxel_map) == 80
    voxel_map.integrate(*cloud(200, 270), stamp_ns=12 * 10**9)
    assert not voxel_map.full and len(voxel_map) == 90, "of the first cloud, what the second one saw again"
    state = voxel_map.state
    assert np.array_equal(state.seen.voxels, np.unique(state.keys >> 3)) and state.voxels == 90
