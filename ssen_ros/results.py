"""How one update is written to disk."""

import json
from dataclasses import dataclass
from pathlib import Path

from ssen_ros.errors import MapFileError
from ssen_ros.io.clouds import write_labelled_ply
from ssen_ros.io.replacing import replace_text, replacing, replacing_folder
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.palettes import DEFAULT
from ssen_ros.structures import Cloud, StepResult


@dataclass(frozen=True)
class SavedFiles:
    """Where `save_map` put everything."""

    labelled_ply: Path
    instances_json: Path
    map_png: Path  # written last

    @classmethod
    def in_folder(cls, folder: Path) -> "SavedFiles":
        return cls(folder / "labelled.ply", folder / "instances.json", folder / "map.png")


def save_result(
    result: StepResult,
    out_dir: str | Path,
    class_names: tuple[str, ...] = CLASS_NAMES,
    frame_id: str = "",
    cloud: Cloud | None = None,
    oriented_boxes: bool = False,
    palette: str = DEFAULT,
) -> SavedFiles:
    """Write the files of one update as `save_map` does."""
    labelled = LabelledMap.from_step(result, class_names, frame_id)
    return save_map(labelled, out_dir, cloud, oriented_boxes, palette)


def save_map(
    labelled: LabelledMap,
    out_dir: str | Path,
    cloud: Cloud | None = None,
    oriented_boxes: bool = False,
    palette: str = DEFAULT,
) -> SavedFiles:
    """Write labelled.ply, instances.json (see `to_json`) and map.png into `out_dir` (made if missing).

    None takes its place before all are written: on a full disk an older result stays as it was. With `cloud`,
    from which the map was made, labelled.ply has its points instead of one a voxel. `palette`, one of
    `palettes.PALETTES`, is that of the picture.
    """
    from ssen_ros.pictures.render import render_map, save_png  # late: a robot's node needs no Pillow

    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    saved = SavedFiles.in_folder(out_dir)
    with (
        replacing(saved.map_png) as png,
        replacing(saved.instances_json) as instances,
        replacing(saved.labelled_ply) as ply,
    ):
        _write_labels(labelled, SavedFiles(ply, instances, png), cloud, oriented_boxes)
        save_png(png, render_map(labelled, palette))
    return saved


def export_map(labelled: LabelledMap, folder: Path, overwrite: bool = False) -> None:
    """Write labelled.ply and instances.json into a folder of their own, both or none.

    Raises MapFileError where the folder is there and not to be overwritten, holds anything else, or cannot be
    written.
    """
    try:
        if folder.exists() and not overwrite:
            raise MapFileError(f"{folder} is there already: choose another name, or ask for overwrite")
        ours = {path.name for path in vars(SavedFiles.in_folder(folder)).values()}
        others = [path.name for path in folder.iterdir() if path.name not in ours] if folder.exists() else []
        if others:
            raise MapFileError(f"{folder} holds {others[0]!r}, which no export wrote: choose another name")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(folder) as temporary:
            _write_labels(labelled, SavedFiles.in_folder(temporary))
    except OSError as error:
        raise MapFileError(
            f"{folder} cannot be written ({error}): check the name, map_directory and its space"
        ) from error


def _write_labels(
    labelled: LabelledMap, saved: SavedFiles, cloud: Cloud | None = None, oriented_boxes: bool = False
) -> None:
    points, colors = labelled.points, labelled.colors
    labels = labelled.semantic_label, labelled.instance_id, labelled.confidence
    if cloud is not None:
        points, colors, labels = cloud.points, cloud.colors_or_grey, labelled.labels_at(cloud.points)
    write_labelled_ply(saved.labelled_ply, points, colors, *labels)
    replace_text(saved.instances_json, json.dumps(labelled.to_json(oriented_boxes), indent=2) + "\n")
