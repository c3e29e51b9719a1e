"""How one update is written to disk."""

import json
from dataclasses import dataclass
from pathlib import Path

from ssen_ros.io.clouds import write_labelled_ply
from ssen_ros.io.replacing import replace_text
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pictures.render import render_map, save_png
from ssen_ros.structures import StepResult


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
    oriented_boxes: bool = False,
) -> SavedFiles:
    """Write the files of one update as `save_map` does."""
    return save_map(LabelledMap.from_step(result, class_names, frame_id), out_dir, oriented_boxes)


def save_map(labelled: LabelledMap, out_dir: str | Path, oriented_boxes: bool = False) -> SavedFiles:
    """Write labelled.ply, instances.json (see `to_json`) and map.png into `out_dir` (made if missing)."""
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    saved = SavedFiles.in_folder(out_dir)
    write_labelled_ply(
        saved.labelled_ply,
        labelled.points,
        labelled.colors,
        labelled.semantic_label,
        labelled.instance_id,
        labelled.confidence,
    )
    replace_text(saved.instances_json, json.dumps(labelled.to_json(oriented_boxes), indent=2) + "\n")
    save_png(saved.map_png, render_map(labelled))
    return saved
