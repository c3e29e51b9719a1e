"""The node `/ssen_player`: plays a stored cloud as the growing map of a SLAM on `cloud_map`."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rclpy.context import Context

from ssen_ros.cloud_io import Cloud, read_cloud
from ssen_ros.config import param
from ssen_ros.errors import ConfigError
from ssen_ros.labels import NO_COLOR
from ssen_ros.ros.main_loop import finish, run
from ssen_ros.ros.map_publisher import MapPublisherNode, MapStep, PublishingConfig
from ssen_ros.ros.parameters import declare


@dataclass(frozen=True)
class PlayerConfig(PublishingConfig):
    cloud: str = param("", "file to play: .ply, .pcd or .npz")
    maps: int = param(10, "steps in which the map grows to the whole cloud", unit="maps", low=1)
    growth: str = param(
        "auto",
        "auto: frames where the file has first_frame, else sweep; sweep: along the longest axis; "
        "whole: the whole cloud, `maps` times",
        choices=("auto", "frames", "sweep", "whole"),
    )


class PlayerNode(MapPublisherNode):
    """Publishes a file's points as if a camera had found them one after the other."""

    def __init__(self, context: Context, stop: threading.Event):
        super().__init__("ssen_player", context, stop)
        config = declare(self, PlayerConfig())
        if not config.cloud:
            raise ConfigError("cloud = '': expected the path of a .ply, .pcd or .npz file; set the parameter")
        cloud = read_cloud(config.cloud)
        if cloud.colors is None:
            self.get_logger().warning(f"{config.cloud} has no colour: published as grey")
        growth = resolve_growth(config.growth, cloud)
        self.get_logger().info(f"read {len(cloud)} points from {config.cloud}, growing by {growth}")
        self.play(growing_maps(cloud, config.maps, growth), config.maps, config)


def resolve_growth(growth: str, cloud: Cloud) -> str:
    """The way to grow that "auto" stands for.

    Raises ConfigError where growth by frames is asked for and the cloud has none.
    """
    if growth == "auto":
        return "sweep" if cloud.first_frame is None else "frames"
    if growth == "frames" and cloud.first_frame is None:
        raise ConfigError("growth = 'frames': the file has no first_frame; use sweep or whole")
    return growth


def growing_maps(cloud: Cloud, maps: int, growth: str) -> Iterator[MapStep]:
    """`maps` steps, each with all the points of the one before; the last is the whole cloud."""
    colors = cloud.colors
    if colors is None:
        colors = np.full(cloud.points.shape, NO_COLOR, dtype=np.uint8)
    step = _first_step(cloud, maps, growth)
    for current in range(maps):
        seen = step <= current
        yield cloud.points[seen], colors[seen]


def _first_step(cloud: Cloud, maps: int, growth: str) -> np.ndarray:
    """(N,) int, 0..maps-1: the step in which each point appears."""
    if growth == "whole":
        return np.zeros(len(cloud), dtype=np.int64)
    if growth == "frames":
        frames, position = np.unique(cloud.first_frame, return_inverse=True)
        return position * maps // len(frames)
    extent = np.ptp(cloud.points, axis=0)
    along = cloud.points[:, int(extent.argmax())]
    share = (along - along.min()) / max(float(extent.max()), 1e-9)
    return np.minimum((share * maps).astype(np.int64), maps - 1)


def main(args: list[str] | None = None) -> int:
    return finish(run("ssen_player", PlayerNode, args))


if __name__ == "__main__":
    sys.exit(main())
