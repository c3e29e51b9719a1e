"""A node that plays the part of a SLAM: publishes a growing map on `cloud_map`, step by step."""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from rclpy.clock import Clock, ClockType  # pyright: ignore[reportPrivateImportUsage]  # Humble has it there alone
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ssen_ros.config import param
from ssen_ros.errors import SsenError
from ssen_ros.ros.conversions import CloudWriter
from ssen_ros.ros.qos import LATCHED

MapStep = tuple[np.ndarray, np.ndarray]  # points (N, 3) m, colors (N, 3) uint8: the whole map so far

_DELIVERY_TIMEOUT_S = 10.0
_PROGRESS_EVERY = 5  # maps


@dataclass(frozen=True)
class PublishingConfig:
    """Parameters that the simulator and the player share."""

    rate_hz: float = param(1.0, "maps published per second", unit="Hz", low=0.01, high=100.0)
    frame_id: str = param("map", "frame of the clouds")
    wait_for_subscriber_s: float = param(
        30.0, "the first map waits this long for somebody to listen", unit="s", low=0.0, high=3600.0
    )
    exit_when_done: bool = param(
        False, "end after the last map has been delivered, instead of keeping it latched for late subscribers"
    )


class MapPublisherNode(Node):
    """Publishes the clouds handed to `play`, reliable and latched.

    A latched publisher keeps one map, and sending the next overwrites what is not yet across; so
    the next map waits until the last one is (in vain for no longer than ten seconds). Every map that
    is published therefore reaches whoever listened at the time.
    """

    def __init__(self, name: str, context: Context, stop: threading.Event):
        super().__init__(name, context=context, automatically_declare_parameters_from_overrides=True)
        self._stop = stop
        self._writer = CloudWriter()
        self._publisher = self.create_publisher(PointCloud2, "cloud_map", LATCHED)
        self.published = 0  # maps

    def stamped(self, steps: Iterable[MapStep], config: PublishingConfig) -> Iterator[PointCloud2]:
        """Messages of maps, each stamped with the time at which it is taken, so of publishing."""
        for points, colors in steps:
            header = Header(stamp=self.get_clock().now().to_msg(), frame_id=config.frame_id)
            yield self._writer.write(header, points, colors)

    def play(self, clouds: Iterator[PointCloud2], total: int, config: PublishingConfig) -> None:
        """Publish `clouds` at the configured rate; `total` is how many there are, for the log."""
        self._clouds, self._total, self._config = clouds, total, config
        self._waiting_until_s = time.monotonic() + config.wait_for_subscriber_s
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(1.0 / config.rate_hz, self._publish_next, clock=steady)
        self.get_logger().info(f"publishing {total} maps on {self._publisher.topic_name}")

    def _publish_next(self) -> None:
        if not self._somebody_listens() or not self._last_is_delivered():
            return
        try:
            cloud = next(self._clouds, None)
        except SsenError as error:  # of a recording that is damaged further on
            self.get_logger().error(f"ends before its end: {error}")
            cloud = None
        if cloud is None:
            self._finish()
            return
        self._publisher.publish(cloud)
        self.published += 1
        self._deliver_until_s = time.monotonic() + _DELIVERY_TIMEOUT_S
        if self.published % _PROGRESS_EVERY == 0 or self.published in (1, self._total):
            points = cloud.width * cloud.height
            self.get_logger().info(f"map {self.published} of {self._total}: {points} points")

    def _somebody_listens(self) -> bool:
        return (
            self.published > 0
            or self._publisher.get_subscription_count() > 0
            or time.monotonic() >= self._waiting_until_s
        )

    def _last_is_delivered(self) -> bool:
        return (
            self.published == 0
            or self._publisher.wait_for_all_acked(Duration(seconds=0))
            or time.monotonic() >= self._deliver_until_s
        )

    def _finish(self) -> None:
        self._timer.cancel()
        self.get_logger().info(f"done: published {self.published} maps; the last one stays latched")
        if self._config.exit_when_done:
            if not self._publisher.wait_for_all_acked(Duration(seconds=_DELIVERY_TIMEOUT_S)):
                self.get_logger().warning(f"the last map was not delivered within {_DELIVERY_TIMEOUT_S:g} s")
            self._stop.set()
