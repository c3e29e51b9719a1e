import json

import numpy as np
import pytest
from PIL import Image

from ssen_ros.errors import MapFileError
from ssen_ros.io.clouds import read_cloud, read_ply_vertices
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pictures.shot import PANEL_WIDTH
from ssen_ros.results import export_map, save_result
from ssen_ros.structures import (
    Box,
    Cloud,
    Clusters,
    Instance,
    Known,
    Memory,
    Segmentation,
    StepResult,
    VoxelSnapshot,
)

FLOOR, CHAIR = CLASS_NAMES.index("floor"), CLASS_NAMES.index("chair")


def step_result() -> StepResult:
    coords = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 0, 1]], np.int32)
    snapshot = VoxelSnapshot(
        voxel_coords=coords,
        points=(coords * 0.04 + 0.02).astype(np.float32),
        colors=np.arange(12, dtype=np.uint8).reshape(4, 3),
        voxel_size=0.04,
        version=7,
    )
    segmentation = Segmentation(
        log_probabilities=np.zeros((4, 20), np.float32),
        semantic_label=np.array([FLOOR, FLOOR, CHAIR, CHAIR], np.int32),
        thing_rows=np.array([2, 3]),
        embeddings=np.zeros((2, 8), np.float32),
    )
    chair = Instance(
        id=12,
        class_id=CHAIR,
        class_name="chair",
        score=np.float32(0.75),
        box=Box(np.array([0.1, 0.02, 0.04]), np.array([0.04, 0.04, 0.08]), yaw=0.5),
        centroid=np.array([0.1, 0.02, 0.04]),
        voxel_count=2,
        first_seen_ns=1_000_000_000,
        last_seen_ns=2_000_000_000,
        state="active",
    )
    return StepResult(
        snapshot=snapshot,
        segmentation=segmentation,
        clusters=Clusters(np.zeros(2, np.int32), np.zeros(2, bool), np.ones(2, np.float32)),
        detections=(),
        memory=Memory((Known(chair, keys=np.array([2, 3]), votes=np.zeros(20)),)),
        events=(),
        thing_rows=segmentation.thing_rows,
        semantic_label=segmentation.semantic_label,
        instance_id=np.array([-1, -1, 12, 12], np.int32),
        confidence=np.array([0.5, 0.6, 0.7, 0.8], np.float32),
        stamp_ns=2_000_000_000,
        timings_s={"total": 0.1},
    )


def test_save_result_writes_three_files_that_agree(tmp_path):
    result = step_result()
    saved = save_result(result, tmp_path / "new" / "folder")

    content = json.loads(saved.instances_json.read_text())
    assert content == {
        "frame_id": None,
        "stamp_ns": 2_000_000_000,
        "map_version": 7,
        "voxel_size": 0.04,
        "voxels": 4,
        "instances": [
            {
                "id": 12,
                "class_id": CHAIR,
                "class_name": "chair",
                "score": 0.75,
                "box": {"center": [0.1, 0.02, 0.04], "size": [0.04, 0.04, 0.08], "yaw": 0.5},
                "centroid": [0.1, 0.02, 0.04],
                "voxel_count": 2,
                "first_seen_ns": 1_000_000_000,
                "last_seen_ns": 2_000_000_000,
                "state": "active",
            }
        ],
    }
    cloud, columns = read_cloud(saved.labelled_ply), read_ply_vertices(saved.labelled_ply)
    np.testing.assert_array_equal(cloud.points, result.snapshot.points)
    np.testing.assert_array_equal(cloud.colors, result.snapshot.colors)
    np.testing.assert_array_equal(columns["label"], [FLOOR, FLOOR, CHAIR, CHAIR])
    np.testing.assert_array_equal(columns["instance_id"], [-1, -1, 12, 12])
    np.testing.assert_array_equal(columns["confidence"], result.confidence)
    with Image.open(saved.map_png) as image:
        assert image.size[0] > 3 * PANEL_WIDTH


def test_labelled_map_keeps_stamp_and_version():
    labelled = LabelledMap.from_step(step_result())
    assert (labelled.version, labelled.stamp_ns, len(labelled)) == (7, 2_000_000_000, 4)


def test_oriented_boxes_stand_beside_the_upright_ones(tmp_path):
    pytest.importorskip(
        "open3d", reason="the extra `open3d` is not installed", exc_type=(ImportError, OSError)
    )
    saved = save_result(step_result(), tmp_path, oriented_boxes=True)
    (chair,) = json.loads(saved.instances_json.read_text())["instances"]
    assert chair["oriented_box"]["size"][0] == pytest.approx(0.04) and "yaw" in chair["box"]


def test_every_point_of_the_cloud_gets_the_label_of_its_voxel(tmp_path):
    points = np.array(
        [[0.09, 0.01, 0.05], [0.01, 0, 0], [0.5, 0, 0], [0.119, 0.039, 0.001], [1e9, 0, 0]], np.float32
    )
    colors = np.arange(15, dtype=np.uint8).reshape(5, 3)
    saved = save_result(step_result(), tmp_path, cloud=Cloud(points, colors))
    cloud, columns = read_cloud(saved.labelled_ply), read_ply_vertices(saved.labelled_ply)
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.colors, colors)
    np.testing.assert_array_equal(columns["label"], [CHAIR, FLOOR, -1, CHAIR, -1])
    np.testing.assert_array_equal(columns["instance_id"], [12, -1, -1, 12, -1])
    np.testing.assert_array_equal(columns["confidence"], np.array([0.8, 0.5, 0, 0.7, 0], np.float32))
    assert json.loads(saved.instances_json.read_text())["voxels"] == 4


def test_an_export_is_two_files_in_a_folder_of_their_own(tmp_path):
    labelled, folder = LabelledMap.from_step(step_result(), frame_id="map"), tmp_path / "home" / "kitchen"
    export_map(labelled, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["instances.json", "labelled.ply"]
    assert [path.name for path in folder.parent.iterdir()] == ["kitchen"]
    content = json.loads((folder / "instances.json").read_text())
    assert content["frame_id"] == "map" and [one["id"] for one in content["instances"]] == [12]
    assert read_ply_vertices(folder / "labelled.ply")["instance_id"].tolist() == [-1, -1, 12, 12]
    with pytest.raises(MapFileError, match="is there already"):
        export_map(labelled, folder)
    (folder / "instances.json").write_text("old")
    export_map(labelled, folder, overwrite=True)
    assert json.loads((folder / "instances.json").read_text()) == content


def test_an_export_takes_no_other_files_away(tmp_path):
    labelled, folder = LabelledMap.from_step(step_result()), tmp_path / "maps"
    folder.mkdir()
    (folder / "kitchen.npz").write_text("precious")
    with pytest.raises(MapFileError, match="'kitchen.npz'.*another name"):
        export_map(labelled, folder, overwrite=True)
    with pytest.raises(MapFileError, match="cannot be written"):
        export_map(labelled, folder / "kitchen.npz" / "new")
    assert (folder / "kitchen.npz").read_text() == "precious" and len(list(folder.iterdir())) == 1
