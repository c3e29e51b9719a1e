"""The map as viser draws it: a scene becomes another one by what has changed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ssen_ros.view.scene import Changes, Lines, TileKey

_POINT_SIZE = 0.9  # of a voxel's edge
_MARK_COLOR = (255, 214, 0)
_SKY_M = 500.0  # radius of the sphere that catches drags; nobody sees it


class Canvas:
    """What has been sent to all who look on. Not for two threads at once."""

    def __init__(self, scene: Any):
        self.tiles: dict[TileKey, Any] = {}  # viser's handles
        self.labels: dict[int, Any] = {}
        self._scene = scene
        self._sky: Any = None
        self._stroke: list[Any] = []
        scene.set_up_direction("+z")

    def apply(self, changes: Changes, point_size: float) -> None:
        """`point_size` in m."""
        for key in changes.tiles_gone:
            self.tiles.pop(key).remove()
        for key, tile in changes.tiles.items():
            self.tiles[key] = self._scene.add_point_cloud(
                f"/map/{'_'.join(map(str, key))}",
                tile.points,
                tile.colors,
                point_size=_POINT_SIZE * point_size,
                point_shading="flat",
                position=tuple(tile.origin.tolist()),
            )
        for key, colors in changes.colors.items():
            self.tiles[key].colors = colors
        if changes.boxes is not None:
            self.draw_lines("/boxes", changes.boxes, 2.0)
        for id in changes.labels_gone:
            self.labels.pop(id).remove()
        for id, label in changes.labels.items():
            if id in self.labels:
                self.labels[id].text, self.labels[id].position = label.text, label.position
            else:
                self.labels[id] = self._scene.add_label(
                    f"/labels/{id}",
                    label.text,
                    position=label.position,
                    anchor="bottom-center",
                    font_screen_scale=0.8,
                )

    def resize_points(self, point_size: float) -> None:
        for handle in self.tiles.values():
            handle.point_size = _POINT_SIZE * point_size

    def draw_lines(self, name: str, lines: Lines, thickness: float) -> None:
        if len(lines.points):
            self._scene.add_line_segments(
                name, lines.points, lines.colors, thickness=thickness, thickness_units="screen"
            )
        else:
            self._scene.remove_by_name(name)

    def draw_clicked(self, points: Sequence[np.ndarray], point_size: float) -> None:
        """Mark where the tool has been clicked so far, (3,) m each."""
        if len(points):
            self._scene.add_point_cloud(
                "/clicked", np.array(points, np.float32), _MARK_COLOR, point_size=4 * point_size,
                point_shape="circle", precision="float32",
            )  # fmt: skip
        else:
            self._scene.remove_by_name("/clicked")

    def draw_stroke(self, points: np.ndarray, point_size: float) -> None:
        """Mark (n, 3) points, m, as painted, until the stroke is cleared."""
        self._stroke.append(
            self._scene.add_point_cloud(
                f"/stroke/{len(self._stroke)}",
                points.astype(np.float32),
                _MARK_COLOR,
                point_size=1.3 * point_size,
                point_shading="flat",
                precision="float32",
            )
        )

    def clear_stroke(self) -> None:
        while self._stroke:
            self._stroke.pop().remove()

    def catch_drags(self, callback: Callable[[Any], None] | None) -> None:
        """Have drags told to it, instead of turning the map; None: turn it again.

        Points are not what viser takes drags of: what takes them is an unseen sphere around all. As a wire
        frame, because a surface, though unseen, would be shaded all over the picture.
        """
        if self._sky is not None:
            self._sky.remove()
            self._sky = None
        if callback is not None:
            self._sky = self._scene.add_icosphere(
                "/sky", _SKY_M, opacity=0.0, side="double", subdivisions=1, wireframe=True,
                cast_shadow=False, receive_shadow=False,
            )  # fmt: skip
            self._sky.on_drag("left")(callback)
