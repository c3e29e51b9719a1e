"""Says whether a change of code changed any result: `scripts/same_results.py write FILE` before and after
it, then `scripts/same_results.py compare BEFORE AFTER`.

`write` runs `ssen segment` on five simulated rooms and replays a growing map through the pipeline; FILE gets
hashes of the maps, labels, ids and confidences, and the objects with their scores. Takes a minute or two.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

SEEDS = range(5)
WALK, UPDATES = 5, 8  # seed of the growing map, and in how many maps it comes
COLUMNS = {"map": ("x", "y", "z", "red", "green", "blue"), "labels": ("label",), "ids": ("instance_id",),
           "confidences": ("confidence",)}  # fmt: skip


def write(path: Path) -> None:
    runs = {**dict(segmented_rooms()), **dict(replayed_map())}
    path.write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in runs.items()) + "\n}\n"
    )


def segmented_rooms() -> Iterator[tuple[str, dict]]:
    from ssen_ros.cli import main
    from ssen_ros.io.ply import read_ply_vertices
    from ssen_ros.io.samples import save_sample
    from ssen_ros.simulation import scan

    with tempfile.TemporaryDirectory() as folder:
        rooms = [Path(folder, f"room_{seed}.npz") for seed in SEEDS]
        for seed, room in zip(SEEDS, rooms):
            save_sample(room, scan(seed))
        if code := main(["segment", *map(str, rooms), "--out", f"{folder}/out"]):
            sys.exit(code)
        for room in rooms:
            out = Path(folder, "out", room.stem)
            vertices = read_ply_vertices(out / "labelled.ply")
            objects = json.loads((out / "instances.json").read_text())["instances"]
            told = [[o["id"], o["class_name"], o["score"], o["voxel_count"]] for o in objects]
            yield room.stem, {name: digest(*(vertices[c] for c in columns))
                              for name, columns in COLUMNS.items()} | {"objects": told}  # fmt: skip


def replayed_map() -> Iterator[tuple[str, dict]]:
    """As the node does: update after update, each going by the memory of the one before."""
    from ssen_ros.live.live_map import LiveMap
    from ssen_ros.pipeline import SsenPipeline
    from ssen_ros.simulation import SimulatedSlam
    from ssen_ros.voxel_map import VoxelMap

    pipeline = SsenPipeline.from_config()
    live_map, slam = LiveMap(VoxelMap(pipeline.segmenter.voxel_size)), SimulatedSlam(WALK)
    for number in range(1, UPDATES + 1):
        slam.advance(number * len(slam) // UPDATES - slam.frames_done)
        sample, stamp = slam.sample(), SimpleNamespace(sec=number, nanosec=0)
        live_map.receive(SimpleNamespace(frame_id="map", stamp=stamp), sample.points, sample.colors)
        if (work := live_map.take()) is None:
            continue
        result = pipeline.step(work.snapshot, work.stamp_ns, work.memory)
        live_map.finish(work, result)
        yield (
            f"update_{number}",
            {
                "map": digest(result.snapshot.points, result.snapshot.colors),
                "labels": digest(result.semantic_label),
                "ids": digest(result.instance_id),
                "confidences": digest(result.confidence),
                "objects": [[i.id, i.class_name, float(i.score), i.voxel_count] for i in result.instances],
                "events": [[e.kind, e.id, *e.other_ids] for e in result.events],
            },
        )


def digest(*arrays: np.ndarray) -> str:
    told = hashlib.sha256()
    for array in arrays:
        told.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return told.hexdigest()[:16]


def differences(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each thing that is not the same, the first object that differs in it; none if all is."""
    lines = [f"{name}: only in one of the files" for name in sorted(before.keys() ^ after.keys())]
    for name in (name for name in before if name in after):
        old, new = before[name], after[name]
        for key in sorted(old.keys() | new.keys()):
            a, b = old.get(key), new.get(key)
            if a == b:
                continue
            if not (isinstance(a, list) and isinstance(b, list)):
                lines.append(f"{name}: {key} differ")
            elif len(a) != len(b):
                lines.append(f"{name}: {len(a)} {key} before, {len(b)} after")
            else:
                first = next((x, y) for x, y in zip(a, b) if x != y)
                lines.append(f"{name}: {key} differ, first {first[0]} before, {first[1]} after")
    return lines


def compare(before: Path, after: Path) -> int:
    runs = [json.loads(path.read_text()) for path in (before, after)]
    found = differences(*runs)
    print(*found, f"DIFFERENT in {len(found)} things" if found else f"SAME: {len(runs[0])} results", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", path]:
            write(Path(path))
        case ["compare", before, after]:
            sys.exit(compare(Path(before), Path(after)))
        case _:
            sys.exit(__doc__)
