"""What writes files, again and again, until it is killed; and what has to be true of them afterwards."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from ssen_ros.io.bags import BagReader, BagWriter
from ssen_ros.io.clouds import read_ply
from ssen_ros.io.point_cloud2 import CLOUD_TYPE
from ssen_ros.io.replacing import replace_text
from ssen_ros.io.samples import Sample, load_sample, save_sample
from ssen_ros.io.saved_map import SavedMap, read_map, write_map
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models.checkpoint import Checkpoint, load_checkpoint, network_of, save_checkpoint
from ssen_ros.network_spec import NetworkSpec
from ssen_ros.results import SavedFiles, export_map, save_map
from ssen_ros.structures import Memory
from ssen_ros.voxel_map import VoxelMap


@dataclass(frozen=True)
class Writer:
    """`write(folder, number)` writes what `read(folder)` tells the number of; -1: there is nothing."""

    name: str
    write: Callable[[Path, int], None]
    read: Callable[[Path], int]


def cloud(number: int, count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Points whose colours are the number."""
    points = np.random.default_rng(number).normal(size=(count, 3)).astype(np.float32)
    return points, np.full((count, 3), 4 * (number % 64), np.uint8)


def _sample(folder: Path, number: int) -> None:
    points, colors = cloud(number)
    label, instance = np.zeros(len(points), np.int8), np.full(len(points), number, np.int16)
    save_sample(folder / "a.npz", Sample(points, colors, label, instance))


def _saved(number: int) -> SavedMap:
    made = VoxelMap(0.1)
    made.integrate(*cloud(number))
    memory = Memory(next_id=number + 1)
    return SavedMap(f"map{number}", number, 0.1, CLASS_NAMES, made.state, memory)


def _labelled(number: int) -> LabelledMap:
    points, colors = cloud(number)
    same = np.full(len(points), number, np.int32)
    confidence = np.ones(len(points), np.float32)
    return LabelledMap(
        points, colors, same * 0, same, confidence, (), voxel_size=0.1, version=1, stamp_ns=number
    )


def _labelled_number(folder: Path, with_picture: bool) -> int:
    """Of the labelled cloud; the other files have to be whole."""
    saved = SavedFiles.in_folder(folder)
    if not saved.labelled_ply.exists():
        return -1
    _, columns = read_ply(saved.labelled_ply)
    json.loads(saved.instances_json.read_text())
    if with_picture and saved.map_png.exists():
        from PIL import Image

        Image.open(saved.map_png).load()
    (number,) = np.unique(columns["instance_id"])
    return int(number)


def _checkpoint(folder: Path, number: int) -> None:
    spec = NetworkSpec("semantic", "MinkUNet14S", 0.04, ("rgb",), CLASS_NAMES, 3)
    save_checkpoint(folder / "a.safetensors", Checkpoint(spec, network_of(spec), {"steps": number}))


def _record(folder: Path, number: int) -> None:
    """One recording for each number, with messages until the process ends."""
    writer = BagWriter(folder / f"bag{number}", str)
    writer.add_topic("/cloud_map", CLOUD_TYPE, latched=True)
    for k in count(1):
        writer.write("/cloud_map", k, b"\0\1\0\0" + bytes(5000))
        if k % 50 == 0:
            writer._flush()
            (folder / f"flushed_{number}").write_text(str(k))


def _recorded(folder: Path) -> int:
    bags = sorted(folder.glob("bag*"), key=lambda path: path.stat().st_mtime)
    if not bags:
        return -1
    flushed = folder / bags[-1].name.replace("bag", "flushed_")  # its own promise, not that of one before
    if not flushed.exists() or not flushed.read_text():
        return -1
    held, promised = sum(1 for _ in BagReader(bags[-1]).raw()), int(flushed.read_text())
    assert held >= promised, f"{held} messages of {promised} that were flushed"
    return held


def _file(name: str, number: Callable[[Path], int]) -> Callable[[Path], int]:
    """A reader of the one file that a writer writes."""
    return lambda folder: number(folder / name) if (folder / name).exists() else -1


def _text(folder: Path, number: int) -> None:
    replace_text(folder / "a.json", json.dumps([number] * 2000))


def _map(folder: Path, number: int) -> None:
    write_map(folder / "a.npz", _saved(number), overwrite=True)


def _result(folder: Path, number: int) -> None:
    save_map(_labelled(number), folder / "out")


def _export(folder: Path, number: int) -> None:
    export_map(_labelled(number), folder / "out", overwrite=True)


WRITERS = [
    Writer("text", _text, _file("a.json", lambda path: json.loads(path.read_text())[0])),
    Writer("sample", _sample, _file("a.npz", lambda path: int(load_sample(path).instance_label[0]))),
    Writer("saved map", _map, _file("a.npz", lambda path: read_map(path).stamp_ns)),
    Writer("result", _result, lambda folder: _labelled_number(folder / "out", True)),
    Writer("export", _export, lambda folder: _labelled_number(folder / "out", False)),
    Writer(
        "checkpoint",
        _checkpoint,
        _file("a.safetensors", lambda path: load_checkpoint(path).provenance["steps"]),
    ),
    Writer("recording", _record, _recorded),
]


def write_until_killed(name: str, folder: Path, first: int, begun) -> None:
    """What the process does that is to be killed."""
    writer = next(w for w in WRITERS if w.name == name)
    for number in count(first):
        begun.send(number)
        writer.write(folder, number)
