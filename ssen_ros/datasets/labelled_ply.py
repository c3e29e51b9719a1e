"""One's own labelled rooms: a PLY file each, with a class and an instance at every vertex.

Beside x y z (m, +Z up) and red green blue, a vertex has
    label     0 to 19, the classes of `ssen_ros.labels`; -1, 255 or NaN where it is not annotated
    instance  any number from 0, the same at all vertices of an object; -1 or NaN where there is none
of any PLY type. `instance_id`, as `ssen segment` writes it, and CloudCompare's `scalar_` before a name will
do. Wall and floor have no instances: theirs are dropped.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from ssen_ros.datasets.labelled_voxels import save_gridded
from ssen_ros.errors import CloudError, shown_names
from ssen_ros.io.clouds import read_ply
from ssen_ros.io.samples import Sample
from ssen_ros.jobs import by_name, write_missing
from ssen_ros.labels import IGNORE_INDEX, LABEL_NAMES, is_thing

_NAMES = {"label": ("label", "scalar_label"),
          "instance": ("instance", "instance_id", "scalar_instance", "scalar_instance_id")}  # fmt: skip


def load_labelled_ply(path: Path | str) -> Sample:
    """Read a labelled room; one row a vertex, instances numbered from 1.

    Raises CloudError for a file that cannot be read, has no colour, lacks a property, or whose labels and
    instances are out of range or contradict each other.
    """
    cloud, columns = read_ply(path)
    if cloud.colors is None:
        raise CloudError(f"{path}: no colour; expected red, green, blue; the networks learn from it, add it")
    label, instance = (_integers(path, columns, name) for name in _NAMES)
    label[label == 255] = IGNORE_INDEX
    _check_range(path, "label", label, len(LABEL_NAMES), "map your classes to those of ssen_ros/labels.py")
    _check_range(path, "instance", instance, np.inf, "number the objects of a file from 0")
    _check_one_class_each(path, label, instance)
    kept = (label != IGNORE_INDEX) & is_thing(LABEL_NAMES)[label] & (instance >= 0)
    ids, number = np.unique(instance[kept], return_inverse=True)
    if len(ids) > np.iinfo(np.int16).max:
        raise CloudError(f"{path}: {len(ids)} instances; expected 32767 at most; split the map")
    instance_label = np.full(len(cloud), -1, np.int16)
    instance_label[kept] = number + 1
    return Sample(cloud.points, cloud.colors, label.astype(np.int8), instance_label)


def import_ply(
    files: Iterable[Path], out_dir: Path | str, executor: Executor | None = None, progress: bool = True
) -> list[Path]:
    """Write each room to `out_dir/{stem}.npz`, on the simulator's grid; files that exist are kept.

    `executor` as `write_missing`. Raises DataError for two files of one name; as `load_labelled_ply` for one
    that cannot be used.
    """
    paths = by_name(files, lambda name: Path(out_dir) / f"{name}.npz")
    return write_missing(paths, _import_room, executor, progress)


def _import_room(file: Path, path: Path) -> None:
    save_gridded(path, load_labelled_ply(file))


def _integers(path: Path | str, columns: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """(N,) int64 of the property, -1 for NaN."""
    found = next((other for other in _NAMES[name] if other in columns), None)
    if found is None:
        raise CloudError(
            f"{path}: no vertex property {name!r} among {shown_names(columns)}; expected one; see "
            "`ssen import ply --help` for its values"
        )
    values = np.nan_to_num(columns[found].astype(np.float64), nan=-1.0)
    broken = values[values != np.rint(values)]
    if len(broken):
        raise CloudError(f"{path}: {found} {broken[0]:g}; expected whole numbers; do not interpolate it")
    return values.astype(np.int64)


def _check_range(path: Path | str, name: str, values: np.ndarray, end: float, remedy: str) -> None:
    outside = values[(values < -1) | (values >= end)]
    if len(outside):
        expected = f"0 to {end - 1}" if np.isfinite(end) else "0 and more"
        raise CloudError(
            f"{path}: {name} {outside[0]} at {len(outside)} vertices; expected {expected}, or -1 for none; "
            f"{remedy}"
        )


def _check_one_class_each(path: Path | str, label: np.ndarray, instance: np.ndarray) -> None:
    both = (instance >= 0) & (label != IGNORE_INDEX)
    pairs = np.unique(np.column_stack([instance[both], label[both]]), axis=0)
    again = np.flatnonzero(pairs[1:, 0] == pairs[:-1, 0])
    if len(again):
        (number, first), (_, second) = pairs[again[0]], pairs[again[0] + 1]
        raise CloudError(
            f"{path}: instance {number} has labels {first} and {second}; expected one class an object; "
            "label it alike all over, or where the number means none write -1"
        )
