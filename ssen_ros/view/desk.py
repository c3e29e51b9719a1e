"""What the view is of, and where its corrections go: a running node, or a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ssen_ros.corrections import Edit
from ssen_ros.labelled_map import LabelledMap


class Desk(Protocol):
    """Where the view's map comes from, and where corrections go. Methods are called from any thread."""

    @property
    def title(self) -> str: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def correct(self, edit: Edit) -> str:
        """Do it, see to it that the corrected map is shown, and tell what was done. Raises SsenError."""
        ...

    def export(self, labelled: LabelledMap) -> Sequence[Path]:
        """Write the map as files for other programs, and tell their names. Raises SsenError, OSError."""
        ...
