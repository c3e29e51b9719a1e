"""Keep-out polygons for navigation: the footprints of labelled objects, on the topic `keep_out`.

python3 keep_out.py --ros-args -p classes:="[chair, table]" -p margin_m:=0.15

For nav2's collision monitor (ROS 2 Jazzy and later):
  observation_sources: ["objects"]
  objects: {type: "polygon", topic: "/keep_out", source_timeout: 2.0}

One geometry_msgs/PolygonInstanceStamped (ROS 2 Iron and later) for each object, every `period_s`, with the
time of sending: the monitor forgets what is older than its source_timeout. `id` is the object's. A polygon
without points: the object is gone. For an ssen_node in a namespace: -r __ns:=/robot1.
"""

import math
import sys
from collections import deque

import rclpy
from geometry_msgs.msg import Point32, Polygon, PolygonInstance, PolygonInstanceStamped
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from std_msgs.msg import Header

from ssen_ros.msg import Instance, InstanceArray

TICK_S = 0.02  # a few polygons each: the monitor keeps five that it has not yet read


class KeepOut(Node):
    def __init__(self):
        super().__init__("keep_out")
        classes = self._value("classes", [""])  # [""]: all
        self._classes = [classes] if isinstance(classes, str) else classes
        self._margin = float(self._value("margin_m", 0.1))  # around the box
        self._clearance = float(self._value("clearance_m", 1.5))  # what hangs higher is passed under
        self._period_s = float(self._value("period_s", 0.5))  # from one sending of a polygon to the next
        self._frame_id = ""
        self._polygons: dict[int, Polygon] = {}
        self._turn: deque[int] = deque()  # ids, in the order in which they are sent
        self._publisher = self.create_publisher(PolygonInstanceStamped, "keep_out", 10)
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(InstanceArray, "ssen/instances", self._update, latched)
        self.create_timer(TICK_S, self._send_some)

    def _value(self, name: str, default):
        """Of a parameter; 1 is as good as 1.0, and chair as [chair]."""
        return self.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=True)).value

    def _update(self, msg: InstanceArray) -> None:
        polygons = {i.id: footprint(i, self._margin) for i in msg.instances if self._is_in_the_way(i)}
        gone = self._polygons.keys() - polygons.keys()
        self._frame_id, self._polygons = msg.header.frame_id, polygons
        self._turn = deque(polygons)
        for id_ in gone:
            self._send(id_, Polygon())

    def _send_some(self) -> None:
        for _ in range(math.ceil(len(self._turn) * TICK_S / self._period_s)):
            self._send(self._turn[0], self._polygons[self._turn[0]])
            self._turn.rotate(-1)

    def _is_in_the_way(self, instance: Instance) -> bool:
        """Missing objects too, until they are retired: an obstacle out of sight is one all the same."""
        bottom = instance.box_pose.position.z - instance.box_size.z / 2
        wanted = self._classes == [""] or instance.class_name in self._classes
        return wanted and bottom < self._clearance

    def _send(self, id_: int, polygon: Polygon) -> None:
        header = Header(frame_id=self._frame_id, stamp=self.get_clock().now().to_msg())
        instance = PolygonInstance(polygon=polygon, id=id_)
        self._publisher.publish(PolygonInstanceStamped(header=header, polygon=instance))


def footprint(instance: Instance, margin: float) -> Polygon:
    """The corners of the box, widened by `margin` m, counter-clockwise, at the height of its bottom."""
    center, turn = instance.box_pose.position, instance.box_pose.orientation
    yaw = 2.0 * math.atan2(turn.z, turn.w)
    along, across = instance.box_size.x / 2 + margin, instance.box_size.y / 2 + margin
    corners = [(along, across), (-along, across), (-along, -across), (along, -across)]
    return Polygon(
        points=[
            Point32(
                x=center.x + x * math.cos(yaw) - y * math.sin(yaw),
                y=center.y + x * math.sin(yaw) + y * math.cos(yaw),
                z=center.z - instance.box_size.z / 2,
            )
            for x, y in corners
        ]
    )


def main() -> int:
    rclpy.init(args=sys.argv)
    try:
        rclpy.spin(KeepOut())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # else a signal has taken the context away under a callback
            raise
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
