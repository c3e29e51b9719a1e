"""The object head: what it reads of a cluster, its file, and what detections make of its answer."""

import json

import numpy as np
import pytest

from ssen_ros.boxes import fit_box
from ssen_ros.config import InstancesConfig
from ssen_ros.errors import CheckpointError
from ssen_ros.instances import describe, detect, update
from ssen_ros.labels import UNKNOWN_NAME
from ssen_ros.models import load_checkpoint
from ssen_ros.models.head_file import load_head, save_head
from ssen_ros.network_spec import shipped_weights
from ssen_ros.object_head import ObjectHead, cluster_features
from ssen_ros.segmenter import Segmenter
from ssen_ros.structures import Clusters, Memory, Segmentation, VoxelSnapshot

NAMES = ("floor", "chair", "table", UNKNOWN_NAME)
CHAIR, TABLE, NAMELESS = 1, 2, 3
FEATURES = 2 * len(NAMES) + 25
LENGTH = 2 * len(NAMES)  # the feature: m


def solid(size, at=(0, 0, 0), voxel=0.1) -> VoxelSnapshot:
    """All voxels of a block of so many along x, y, z."""
    coords = (np.mgrid[tuple(slice(0, n) for n in size)].reshape(3, -1).T + at).astype(np.int32)
    coords = coords[np.lexsort(coords.T[::-1])]
    points = ((coords + 0.5) * voxel).astype(np.float32)
    return VoxelSnapshot(coords, points, np.zeros(coords.shape, np.uint8), voxel)


def votes_of(snapshot: VoxelSnapshot, shares=(0.1, 0.5, 0.3, 0.1)) -> np.ndarray:
    return np.tile(np.log(np.array(shares, np.float32)), (len(snapshot), 1))


def features(snapshot: VoxelSnapshot, floor: float = 0.0, adopted: float = 0.0, **votes) -> np.ndarray:
    box = fit_box(snapshot.points)
    return cluster_features(
        snapshot, votes_of(snapshot, **votes), np.arange(len(snapshot)), box, floor, adopted
    )


def head(chair_up_to: float = 1.0, whole: float = 2.0) -> ObjectHead:
    """Says chair of what is shorter than this, m, and table of what is longer."""
    hidden = np.zeros((FEATURES + 1, 2))
    hidden[LENGTH], hidden[-1] = (1, -1), (-chair_up_to, chair_up_to)
    out = np.zeros((3, len(NAMES) + 1))
    out[0, TABLE], out[1, CHAIR], out[2, -1] = 20, 20, whole  # added to the votes
    return ObjectHead(NAMES, np.zeros(FEATURES), np.ones(FEATURES), hidden, out)


def test_the_features_of_a_block():
    """1.9 m long from middle to middle, 0.4 wide, 0.2 high, 20 x 5 x 3 voxels of 0.1 m."""
    values = features(solid((20, 5, 3)), floor=-0.31, adopted=0.25)
    assert values.shape == (FEATURES,)
    np.testing.assert_allclose(values[:4], np.log([0.1, 0.5, 0.3, 0.1]), rtol=1e-6)
    np.testing.assert_allclose(values[4:8], [0.1, 0.5, 0.3, 0.1], rtol=1e-6)
    np.testing.assert_allclose(values[8:11], [1.9, 0.4, 0.2], rtol=1e-5)
    np.testing.assert_allclose(values[11:14], np.log([1.9, 0.4, 0.2]), rtol=1e-4)
    assert values[14] == pytest.approx(np.log(0.4 / 1.9), rel=1e-5)
    assert values[15] == pytest.approx(np.log(300 * 0.01))
    assert values[17] == pytest.approx(100 * 0.01 / (1.9 * 0.4), rel=1e-5)
    assert values[18] == 0.25
    np.testing.assert_allclose(values[[19, 21, 23]], [0.36, 0.46, 0.56], atol=1e-6)  # lowest, middle, highest
    np.testing.assert_allclose(values[24:], [0, 0, 2 / 3, 1 / 3, 0, 0, 0, 0, 0], atol=1e-9)


def test_features_hold_wherever_the_map_lies_and_however_it_is_turned():
    lying = features(solid((12, 4, 6)), floor=0.02)
    moved = features(solid((12, 4, 6), at=(-70, 30, 10)), floor=1.02)
    turned = features(solid((4, 12, 6)), floor=0.02)
    np.testing.assert_allclose(moved, lying, atol=1e-4)
    np.testing.assert_allclose(turned, lying, atol=1e-4)


def test_one_sure_voxel_is_no_veto_and_one_voxel_is_a_cluster():
    values = features(solid((1, 1, 1)), shares=(1e-12, 1.0, 1e-12, 1e-12))
    assert values[0] == pytest.approx(np.log(0.01)) and np.isfinite(values).all()


def test_a_file_gives_the_head_back(tmp_path):
    one, path = head(), tmp_path / "object.safetensors"
    save_head(path, one, {"rooms": "none"})
    again = load_head(path)
    for value in (features(solid((5, 2, 2))), features(solid((30, 2, 2)))):
        seen, whole = again(value)
        np.testing.assert_allclose(seen, one(value)[0], rtol=1e-5)
        assert whole == pytest.approx(one(value)[1]) and np.exp(seen).sum() == pytest.approx(1)


def test_networks_without_a_head_or_with_one_for_other_classes_go_by_votes(tmp_path):
    """As those that were taught a class of the user's own."""
    assert load_head(tmp_path / "none.safetensors") is None
    networks = [load_checkpoint(shipped_weights(task)) for task in ("semantic", "embedding")]
    names = networks[0].spec.class_names
    width = 2 * len(names) + 25
    flat = np.zeros(width), np.ones(width), np.zeros((width + 1, 1)), np.zeros((2, len(names) + 1))
    fitting, other = ObjectHead(names, *flat), head()
    assert Segmenter(*networks, object_head=fitting).object_head is fitting
    assert Segmenter(*networks, object_head=other).object_head is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(class_names=NAMES[:2]), "'mean' is"),
        (dict(mean=np.zeros(3)), r"'mean' is \(3,\), expected"),
        (dict(out=np.full((3, 5), np.nan)), "'out' has values that are not finite"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(change, message, tmp_path):
    values = {**vars(head()), **change}
    save_head(tmp_path / "o.safetensors", ObjectHead(**values), {})
    with pytest.raises(CheckpointError, match=message):
        load_head(tmp_path / "o.safetensors")


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "names no task"),
        ({"task": "semantic", "class_names": ["a"]}, "expected one for 'object'"),
        ({"task": "object", "class_names": ["a"]}, "tensor 'mean' is missing"),
    ],
)
def test_a_file_of_another_kind_is_refused(about, message, tmp_path):
    from safetensors.numpy import save_file

    metadata = {} if about is None else {"ssen": json.dumps(about)}
    save_file({"x": np.zeros(1, np.float32)}, tmp_path / "o.safetensors", metadata)
    with pytest.raises(CheckpointError, match=message):
        load_head(tmp_path / "o.safetensors")


# --- what detections make of it --------------------------------------------------------------------


def seen(snapshot: VoxelSnapshot) -> tuple[Segmentation, Clusters]:
    rows = np.arange(len(snapshot))
    embeddings = np.zeros((len(rows), 2), np.float32)
    segmentation = Segmentation(votes_of(snapshot), np.full(len(rows), CHAIR, np.int32), rows, embeddings)
    return segmentation, Clusters(np.zeros(len(rows), np.int32), rows < 0, np.ones(len(rows), np.float32))


def test_the_head_outvotes_the_voxels():
    thing = np.array([name != "floor" for name in NAMES])
    for length, class_id in ((5, CHAIR), (30, TABLE)):
        snapshot = solid((length, 2, 2))
        rows = np.arange(len(snapshot))
        found = detect(snapshot, votes_of(snapshot), rows, thing, None, head())
        answer, whole = head()(features(snapshot))
        assert found.class_id == class_id
        assert found.score == pytest.approx(np.exp(answer[class_id]) * whole)
        assert found.class_log_votes[0] == -np.inf
        assert found.class_log_votes[class_id] == pytest.approx(answer[class_id] * len(rows))
        assert found.class_log_votes[3 - class_id] >= np.log(0.01) * len(rows) - 1e-9  # no veto either


def test_a_thing_of_no_class_is_whole():
    """In no training room does anything say where it ends."""
    nameless = head(whole=-5.0)
    nameless.out[:, NAMELESS] = 20
    snapshot = solid((30, 2, 2))
    thing = np.array([name != "floor" for name in NAMES])
    found = detect(snapshot, votes_of(snapshot), np.arange(len(snapshot)), thing, None, nameless)
    assert found.class_id == NAMELESS and found.score > 0.9


def test_a_cluster_is_read_anew_by_another_head_or_from_another_floor():
    snapshot = solid((30, 2, 2))
    segmentation, clusters = seen(snapshot)
    one, other = head(), head(chair_up_to=9.0)
    first = describe(snapshot, segmentation, clusters, NAMES, None, one, 0.0)
    assert describe(snapshot, segmentation, clusters, NAMES, first, one, 0.0).detections[0].box is (
        first.detections[0].box
    )
    for changed in ((one, 0.5), (other, 0.0), (None, 0.0)):
        again = describe(snapshot, segmentation, clusters, NAMES, first, *changed).detections[0]
        assert again.box is not first.detections[0].box
    assert (
        describe(snapshot, segmentation, clusters, NAMES, first, other, 0.0).detections[0].class_id == CHAIR
    )


def test_an_object_that_grows_into_another_class_is_renamed():
    """Its votes are of the whole of it, so the last sight of it counts as much as all that went before."""
    memory = Memory()
    for length in (5, 5, 30, 30):
        snapshot = solid((length, 2, 2))
        described = describe(snapshot, *seen(snapshot), NAMES, None, head(), 0.0)
        memory, _ = update(memory, described.detections, snapshot, 0, NAMES, InstancesConfig())
    (known,) = memory.known
    assert (known.id, known.instance.class_name) == (1, "table")
