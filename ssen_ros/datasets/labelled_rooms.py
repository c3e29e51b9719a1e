"""Labelled maps of any origin, for scoring: .npz arrays, samples of the simulator, labelled PLY files.

An .npz holds
    points    (N, 3) float metres, or int16/int32 millimetres, +Z up
    colors    (N, 3) uint8 RGB; all grey where there are none
    label     (N,) 0 to 19, the classes of `ssen_ros.labels`; 20 a kind outside them; 21 a ceiling; -1 or 255
              not annotated
    instance  (N,) the same number at all points of an object, -1 at those of none
It may leave `points` and `colors` to another cloud, whose rows it then labels: `room_labels.npz` those of
`room.npz` or `*_room.npz`, beside it or one folder up.
"""

from collections.abc import Sequence
from glob import escape
from pathlib import Path

import numpy as np

from ssen_ros.datasets.labelled_ply import load_labelled_ply
from ssen_ros.errors import DataError, shown_names
from ssen_ros.io.clouds import read_cloud
from ssen_ros.io.npz import array_names, read_npz
from ssen_ros.io.samples import Sample, load_sample
from ssen_ros.labels import IGNORE_INDEX, LABEL_NAMES, NO_COLOR
from ssen_ros.structures import Cloud

_LABELS_SUFFIX = "_labels"


def labelled_files(paths: Sequence[Path]) -> dict[str, Path]:
    """{name: file} of these files, and of the .npz and .ply files with labels in these folders.

    Of a room that `ssen view` exported into a folder its NAME.room.npz counts, and not NAME.ply too.

    Raises DataError for a path that is not there, a folder without any, and two files of one name.
    """
    files: dict[str, Path] = {}
    for path in paths:
        found = _in_folder(path) if path.is_dir() else [path]
        for file in found:
            if not file.is_file():
                raise DataError(f"{file}: no such file or folder; give labelled .npz or .ply maps")
            if files.setdefault(file.stem, file).resolve() != file.resolve():
                raise DataError(f"{files[file.stem]} and {file} have the same name; rename one of them")
    return files


def _in_folder(folder: Path) -> list[Path]:
    clouds = (file for file in folder.glob("*.ply") if not file.with_suffix(".room.npz").exists())
    files = [*clouds, *(file for file in folder.glob("*.npz") if _has_labels(file))]
    if not files:
        raise DataError(
            f"{folder}: no labelled map there; expected .npz files with 'label' or .ply files; see "
            "`ssen evaluate rooms --help`"
        )
    return sorted(files)


def _has_labels(path: Path) -> bool:
    try:
        return bool({"label", "semantic_label"} & set(array_names(path)))
    except (OSError, ValueError):
        return True  # not silently left out: whoever loads it will say what is wrong


def load_room(path: Path, clouds: Sequence[Path] = ()) -> Sample:
    """Read a labelled map; every point of the file is kept.

    Args:
        clouds: where the points of a file without points may be; none: where its name says.

    Raises CloudError or DataError for a file that cannot be read, lacks labels, or does not fit its points.
    """
    if path.suffix.lower() == ".ply":
        return load_labelled_ply(path)
    try:
        columns = read_npz(path, ("label", "instance"))
        names = set(columns.names)
    except (OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read, or is damaged ({reason}); export it again") from error
    if "voxel_steps" in names:
        return load_sample(path)
    if "label" not in columns:
        raise DataError(f"{path}: arrays {shown_names(sorted(names))}; expected 'label'; add it")
    label = _column(path, "label", columns["label"])
    label = _in_range(path, "label", np.where(label == 255, IGNORE_INDEX, label), len(LABEL_NAMES) - 1)
    instance = _column(path, "instance", columns.get("instance", np.full(len(label), -1)))
    instance = _in_range(path, "instance", instance, np.iinfo(np.int16).max)
    if len(instance) != len(label):
        raise DataError(
            f"{path}: {len(instance)} rows of instance, {len(label)} of label; expected as many; export both "
            "from one cloud"
        )
    cloud = read_cloud(path) if "points" in names else _cloud_of(path, len(label), clouds)
    if len(cloud) != len(label):
        raise DataError(
            f"{path}: {len(label)} labels for {len(cloud)} points with finite coordinates; expected one a "
            "point; drop what is not finite from both"
        )
    colors = np.full((len(cloud), 3), NO_COLOR, np.uint8) if cloud.colors is None else cloud.colors
    return Sample(cloud.points, colors, label.astype(np.int8), instance.astype(np.int16))


def _column(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {name} is {values.dtype} {values.shape}; expected (N,) integers, one a "
            "point; convert it"
        )
    return values.astype(np.int64)


def _in_range(path: Path, name: str, values: np.ndarray, last: int) -> np.ndarray:
    outside = values[(values < -1) | (values > last)]
    if len(outside):
        raise DataError(
            f"{path}: {name} {outside[0]} at {len(outside)} points; expected 0 to {last}, or -1 for none; "
            "see `ssen evaluate rooms --help`"
        )
    return values


def _cloud_of(path: Path, rows: int, clouds: Sequence[Path]) -> Cloud:
    """The one cloud with so many rows among those given or, with none given, those that the name fits."""
    stem = escape(path.stem.removesuffix(_LABELS_SUFFIX))
    named = [
        file
        for folder in (path.parent, path.parent.resolve().parent)
        for file in sorted({*folder.glob(f"{stem}.npz"), *folder.glob(f"*_{stem}.npz")})
        if file != path
    ]
    candidates = {file: read_cloud(file) for file in clouds or named if clouds or not _has_labels(file)}
    fitting = [cloud for cloud in candidates.values() if len(cloud) == rows]
    if len(fitting) != 1:
        seen = ", ".join(f"{file} ({len(cloud)} points)" for file, cloud in candidates.items()) or "none"
        raise DataError(
            f"{path}: it has no points, and {len(fitting)} clouds have its {rows} rows (found: {seen}); "
            "expected one; give it with --points"
        )
    return fitting[0]
