"""Maps as files: what is read is what was written, nothing else is read, and nothing outside is touched."""

from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.config import InstancesConfig
from ssen_ros.errors import MapFileError
from ssen_ros.fusion import fuse
from ssen_ros.instances import label, update
from ssen_ros.io import saved_map as saved_map_module
from ssen_ros.io.clouds import read_cloud
from ssen_ros.io.saved_map import SavedMap, read_map, resolve_below, write_map
from ssen_ros.labels import CLASS_NAMES, NUM_CLASSES
from ssen_ros.structures import Box, Detection, Floor, Instance, Memory
from ssen_ros.voxel_map import VoxelMap


def voxel_map(seed=0, count=500):
    rng = np.random.default_rng(seed)
    made = VoxelMap(0.1)
    points = rng.normal(size=(count, 3)).astype(np.float32)
    made.integrate(points, rng.integers(0, 256, (count, 3), dtype=np.uint8))
    return made


def detections(snapshot, parts):
    votes = np.where(np.arange(NUM_CLASSES) < 2, -np.inf, -1.0)
    return [
        Detection(
            4,
            0.5,
            votes,
            Box(np.full(3, k), np.ones(3), 0.1 * k),
            np.full(3, 2.0 * k),
            rows,
            snapshot.keys[rows],
        )
        for k, rows in enumerate(np.array_split(np.arange(len(snapshot)), parts) if parts else [])
        if len(rows)
    ]


def saved_map(seed=0, count=500, parts=3):
    made = voxel_map(seed, count)
    memory, _ = updated(Memory(), made.snapshot(), parts, stamp_ns=5)
    memory = replace(
        memory, floor=Floor(-0.25, True), heading=0.3, exposure=-70, evidence=fused(None, made.snapshot())
    )
    return SavedMap("map", 5, 0.1, CLASS_NAMES, made.state, memory)


def fused(evidence, snapshot, seed=0):
    """After one pass more, whose answers are drawn."""
    answer = np.random.default_rng(seed).dirichlet(np.ones(NUM_CLASSES), len(snapshot))
    return fuse(evidence, snapshot, np.log(answer + 1e-6).astype(np.float32), 0.5, 4).evidence


def test_what_the_passes_have_said_goes_on_after_loading(tmp_path):
    made = voxel_map()
    straight = fused(fused(None, made.snapshot()), made.snapshot(), seed=1)
    straight = fused(replace(straight, quiet=True), made.snapshot(), seed=2)
    path = tmp_path / "a.npz"
    write_map(path, SavedMap("map", 5, 0.1, CLASS_NAMES, made.state, Memory(evidence=straight)))
    loaded = read_map(path).memory.evidence
    for seed in (3, 4):
        assert (loaded.passes, loaded.settled, loaded.quiet) == (seed - 2, False, False)
        for name in ("keys", "points", "colors", "mean", "label", "meanwhile", "told", "doubts"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(straight, name), strict=True)
        straight, loaded = (
            fused(replace(one, quiet=True), made.snapshot(), seed) for one in (straight, loaded)
        )


def updated(memory, snapshot, parts, stamp_ns):
    return update(
        memory, detections(snapshot, parts), snapshot, stamp_ns, CLASS_NAMES, InstancesConfig(max_missed=1)
    )


@given(st.integers(0, 1000), st.integers(0, 60), st.integers(1, 5))
def test_what_is_read_is_what_was_written(tmp_path_factory, seed, count, parts):
    saved = saved_map(seed, count, parts)
    path = tmp_path_factory.mktemp("maps") / "a.npz"
    write_map(path, saved)
    read = read_map(path)
    np.testing.assert_equal(read.state.keys, saved.state.keys)
    np.testing.assert_equal(read.state.ranks, saved.state.ranks)
    assert read.state.voxels == saved.state.voxels
    assert (read.frame_id, read.stamp_ns, read.voxel_size) == ("map", 5, 0.1)
    assert read.class_names == CLASS_NAMES and read.memory.next_id == saved.memory.next_id
    assert read.memory.floor == saved.memory.floor
    for mine, theirs in zip(read.memory.known, saved.memory.known, strict=True):
        np.testing.assert_equal(asdict(mine), asdict(theirs))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.data())
def test_a_map_saved_and_loaded_in_mid_stream_changes_nothing_after_it(tmp_path_factory, stream, data):
    """Each update finds another number of objects: they are continued, split, missed, merged, retired."""
    made = voxel_map(count=60)
    interrupted = data.draw(st.integers(0, len(stream) - 1))
    path = tmp_path_factory.mktemp("maps") / "a.npz"
    straight = loaded = Memory()
    for stamp_ns, parts in enumerate(stream):
        if stamp_ns == interrupted:
            write_map(path, SavedMap("map", stamp_ns, 0.1, CLASS_NAMES, made.state, loaded))
            loaded = read_map(path).memory
        straight, told = updated(straight, made.snapshot(), parts, stamp_ns)
        loaded, told_after_loading = updated(loaded, made.snapshot(), parts, stamp_ns)
        assert told == told_after_loading
        np.testing.assert_equal(asdict(loaded), asdict(straight))


def test_a_fact_that_an_older_file_lacks_takes_its_default(tmp_path, monkeypatch):
    """As it will be once an instance has one more."""

    @dataclass(frozen=True)
    class Richer(Instance):
        speed_m_s: float = 0.0

    path = tmp_path / "a.npz"
    write_map(path, saved_map())
    monkeypatch.setattr(saved_map_module, "Instance", Richer)
    stored = [f for f in fields(Richer) if f in saved_map_module._STORED or f.name == "speed_m_s"]
    monkeypatch.setattr(saved_map_module, "_STORED", stored)
    read = read_map(path)
    assert [k.instance.speed_m_s for k in read.memory.known] == [0.0] * 3
    memory = replace(read.memory, known=tuple(faster(k, 0.5) for k in read.memory.known))
    write_map(path, replace(read, memory=memory), overwrite=True)
    assert [k.instance.speed_m_s for k in read_map(path).memory.known] == [0.5] * 3


def faster(known, speed_m_s):
    return replace(known, instance=replace(known.instance, speed_m_s=speed_m_s))


def test_a_restored_map_is_the_map_and_goes_on_with_its_ids():
    saved = saved_map()
    restored = VoxelMap(0.1, "incremental")
    restored.integrate(np.full((1, 3), 9.0), np.zeros((1, 3), np.uint8))
    version = restored.version
    restored.restore(saved.state)
    assert restored.version == version + 1 and len(restored) == saved.state.voxels
    np.testing.assert_equal(restored.snapshot().points, voxel_map().snapshot().points)
    np.testing.assert_equal(restored.snapshot().colors, voxel_map().snapshot().colors)

    memory = Memory(next_id=11).begin(saved.memory)  # ten ids were given before
    assert memory.floor == saved.memory.floor
    memory, events = updated(memory, restored.snapshot(), 3, stamp_ns=9)
    assert [instance.id for instance in memory.instances] == [1, 2, 3]
    assert [(event.kind, event.id) for event in events] == [("created", id) for id in (1, 2, 3)]
    assert [instance.first_seen_ns for instance in memory.instances] == [5, 5, 5]
    assert memory.next_id == 11


def test_a_file_is_replaced_only_when_asked_and_whole(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "a.npz"
    write_map(path, saved_map(parts=1))
    before = path.read_bytes()
    with pytest.raises(MapFileError, match="overwrite"):
        write_map(path, saved_map(parts=2))
    assert path.read_bytes() == before

    def full(file, arrays):
        file.write(b"half of it")
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("ssen_ros.io.saved_map.write_npz", full)
        with pytest.raises(MapFileError, match="no space left"):
            write_map(path, saved_map(parts=2), overwrite=True)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    write_map(path, saved_map(parts=2), overwrite=True)
    assert len(read_map(path).memory.known) == 2


def test_a_file_of_the_first_format_is_read(tmp_path):
    path, saved = tmp_path / "a.npz", saved_map()
    write_map(path, saved)
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **arrays | {"format": np.array(1), "keys": saved.state.keys})
    read = read_map(path)
    np.testing.assert_equal(read.state.keys, saved.state.keys)
    assert read.state.voxels == saved.state.voxels and len(read.memory.known) == 3


def damaged(arrays, name):
    """The arrays of a file with something wrong in them."""
    changes = {
        "format": {"format": np.array(3)},
        "descending": {"keys": np.diff(np.cumsum(arrays["keys"])[::-1], prepend=0)},
        "short": {"ranks": arrays["ranks"][:-1]},
        "floats": {"ranks": arrays["ranks"].astype(float)},
        "twice": {"id": np.array([1, 1, 2])},
        "nan": {"box_center": np.full((3, 3), np.nan)},
        "classes": {"votes": arrays["votes"][:, :-1]},
        "pickled": {"frame_id": np.array([{}], dtype=object)},
        "lost": {"voxels_end": arrays["voxels_end"][:-1]},
        "far": {"voxels": arrays["voxels"] + 2**60},
        "early": {"stamp_ns": np.array(-1)},
        "late": {"last_seen_ns": arrays["last_seen_ns"] + 2**31 * 10**9},
    }
    return {**arrays, **changes[name]}


@pytest.mark.parametrize(
    "name",
    ["format", "descending", "short", "floats", "twice", "nan", "classes", "pickled", "lost", "far", "early"]
    + ["late"],
)
def test_a_file_that_is_wrong_inside_is_refused(tmp_path, name):
    path = tmp_path / "a.npz"
    write_map(path, saved_map())
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **damaged(arrays, name))
    with pytest.raises(MapFileError, match=str(path)):
        read_map(path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_what_is_no_map_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(MapFileError, match="no map that save_map wrote"):
        read_map(tmp_path / "a.npz")


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(tmp_path, cut):
    path = tmp_path / "a.npz"
    write_map(path, saved_map())
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(MapFileError):
        read_map(path)


def test_a_missing_file_is_named_with_those_that_are_there(tmp_path):
    write_map(tmp_path / "kitchen.npz", saved_map())
    with pytest.raises(MapFileError, match="garage.*kitchen"):
        read_map(tmp_path / "garage.npz")


def test_a_map_of_other_networks_is_refused():
    saved = saved_map()
    saved.check_fits(0.1, CLASS_NAMES)
    with pytest.raises(MapFileError, match="0.1 m.*0.05 m"):
        saved.check_fits(0.05, CLASS_NAMES)
    with pytest.raises(MapFileError, match="shoe"):
        saved.check_fits(0.1, ("shoe",))


@pytest.mark.parametrize("name", ["kitchen", "kitchen.npz", "home/kitchen", "home/../kitchen", "kitchen.v2"])
def test_names_below_the_directory_are_files_in_it(tmp_path, name):
    path = resolve_below(str(tmp_path), name)
    assert path.is_relative_to(tmp_path.resolve()) and path.suffix == ".npz"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../kitchen", "home/../../kitchen", "/etc/kitchen", "link/kitchen", "home/", "a\0b"]
    + ["garage", "garage.npz", "a\n"],
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    root = tmp_path / "maps"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "garage.npz").symlink_to(tmp_path / "garage.npz")
    with pytest.raises(MapFileError, match="below"):
        resolve_below(str(root), name)


def test_without_a_directory_there_are_no_files():
    with pytest.raises(MapFileError, match="map_directory"):
        resolve_below("", "kitchen")


@given(st.integers(0, 1000), st.integers(1, 60), st.sampled_from([1.0, 1000.0]))
def test_a_saved_map_is_a_cloud_of_the_same_map(tmp_path_factory, seed, count, extent):
    rng = np.random.default_rng(seed)
    made, again = VoxelMap(0.1), VoxelMap(0.1)
    points = rng.uniform(-extent, extent, (count, 3)).astype(np.float32)
    made.integrate(points, rng.integers(0, 256, (count, 3), dtype=np.uint8))
    path = tmp_path_factory.mktemp("maps") / "a.npz"
    write_map(path, SavedMap("odom", 7, 0.1, CLASS_NAMES, made.state, Memory()))
    cloud = read_cloud(path)
    assert (cloud.frame_id, cloud.stamp_ns) == ("odom", 7)
    again.integrate(cloud.points, cloud.colors)
    if extent == 1.0:  # far out float32 rounds by more than the steps in which a place is kept
        np.testing.assert_equal(again.state.ranks, made.state.ranks)
    np.testing.assert_equal(again.state.keys, made.state.keys)
    np.testing.assert_equal(again.snapshot().colors, made.snapshot().colors)


def test_a_damaged_map_is_no_cloud_either(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, ranks=np.zeros(3, np.int64), format=np.array(1))
    with pytest.raises(MapFileError, match="a.npz is damaged"):
        read_cloud(path)


IMPOSSIBLE = {
    "id": [2**31, 2**40, -1, 0],
    "next_id": [0, -5, 2**31, 2**62],
    "score": [-0.1, 1.5, np.inf],
    "missed": [-1, 2**40],
    "votes": [np.inf, 1e6],
    "centroid": [1e30, -np.inf],
    "box_center": [1e30],
    "box_size": [-1.0, np.inf],
    "box_yaw": [-1.0, 100.0],
    "voxels_end": [0, 10**9, -1],
    "ranks": [0, -1, 2**63 - 1],
    "floor_height": [1e30],
    "heading": [4.0, -np.inf],
    "exposure": [256, -1000],
    "frame_id": ["a\nb", "x" * 5000],
    "first_seen_ns": [6],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in IMPOSSIBLE.items() for v in values])
def test_what_no_node_could_have_written_is_refused(tmp_path, name, value):
    write_map(tmp_path / "a.npz", saved_map())
    with np.load(tmp_path / "a.npz") as archive:
        arrays = dict(archive)
    changed = np.array(value) if arrays[name].ndim == 0 else arrays[name].copy()
    if changed.ndim:
        changed[0] = value
    np.savez(tmp_path / "b.npz", **(arrays | {name: changed}))
    with pytest.raises(MapFileError):
        read_map(tmp_path / "b.npz")


@given(seed=st.integers(0, 10_000))
def test_nothing_that_is_loaded_breaks_the_passes_after_it(tmp_path_factory, seed):
    """Whatever numbers stand in a file: it is refused, or the next passes go on with it."""
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("maps")
    write_map(folder / "a.npz", saved_map(count=60))
    with np.load(folder / "a.npz") as archive:
        arrays = dict(archive)
    name = str(rng.choice([n for n, a in arrays.items() if a.dtype.kind in "iufb" and a.size]))
    changed = arrays[name].copy()
    strange = [0, 1, -1, 2, 7, 2**31, 2**62, -(2**62), np.nan, np.inf, -np.inf, 1e300, 0.5, rng.normal()]
    with np.errstate(invalid="ignore", over="ignore"):
        changed.flat[rng.integers(changed.size)] = np.array(strange[rng.integers(len(strange))]).astype(
            changed.dtype
        )
    np.savez(folder / "b.npz", **(arrays | {name: changed}))
    try:
        read = read_map(folder / "b.npz")
    except MapFileError:
        return
    restored = VoxelMap(0.1)
    restored.restore(read.state)
    memory = Memory().begin(read.memory)
    for stamp_ns in (6, 7):
        snapshot = restored.snapshot()
        memory, _ = updated(memory, snapshot, 3, stamp_ns)
        memory = replace(memory, evidence=fused(memory.evidence, snapshot, stamp_ns))
        ids = [known.id for known in memory.known]
        assert len(set(ids)) == len(ids) and max(ids) < memory.next_id < 2**31
        assert label(snapshot.keys, memory.known).max() <= max(ids)
    write_map(folder / "c.npz", replace(read, memory=memory))
    read_map(folder / "c.npz")
