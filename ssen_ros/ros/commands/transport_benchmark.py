"""`ssen bench transport`: how many large clouds arrive at a ssen_node in another process."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ssen_ros.benchmarks.rooms import room
from ssen_ros.errors import SsenError
from ssen_ros.io.samples import VOXEL_SIZE
from ssen_ros.ros.commands.observing import observer
from ssen_ros.ros.commands.running import (
    Running,
    environment_set,
    fast_dds_profile,
    private_environment,
    running,
    sigterm_as_interrupt,
)
from ssen_ros.ros.conversions import CloudWriter
from ssen_ros.ros.diagnostics import read_diagnostics
from ssen_ros.ros.installed import shared_file
from ssen_ros.ros.node_table import ssen_node_process
from ssen_ros.ros.qos import QUIET

_ROOM_VOXELS = 150_000
_POINT_BYTES = 16  # x, y, z, rgb
_START_TIMEOUT_S = 120.0
_SETTLE_S = 5.0  # without another cloud counted: none is on its way


def benchmark_transport(
    megabytes: float, rate_hz: float, seconds: float, reliability: str, profile: str
) -> dict[str, float | int | str]:
    """One row. The node runs its shipped networks on a room meanwhile, as it does behind a SLAM.

    `profile`: "shipped" for config/fastdds_large_clouds.xml in both processes, "none" for none; the user's
    own wins, and a small /dev/shm forbids ours. The row names the file that was used.
    `longest_callback_ms` is that of the node's subscription.

    Raises:
        SsenError: the node died, or heard nothing.
    """
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_interrupt())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = private_environment(folder, large_clouds=profile == "shipped")
        stack.enter_context(environment_set(environment))
        slam = stack.enter_context(_slam(int(environment["ROS_DOMAIN_ID"]), reliability, megabytes))
        parameters_file = shared_file("ssen_ros", "config/ssen.yaml")
        node = stack.enter_context(running(ssen_node_process(), folder, parameters_file))
        slam.wait_until_heard(node)
        received, segmented = slam.count("clouds_received"), slam.count("clouds_processed")
        sent = slam.publish_for(seconds, rate_hz, node)
        slam.settle(node)
        return {
            "profile": fast_dds_profile(),
            "reliability": reliability,
            "MB": megabytes,
            "Hz": rate_hz,
            "sent": sent,
            "received": slam.count("clouds_received") - received,
            "segmented": slam.count("clouds_processed") - segmented,
            "longest_callback_ms": round(1000 * float(slam.status["longest_callback_s"]), 3),
            "longest_publish_ms": round(1000 * slam.longest_publish_s, 1),
        }


@dataclass
class _Slam:
    """Publishes one map again and again, with a point moved, and reads what the node reports."""

    node: Node
    executor: SingleThreadedExecutor
    publisher: Publisher
    points: np.ndarray
    colors: np.ndarray
    status: dict[str, str] = field(default_factory=dict)
    longest_publish_s: float = 0.0

    def __post_init__(self):
        self._writer = CloudWriter()
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_report, QoSProfile(depth=10))

    def _on_report(self, msg: DiagnosticArray) -> None:
        self.status = read_diagnostics(msg, "ssen") or self.status

    def count(self, name: str) -> int:
        return int(self.status.get(name, 0))

    def publish(self) -> None:
        self.points[0, 2] += 0.001  # another map than the last: it gets a pass
        header = Header(stamp=self.node.get_clock().now().to_msg(), frame_id="map")
        cloud = self._writer.write(header, self.points, self.colors)
        start_s = time.perf_counter()
        self.publisher.publish(cloud)
        self.longest_publish_s = max(self.longest_publish_s, time.perf_counter() - start_s)

    def spin_for(self, seconds: float, node: Running) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            node.fail_if_dead()
            self.executor.spin_once(timeout_sec=min(left_s, 0.1))

    def wait_until_heard(self, node: Running) -> None:
        """The node takes a moment to load its networks, and to settle for what is offered."""
        give_up_s = time.monotonic() + _START_TIMEOUT_S
        while not self.count("clouds_received"):
            if time.monotonic() > give_up_s:
                node.explain()
                raise SsenError(
                    f"not one cloud of {len(self.points) * _POINT_BYTES / 1e6:g} MB was received within "
                    f"{_START_TIMEOUT_S:g} s; expected one; take smaller clouds, or --profile shipped"
                )
            if self.status.get("cloud_publishers", "0") != "0":
                self.publish()
            self.spin_for(1.5, node)
        self.settle(node)
        self.longest_publish_s = 0.0

    def publish_for(self, seconds: float, rate_hz: float, node: Running) -> int:
        """Returns how many were published; a late one is followed by the next at once."""
        start_s = time.monotonic()
        total = int(seconds * rate_hz)
        for k in range(total):
            self.spin_for(start_s + k / rate_hz - time.monotonic(), node)
            self.publish()
        return total

    def settle(self, node: Running) -> None:
        """Until no further cloud is counted."""
        seen = -1
        while seen != self.count("clouds_received"):
            seen = self.count("clouds_received")
            self.spin_for(_SETTLE_S, node)


@contextmanager
def _slam(domain_id: int, reliability: str, megabytes: float) -> Iterator[_Slam]:
    points, colors = _dense_room(int(megabytes * 1e6 / _POINT_BYTES))
    profile = QoSProfile(
        depth=1,
        reliability=QoSReliabilityPolicy[reliability.upper()],
        durability=QoSDurabilityPolicy.VOLATILE,
    )
    with observer("ssen_bench", domain_id) as (node, executor):
        publisher = node.create_publisher(PointCloud2, "cloud_map", profile, event_callbacks=QUIET)
        yield _Slam(node, executor, publisher, points, colors)


def _dense_room(count: int) -> tuple[np.ndarray, np.ndarray]:
    """A room as a SLAM with small voxels has it: (count, 3) points, m, and (count, 3) uint8 colours."""
    sample = room(_ROOM_VOXELS)
    rng = np.random.default_rng(0)
    row = rng.integers(len(sample.points), size=count)
    points = sample.points[row] + rng.uniform(-VOXEL_SIZE / 2, VOXEL_SIZE / 2, (count, 3)).astype(np.float32)
    return points.astype(np.float32), sample.colors[row]
