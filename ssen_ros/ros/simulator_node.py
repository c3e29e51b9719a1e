"""The node `/ssen_simulator`: a simulated RGB-D SLAM, publishing its map of a room on `cloud_map`."""

import math
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from rclpy.context import Context

from ssen_ros.config import param
from ssen_ros.ros.main_loop import finish, run
from ssen_ros.ros.map_publisher import MapPublisherNode, MapStep, PublishingConfig
from ssen_ros.ros.parameters import declare
from ssen_ros.simulation.slam import SimulatedSlam


@dataclass(frozen=True)
class SimulatorConfig(PublishingConfig):
    seed: int = param(0, "of the room and of the walk through it; the same seed gives the same maps", low=0)
    frames_per_map: int = param(2, "camera frames between one map and the next", unit="frames", low=1)
    max_maps: int = param(0, "end the walk after so many maps; 0: walk to its end", unit="maps", low=0)


class SimulatorNode(MapPublisherNode):
    """Walks a virtual camera through a room and publishes what it has mapped so far."""

    def __init__(self, context: Context, stop: threading.Event):
        super().__init__("ssen_simulator", context, stop)
        config = declare(self, SimulatorConfig())
        self.get_logger().info(f"building room {config.seed}")
        slam = SimulatedSlam(config.seed)
        total = math.ceil(len(slam) / config.frames_per_map)
        if config.max_maps:
            total = min(total, config.max_maps)
        maps = _maps(slam, config.frames_per_map, total)
        self.play(self.stamped(maps, config), total, config)


def _maps(slam: SimulatedSlam, frames_per_map: int, total: int) -> Iterator[MapStep]:
    for _ in range(total):
        slam.advance(frames_per_map)
        yield slam.cloud()


def main(args: list[str] | None = None) -> int:
    return finish(run("ssen_simulator", SimulatorNode, args))


if __name__ == "__main__":
    sys.exit(main())
