import json

import numpy as np
from PIL import Image

from ssen_ros.io.clouds import read_cloud, read_ply_vertices
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pictures.render import PANEL_WIDTH
from ssen_ros.results import save_result
from ssen_ros.structures import (
    Box,
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
