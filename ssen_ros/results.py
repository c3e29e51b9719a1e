"""How one update is written to disk."""

import json
from dataclasses import dataclass
from pathlib import Path

from ssen_ros.io.clouds import write_labelled_ply
from ssen_ros.io.replacing import replace_text, replacing
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
    result: StepResult, out_dir: str | Path, class_names: tuple[str, ...] = CLASS_NAMES, frame_id: str = ""
) -> SavedFiles:
    """Write labelled.ply, instances.json and map.png of one update into `out_dir` (made if missing)."""
    return save_map(LabelledMap.from_step(result, class_names, frame_id), out_dir)


def save_map(labelled: LabelledMap, out_dir: str | Path) -> SavedFiles:
    """Write labelled.ply, instances.json and map.png into `out_dir` (made if missing).

    None takes its place before all are written: on a full disk an older result stays as it was.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    saved = SavedFiles.in_folder(out_dir)
    with (
        replacing(saved.map_png) as png,
        replacing(saved.instances_json) as text,
        replacing(saved.labelled_ply) as ply,
    ):
        columns = labelled.semantic_label, labelled.instance_id, labelled.confidence
        write_labelled_ply(ply, labelled.points, labelled.colors, *columns)
        replace_text(text, json.dumps(labelled.to_json(), indent=2) + "\n")
        save_png(png, render_map(labelled))
    return saved
