"""A map that is not live, on the desk of the view: a cloud that was segmented, or a saved map."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ssen_ros.corrections import Edit
from ssen_ros.io.saved_map import SavedMap, write_map
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.structures import StepResult
from ssen_ros.view.export import export_room


class FileDesk:
    """Corrects one result, and keeps all of it in one file: map, objects and the log of corrections."""

    def __init__(self, pipeline: SsenPipeline, result: StepResult, saved: SavedMap, path: Path):
        """`path` is the file to keep it in, of which `saved` is the content; each correction writes it."""
        self.title = path.stem
        self.class_names = tuple(pipeline.segmenter.class_names)
        self.changed: Callable[[LabelledMap], None] = lambda labelled: None  # called with each corrected map
        self._pipeline = pipeline
        self._result = result
        self._saved = saved
        self._path = path
        self._lock = threading.Lock()

    @property
    def labelled(self) -> LabelledMap:
        return LabelledMap.from_step(self._result, self.class_names, self._saved.frame_id)

    def correct(self, edit: Edit) -> str:
        with self._lock:
            result = self._pipeline.correct(self._result, edit)
            write_map(self._path, replace(self._saved, memory=result.memory), overwrite=True)
            self._result = result
        self.changed(self.labelled)
        count = len(result.memory.corrections)
        return f"{count} {'correction' if count == 1 else 'corrections'} in {self._path.name}"

    def export(self, labelled: LabelledMap) -> Sequence[Path]:
        return export_room(labelled, self._path.parent, self._path.stem)
