import json
from functools import partial

import numpy as np
import pytest

from ssen_ros.config import SsenConfig
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.simulation import CameraConfig, scan

PLY_HEADER = (
    "ply\nformat {encoding} 1.0\ncomment VCGLIB generated\nelement vertex {vertices}\n"
    "property float x\nproperty float y\nproperty float z\n"
    "property uchar red\nproperty uchar green\nproperty uchar blue\nproperty uchar alpha\n"
    "element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
)


@pytest.fixture(scope="session")
def write_scannet_scene():
    """A function that writes a scene's files as ScanNet has them; returns its folder."""

    def write(scans, name, points, colors, segments, groups, axis_alignment=None, encoding="binary"):
        """`groups`: [(raw category, segments)], or None for a scene without annotation."""
        folder = scans / name
        folder.mkdir(parents=True)
        points, colors = np.asarray(points, "<f4"), np.asarray(colors, "u1")
        corners = np.arange(3 * (len(points) // 3)).reshape(-1, 3)
        with open(folder / f"{name}_vh_clean_2.ply", "wb") as stream:
            full = {"binary": "binary_little_endian", "ascii": "ascii"}[encoding]
            header = PLY_HEADER.format(encoding=full, vertices=len(points), faces=len(corners))
            stream.write(header.encode())
            if encoding == "ascii":
                for xyz, rgb in zip(points, colors):
                    stream.write((" ".join([*(f"{v:.9g}" for v in xyz), *map(str, rgb)]) + " 255\n").encode())
                stream.write("".join(f"3 {a} {b} {c}\n" for a, b, c in corners).encode())
            else:
                vertices = np.zeros(len(points), [("xyz", "<f4", 3), ("rgb", "u1", 3), ("alpha", "u1")])
                vertices["xyz"], vertices["rgb"], vertices["alpha"] = points, colors, 255
                faces = np.zeros(len(corners), [("count", "u1"), ("corners", "<i4", 3)])
                faces["count"], faces["corners"] = 3, corners
                stream.write(vertices.tobytes() + faces.tobytes())
        lines = ["colorHeight = 968", "sceneType = Bathroom"]
        if axis_alignment is not None:
            numbers = " ".join(f"{v:.6f}" for v in np.ravel(axis_alignment))
            lines.insert(0, f"axisAlignment = {numbers} ")
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
        if groups is not None:
            segs = {"params": {"kThresh": "0.0001"}, "sceneId": name, "segIndices": list(map(int, segments))}
            (folder / f"{name}_vh_clean_2.0.010000.segs.json").write_text(json.dumps(segs))
            found = [
                {"id": i, "objectId": i, "segments": list(map(int, of_group)), "label": label}
                for i, (label, of_group) in enumerate(groups)
            ]
            aggregation = {
                "sceneId": f"scannet.{name}", "appId": "Aggregator.v2", "segGroups": found,
                "segmentsFile": f"scannet.{name}_vh_clean_2.0.010000.segs.json",
            }  # fmt: skip
            (folder / f"{name}.aggregation.json").write_text(json.dumps(aggregation))
        return folder

    return write


@pytest.fixture
def scannet_labels(tmp_path):
    """The columns that are read of `scannetv2-labels.combined.tsv`, and some of its rows."""
    rows = [
        ("1", "wall", "wall", "1", "1", "wall"),
        ("3", "floor", "floor", "2", "2", "floor"),
        ("2", "chair", "chair", "5", "5", "chair"),
        ("22", "ceiling", "ceiling", "22", "22", "ceiling"),
        ("28", "shower curtain", "shower curtain", "28", "28", "shower curtain"),
        ("58", "couch", "couch", "6", "6", "sofa"),
        ("17", "toilet", "toilet", "33", "33", "toilet"),
    ]
    path = tmp_path / "scannetv2-labels.combined.tsv"
    header = ("id", "raw_category", "category", "eigen13id", "nyu40id", "nyu40class")
    path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)))
    return path


@pytest.fixture
def quick_rooms(monkeypatch):
    """Benchmarks walk through their rooms shortly, with a small camera: a second a room instead of six."""
    camera = CameraConfig(width=64, height=48, frames=24)
    monkeypatch.setattr("ssen_ros.benchmarks.rooms.scan", partial(scan, config=camera))


class HeightSegmenter(Segmenting):
    """Floor below 5 cm, chair above; an object's embedding is its position, the unit 1/3 m."""

    voxel_size = 0.05
    class_names = CLASS_NAMES

    def semantic(self, snapshot, floor):
        label = np.where(snapshot.points[:, 2] < 0.05, CLASS_NAMES.index("floor"), CLASS_NAMES.index("chair"))
        return np.where(np.arange(20) == label[:, None], -0.1, -6.0).astype(np.float32)

    def embed(self, snapshot, thing_rows, floor):
        return snapshot.points[thing_rows] * 3


@pytest.fixture
def height_segmenter():
    return HeightSegmenter()


@pytest.fixture
def stub_networks(monkeypatch):
    """Every pipeline has the HeightSegmenter for its networks; the list of those that were made."""
    made = []

    def from_config(config: SsenConfig) -> SsenPipeline:
        made.append(SsenPipeline(HeightSegmenter(), config))
        return made[-1]

    monkeypatch.setattr(SsenPipeline, "from_config", staticmethod(from_config))
    monkeypatch.setattr("ssen_ros.evaluation.scene_runs._pipeline", lambda config, _: from_config(config))
    return made
