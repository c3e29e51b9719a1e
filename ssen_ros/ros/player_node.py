"""The node `/ssen_player`: plays a stored cloud as a map that grows, or a recording, on `cloud_map`."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rclpy.context import Context
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import PointCloud2

from ssen_ros.config import param
from ssen_ros.errors import BagError, ConfigError
from ssen_ros.io.bags import BagReader, is_bag
from ssen_ros.io.clouds import read_cloud
from ssen_ros.ros.main_loop import finish, run
from ssen_ros.ros.map_publisher import MapPublisherNode, MapStep, PublishingConfig
from ssen_ros.ros.parameters import declare
from ssen_ros.structures import Cloud


@dataclass(frozen=True)
class PlayerConfig(PublishingConfig):
    cloud: str = param("", "to play: a .ply, .pcd or .npz file, or a recording (folder, .mcap or .db3)")
    bag_topic: str = param("", "topic of the recording; empty: the only one with point clouds")
    maps: int = param(10, "steps in which a stored cloud grows to the whole", unit="maps", low=1)
    growth: str = param(
        "auto",
        "auto: frames where the file has first_frame, else sweep; sweep: along the longest axis; "
        "whole: the whole cloud, `maps` times",
        choices=("auto", "frames", "sweep", "whole"),
    )


class PlayerNode(MapPublisherNode):
    """Publishes what a file holds."""

    def __init__(self, context: Context, stop: threading.Event):
        super().__init__("ssen_player", context, stop)
        config = declare(self, PlayerConfig())
        if not config.cloud:
            raise ConfigError("cloud = '': expected the path of a cloud or a recording; set the parameter")
        if is_bag(config.cloud):
            self._play_recording(config)
        else:
            self._play_growing(config)

    def _play_recording(self, config: PlayerConfig) -> None:
        """As it was recorded: fields, stamps, frames."""
        bag = BagReader(config.cloud, config.bag_topic)
        self.get_logger().info(f"{len(bag)} clouds on {bag.topic} in {config.cloud}")
        self.play((_deserialized(data) for _, data in bag.raw()), len(bag), config)

    def _play_growing(self, config: PlayerConfig) -> None:
        """As if a camera had found the points one after the other."""
        cloud = read_cloud(config.cloud)
        if cloud.colors is None:
            self.get_logger().warning(f"{config.cloud} has no colour: published as grey")
        growth = resolve_growth(config.growth, cloud)
        self.get_logger().info(f"read {len(cloud)} points from {config.cloud}, growing by {growth}")
        maps = growing_maps(cloud, config.maps, growth)
        self.play(self.stamped(maps, config), config.maps, config)


def _deserialized(data: bytes) -> PointCloud2:
    try:
        return deserialize_message(data, PointCloud2)
    except Exception as error:  # rclpy's own, for bytes that are none
        raise BagError(f"a recorded cloud cannot be read ({error})") from error


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
    colors = cloud.colors_or_grey
    step = _first_step(cloud, maps, growth)
    for current in range(maps):
        seen = step <= current
        yield cloud.points[seen], colors[seen]


def _first_step(cloud: Cloud, maps: int, growth: str) -> np.ndarray:
    """(N,) int, 0..maps-1: the step in which each point appears."""
    if growth == "whole":
        return np.zeros(len(cloud), dtype=np.int64)
    if growth == "frames" and cloud.first_frame is not None:
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
