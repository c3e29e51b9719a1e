"""Results in the format of the ScanNet benchmark's two 3D tasks (kaldir.vc.in.tum.de/scannet_benchmark)."""

from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from ssen_ros.config import SsenConfig
from ssen_ros.datasets.scannet import NYU40_IDS
from ssen_ros.errors import DataError
from ssen_ros.evaluation.scene_runs import Load, run_scenes
from ssen_ros.evaluation.vertex_labels import VertexLabels, label_vertices
from ssen_ros.io.replacing import replace_text, replacing
from ssen_ros.io.samples import Sample
from ssen_ros.labels import is_thing
from ssen_ros.pipeline import SsenPipeline

MASK_FOLDER = "predicted_masks"


def export_scenes(
    scenes: Mapping[str, Any],
    load: Load,
    config: SsenConfig,
    out_dir: Path | str,
    data: str,
    executor: Executor | None = None,
    progress: bool = True,
) -> None:
    """Segment {name: what `load` takes} and write each scene, see `write_scene`; those written are kept.

    Raises ConfigError as `run_scenes`.
    """
    out_dir = Path(out_dir)
    paths = {scene: out_dir / "instance" / f"{name}.txt" for name, scene in scenes.items()}
    run_scenes(paths, load, _export_to, config, out_dir, data, executor, progress)


def _export_to(sample: Sample, pipeline: SsenPipeline, path: Path) -> None:
    write_scene(path.parents[1], path.stem, label_vertices(sample, pipeline))


def write_scene(out_dir: Path | str, scene: str, labels: VertexLabels) -> None:
    """Write one scene's `semantic/<scene>.txt`, `instance/<scene>.txt` and its masks; each folder is zipped
    and submitted by itself.

    Semantic: the nyu40 id of each vertex of the mesh, one a line; 0 for a class that the benchmark lacks.
    Instance: `predicted_masks/<scene>_000.txt <nyu40 id> <score>` a line, and in such a file a 1 for each
    vertex of the instance and a 0 for every other.

    Raises DataError for a scene's name with a space, which the format cannot hold.
    """
    if len(scene.split()) != 1:
        raise DataError(f"scene {scene!r}: expected a name without spaces, such as scene0000_00; rename it")
    semantic, instance = Path(out_dir) / "semantic", Path(out_dir) / "instance"
    semantic.mkdir(parents=True, exist_ok=True)
    (instance / MASK_FOLDER).mkdir(parents=True, exist_ok=True)
    id_of_class = np.append(NYU40_IDS, 0)  # the last: -1
    ids = id_of_class[labels.semantic_label]
    replace_text(semantic / f"{scene}.txt", "".join(f"{i}\n" for i in ids.tolist()))
    lines = []
    thing = np.append(is_thing(), False)
    for number, prediction in enumerate(p for p in labels.predictions if thing[p.class_id]):
        name = f"{MASK_FOLDER}/{scene}_{number:03d}.txt"
        mask = np.full(len(ids), b"0\n")
        mask[prediction.rows] = b"1\n"
        with replacing(instance / name) as temporary:
            temporary.write_bytes(mask.tobytes())
        lines.append(f"{name} {id_of_class[prediction.class_id]} {prediction.score:.9g}\n")
    replace_text(instance / f"{scene}.txt", "".join(lines))  # last: a scene whose list is there is whole
