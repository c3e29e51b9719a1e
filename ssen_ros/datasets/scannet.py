"""ScanNet v2 scenes as samples, for those who have the data set; nothing of it is shipped.

A scene's folder holds, in the data set's own names (github.com/ScanNet/ScanNet, "Data Organization"):
    <scene>_vh_clean_2.ply                  the decimated mesh that the annotations and the benchmark refer to
    <scene>_vh_clean_2.0.010000.segs.json   `segIndices`: the segment of each of its vertices
    <scene>.aggregation.json                `segGroups`: the segments and the raw category of each object
    <scene>.txt                             `axisAlignment`, in the annotated scenes
`<scene>_vh_clean.aggregation.json` and `_vh_clean.segs.json` belong to the finer mesh and are not read.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from ssen_ros import voxel_keys
from ssen_ros.datasets.labelled_voxels import save_gridded
from ssen_ros.errors import DataError, shown
from ssen_ros.io.clouds import read_ply
from ssen_ros.io.samples import Sample
from ssen_ros.jobs import write_missing
from ssen_ros.labels import IGNORE_INDEX, is_thing

# (20,) The benchmark's id of each of CLASS_NAMES; all other ids are not evaluated.
NYU40_IDS = np.array((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39))


def read_label_map(path: Path | str) -> dict[str, int]:
    """{raw category: class index, or IGNORE_INDEX} of `scannetv2-labels.combined.tsv`.

    Raises DataError for a file without the columns `raw_category` and `nyu40id`.
    """
    class_of = {int(nyu40): index for index, nyu40 in enumerate(NYU40_IDS)}
    remedy = "give the scannetv2-labels.combined.tsv of the data set"
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = [
                (row["raw_category"], int(row["nyu40id"])) for row in csv.DictReader(stream, delimiter="\t")
            ]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {remedy}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: expected columns raw_category and nyu40id ({error}); {remedy}") from error
    return {category: class_of.get(nyu40, IGNORE_INDEX) for category, nyu40 in rows}


def read_split(path: Path | str) -> list[str]:
    """The scene names of a list such as `scannetv2_train.txt`, one a line.

    Raises DataError where the file is missing or names no scene.
    """
    remedy = "give a list of scene names, one a line, such as the data set's scannetv2_train.txt"
    try:
        names = Path(path).read_text(encoding="utf-8").split()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no readable file; {remedy}") from error
    if not names:
        raise DataError(f"{path}: 0 scenes; {remedy}")
    strange = [name for name in names if not re.fullmatch(r"\w[\w.-]*", name)]
    if strange:
        raise DataError(f"{path}: {shown(strange[0])} is no name of a scene, such as scene0000_00; {remedy}")
    return list(dict.fromkeys(names))


def scene_folders(scans: Path | str, names: Sequence[str]) -> dict[str, Path]:
    """{name: its folder}. Raises DataError where `scans` lacks one."""
    folders = {name: Path(scans) / name for name in names}
    missing = [name for name, folder in folders.items() if not folder.is_dir()]
    if missing:
        raise DataError(
            f"{scans} lacks {len(missing)} of {len(folders)} scenes, the first {missing[0]}; expected a "
            "folder for each; download them or take them out of the list"
        )
    return folders


def load_scene(folder: Path | str, label_map: Mapping[str, int] | None) -> Sample:
    """Read a scene with its truth; `label_map` of `read_label_map`, or None for a scene without annotation.

    Rows are the vertices of its mesh, in the order of the file, as in a submission, turned by the scene's
    axis alignment; several may share a voxel.

    Vertices in no object are IGNORE_INDEX, like those of objects outside the 20 classes; only things have an
    instance. As in ScanNet's own export, a vertex that several objects claim belongs to the last: in
    scene0217_00, which lists each object twice (ScanNet issue 51), the second copy covers the first.

    Raises CloudError for a mesh that cannot be used, DataError for the other files.
    """
    folder = Path(folder)
    name = folder.name
    mesh = folder / f"{name}_vh_clean_2.ply"
    cloud, _ = read_ply(mesh)
    if cloud.colors is None:
        raise DataError(f"{mesh}: no colour; expected red, green, blue of each vertex; download it again")
    if label_map is None:
        semantic = np.full(len(cloud), IGNORE_INDEX, np.int8)
        instance = np.full(len(cloud), -1, np.int16)
    else:
        semantic, instance = _truth(folder, name, len(cloud), label_map)
    transform = _axis_alignment(folder / f"{name}.txt")
    points = (cloud.points.astype(np.float64) @ transform[:3, :3].T + transform[:3, 3]).astype(np.float32)
    return Sample(points, cloud.colors, semantic, instance)


def import_scannet(
    scans: Path | str,
    label_map: Mapping[str, int],
    names: list[str],
    out_dir: Path | str,
    executor: Executor | None = None,
    progress: bool = True,
) -> list[Path]:
    """Write the scenes to `out_dir/{name}.npz`, on the simulator's grid; files that exist are kept.

    `executor` as `write_missing`. Raises DataError before any work where `scans` lacks a scene; as
    `load_scene` for one that is damaged.
    """
    folders = {folder: Path(out_dir) / f"{name}.npz" for name, folder in scene_folders(scans, names).items()}
    return write_missing(folders, partial(_import_scene, label_map), executor, progress)


def _import_scene(label_map: Mapping[str, int], folder: Path, path: Path) -> None:
    save_gridded(path, load_scene(folder, label_map))


def _truth(
    folder: Path, name: str, count: int, label_map: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) int8 class and (N,) int16 instance, from 1, of each vertex."""
    segments_file = folder / f"{name}_vh_clean_2.0.010000.segs.json"
    groups_file = folder / f"{name}.aggregation.json"
    with _named(segments_file, "a JSON object with segIndices"):
        segment_of_vertex = np.array(json.loads(segments_file.read_bytes())["segIndices"])
    with _named(groups_file, "a JSON object with segGroups, each with label and segments"):
        found = json.loads(groups_file.read_bytes())["segGroups"]
        groups = [(group["label"], np.array(group["segments"], np.int64)) for group in found]
    if segment_of_vertex.shape != (count,) or segment_of_vertex.dtype.kind != "i":
        raise DataError(
            f"{segments_file}: segIndices is {segment_of_vertex.dtype} {segment_of_vertex.shape}; expected "
            f"({count},) integers, one for each vertex of the mesh; download both again"
        )
    segments, row = np.unique(segment_of_vertex, return_inverse=True)
    owner = np.full(len(segments), -1)  # the last group to claim each segment
    for index, (label, of_group) in enumerate(groups):
        if label not in label_map:
            raise DataError(
                f"{groups_file}: label {label!r} is not among the {len(label_map)} raw categories; expected "
                "one of them; give the scannetv2-labels.combined.tsv that came with these scenes"
            )
        at = voxel_keys.find(segments, of_group)
        if (at < 0).any():
            raise DataError(
                f"{groups_file}: {label!r} has segment {of_group[at < 0][0]}, which no vertex has; expected "
                f"segments of {segments_file.name}; download both again"
            )
        owner[at] = index
    group_of_vertex = owner[row]
    semantic = np.array([label_map[label] for label, _ in groups] + [IGNORE_INDEX], np.int8)[group_of_vertex]
    instance = np.full(count, -1, np.int16)
    things = (semantic != IGNORE_INDEX) & is_thing()[semantic]
    instance[things] = np.unique(group_of_vertex[things], return_inverse=True)[1] + 1
    return semantic, instance


@contextmanager
def _named(path: Path, expected: str) -> Iterator[None]:
    """What fails while `path` is read becomes a DataError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; every annotated scene has one; download it, or take {path.parent.name} "
            "out of the list"
        ) from error
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: expected {expected} ({shown(error)}); download it again") from error


def _axis_alignment(path: Path) -> np.ndarray:
    """(4, 4) float64 map_T_mesh of the scene's text file; the identity where it gives none (test scenes)."""
    if not path.is_file():
        return np.eye(4)
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "axisAlignment":
            with _named(path, "16 numbers after axisAlignment"):
                return np.array(value.split(), np.float64).reshape(4, 4)
    return np.eye(4)
