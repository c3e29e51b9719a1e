"""Every door through which files and messages come in, each with small ones that are right."""

import array
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ssen_ros.cli.options import read_params_file
from ssen_ros.datasets.labelled_ply import load_labelled_ply
from ssen_ros.datasets.labelled_rooms import load_room
from ssen_ros.datasets.scannet import load_scene, read_label_map, read_split
from ssen_ros.instances import update
from ssen_ros.io.bags import BagWriter, typestore
from ssen_ros.io.clouds import read_cloud, write_labelled_ply
from ssen_ros.io.point_cloud2 import CLOUD_TYPE, from_msg
from ssen_ros.io.samples import Sample, load_sample, made_with, save_sample
from ssen_ros.io.saved_map import SavedMap, read_map, write_map
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models.checkpoint import load_checkpoint
from ssen_ros.models.convert import convert
from ssen_ros.network_spec import NetworkSpec
from ssen_ros.structures import Box, Detection, Memory
from ssen_ros.training.config import load_config
from ssen_ros.voxel_map import VoxelMap

CONFIG = Path(__file__).resolve().parents[2] / "config"
N = 24
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(N, 3)).astype(np.float32)
COLORS = RNG.integers(0, 256, (N, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Door:
    name: str
    file: str  # under which name the reader finds the bytes
    read: Callable[[Path], object]
    good: list[bytes]
    weight: int = 4  # how often it is tried; those that take longer, less often


def doors(folder: Path) -> list[Door]:
    """All of them; `folder` is for what has to be written first."""
    made = _files(folder)
    anchor = made["segs.json"]

    def scene(path: Path) -> object:
        """A scene of ScanNet in which one file is another."""
        return load_scene(path.parent, {"wall": 0, "chair": 4})

    of_scene = folder / "s"
    return [
        Door("ply", "a.ply", read_cloud, [made["binary.ply"], made["ascii.ply"], made["mesh.ply"]], 8),
        Door("pcd", "a.pcd", read_cloud, [made["binary.pcd"], made["ascii.pcd"]], 8),
        Door("npz", "a.npz", read_cloud, [made["points.npz"], made["sample.npz"], made["map.npz"]], 8),
        Door("sample", "a.npz", lambda p: (load_sample(p), made_with(p)), [made["sample.npz"]], 8),
        Door("saved map", "a.npz", read_map, [made["map.npz"]], 12),
        Door("room", "a.npz", load_room, [made["room.npz"], made["sample.npz"]], 8),
        Door("labelled ply", "a.ply", load_labelled_ply, [made["labelled.ply"]], 6),
        Door("checkpoint", "a.safetensors", load_checkpoint, [made["a.safetensors"]], 6),
        Door("foreign checkpoint", "a.pth", _convert, [made["a.pth"]], 3),
        Door(
            "parameters",
            "a.yaml",
            read_params_file,
            [b"ssen:\n  ros__parameters:\n    clustering: {mode: fast}\n"],
        ),
        Door(
            "training",
            "a.yaml",
            lambda p: load_config(p, "semantic"),
            [(CONFIG / "training/paper.yaml").read_bytes()],
            1,
        ),
        Door("label map", "a.tsv", read_label_map, [b"raw_category\tnyu40id\nwall\t1\nchair\t5\n"]),
        Door("split", "a.txt", read_split, [b"scene0000_00\nscene0001_00\n"], 2),
        Door("segments", "s/s_vh_clean_2.0.010000.segs.json", scene, [anchor]),
        Door("groups", "s/s.aggregation.json", scene, [(of_scene / "s.aggregation.json").read_bytes()]),
        Door("axes", "s/s.txt", scene, [(of_scene / "s.txt").read_bytes()], 2),
        Door("mcap", "a.mcap", read_cloud, [made["a.mcap"]], 3),
        Door("message", "a.json", _message, [json.dumps(_fields()).encode()], 8),
    ]


def _convert(path: Path) -> object:
    return convert(path, class_names=CLASS_NAMES)


def _fields() -> dict:
    return {
        "width": N, "height": 1, "point_step": 16, "row_step": 16 * N, "is_bigendian": False, "bytes": 16 * N,
        "fields": [[name, 4 * k, 7, 1] for k, name in enumerate(("x", "y", "z", "rgb"))],
    }  # fmt: skip


def _message(path: Path) -> object:
    """A PointCloud2 whose numbers stand in a file; what no message can hold is left as it was."""
    try:
        told = _fields() | json.loads(path.read_bytes())
    except (ValueError, TypeError, RecursionError):
        return None
    good = _fields()
    limit = {"width": 2**32, "height": 2**32, "point_step": 2**32, "row_step": 2**32, "bytes": 100_000}
    whole = {k: told[k] if type(told[k]) is int and 0 <= told[k] < m else good[k] for k, m in limit.items()}
    fields = []
    for one in told["fields"] if isinstance(told["fields"], list) else []:
        if isinstance(one, list) and len(one) == 4 and all(type(v) is int for v in one[1:]):
            name, offset, datatype, count = one
            fields.append(SimpleNamespace(
                name=str(name), offset=offset % 2**32, datatype=datatype % 256, count=count % 2**32
            ))  # fmt: skip
    data = array.array(
        "B", np.resize(np.column_stack([POINTS, POINTS[:, :1]]).view(np.uint8), whole["bytes"]).tobytes()
    )
    message = SimpleNamespace(
        **{k: v for k, v in whole.items() if k != "bytes"}, fields=fields, data=data, is_dense=True,
        is_bigendian=bool(told["is_bigendian"]),
    )  # fmt: skip
    return from_msg(message)


def _files(folder: Path) -> dict[str, bytes]:
    label, instance = np.full(N, 4, np.int8), np.ones(N, np.int16)
    write_labelled_ply(folder / "labelled.ply", POINTS, COLORS, label, instance, np.ones(N, np.float32))
    (folder / "binary.ply").write_bytes((folder / "labelled.ply").read_bytes())
    rows = [f"{x} {y} {z} {r} {g} {b}" for (x, y, z), (r, g, b) in zip(POINTS, COLORS)]
    header = "ply\nformat {} 1.0\nelement vertex {}\n" + "".join(
        f"property {kind} {name}\n"
        for kind, name in zip(["float"] * 3 + ["uchar"] * 3, "x y z red green blue".split())
    )
    (folder / "ascii.ply").write_text("\n".join([header.format("ascii", N) + "end_header", *rows]) + "\n")
    columns = np.zeros(N, [("p", "<f4", 3), ("c", "u1", 3)])
    columns["p"], columns["c"] = POINTS, COLORS
    mesh = (
        header.format("binary_little_endian", N)
        + "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
    )
    faces = (b"\x03" + np.arange(3, dtype="<i4").tobytes()) * 2
    (folder / "mesh.ply").write_bytes(mesh.encode() + columns.tobytes() + faces)
    pcd = "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
    pcd += "WIDTH {0}\nHEIGHT 1\nPOINTS {0}\nDATA {1}\n"
    (folder / "binary.pcd").write_bytes(pcd.format(N, "binary").encode() + POINTS.tobytes())
    (folder / "ascii.pcd").write_text(
        pcd.format(N, "ascii") + "\n".join(row.rsplit(" ", 3)[0] for row in rows) + "\n"
    )
    np.savez(folder / "points.npz", points=POINTS, colors=COLORS, first_frame=np.arange(N))
    np.savez(folder / "room.npz", points=POINTS, colors=COLORS, label=label.astype(int), instance=instance)
    save_sample(folder / "sample.npz", Sample(POINTS, COLORS, label, instance), ["a chair by nobody"])
    _write_map(folder / "map.npz")
    _write_checkpoints(folder)
    _write_scene(folder / "s", mesh.encode() + columns.tobytes() + faces)
    _write_recording(folder / "bag")
    (folder / "a.mcap").write_bytes((folder / "bag" / "bag.mcap").read_bytes())
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return files | {"segs.json": (folder / "s" / "s_vh_clean_2.0.010000.segs.json").read_bytes()}


def _write_map(path: Path) -> None:
    from ssen_ros.config import InstancesConfig

    made = VoxelMap(0.1)
    made.integrate(POINTS, COLORS)
    snapshot = made.snapshot()
    votes = np.where(np.arange(len(CLASS_NAMES)) < 2, -np.inf, -1.0)
    found = [
        Detection(4, 0.5, votes, Box(np.zeros(3), np.ones(3), 0.1), np.zeros(3), rows, snapshot.keys[rows])
        for rows in np.array_split(np.arange(len(snapshot)), 3)
    ]
    memory, _ = update(Memory(), found, snapshot, 5, CLASS_NAMES, InstancesConfig())
    write_map(path, SavedMap("map", 5, 0.1, CLASS_NAMES, made.state, memory))


def _write_checkpoints(folder: Path) -> None:
    import torch
    from safetensors.torch import save

    spec = NetworkSpec("semantic", "MinkUNet14S", 0.04, ("rgb",), CLASS_NAMES, 3)
    tensors = {"conv0p1s1.kernel": torch.ones(27, 3, 4), "final.kernel": torch.ones(4, 20)}
    metadata = {"ssen": json.dumps(asdict(spec)), "provenance": json.dumps({"steps": 3})}
    (folder / "a.safetensors").write_bytes(save(tensors, metadata))
    torch.save({"state_dict": tensors, "epoch": 3}, folder / "a.pth")


def _write_scene(folder: Path, mesh: bytes) -> None:
    folder.mkdir()
    (folder / "s_vh_clean_2.ply").write_bytes(mesh)
    (folder / "s_vh_clean_2.0.010000.segs.json").write_text(
        json.dumps({"segIndices": [k % 3 for k in range(N)]})
    )
    groups = [{"label": "chair", "segments": [0, 1]}, {"label": "wall", "segments": [2]}]
    (folder / "s.aggregation.json").write_text(json.dumps({"segGroups": groups}))
    (folder / "s.txt").write_text("axisAlignment = " + " ".join(map(str, np.eye(4).ravel())) + "\n")


def _write_recording(folder: Path) -> None:
    store = typestore()
    types = store.types
    stamp = types["builtin_interfaces/msg/Time"](1, 0)
    fields = [types["sensor_msgs/msg/PointField"](name, 4 * k, 7, 1) for k, name in enumerate("xyz")]
    message = types[CLOUD_TYPE](
        types["std_msgs/msg/Header"](stamp, "map"),
        1,
        N,
        fields,
        False,
        12,
        12 * N,
        POINTS.view(np.uint8).ravel(),
        True,
    )
    writer = BagWriter(folder, str)
    writer.add_topic("/cloud_map", CLOUD_TYPE, latched=True)
    for second in range(2):
        writer.write("/cloud_map", second, bytes(store.serialize_cdr(message, CLOUD_TYPE)))
    writer.close()
