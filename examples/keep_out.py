"""Keep-out polygons for navigation: the footprints of labelled objects, on the topic `keep_out`.

python3 keep_out.py --ros-args -p classes:="[chair, table]" -p margin_m:=0.15

One geometry_msgs/PolygonInstanceStamped (ROS 2 Iron and later) for each object that is new or has moved; `id`
is the object's. A polygon without points: the object is gone. Reliable and transient_local: who comes late
gets the last ones. For an ssen_node in a namespace: -r __ns:=/robot1.
"""

import math
import sys

import rclpy
from geometry_msgs.msg import Point32, Polygon, PolygonInstance, PolygonInstanceStamped
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from std_msgs.msg import Header

from ssen_ros.msg import Instance, InstanceArray

MOST_OBJECTS = 200  # whose polygons late subscribers get
LATCHED = QoSDurabilityPolicy.TRANSIENT_LOCAL


class KeepOut(Node):
    def __init__(self):
        super().__init__("keep_out")
        classes = self._value("classes", [""])  # [""]: all
        self._classes = [classes] if isinstance(classes, str) else classes
        self._margin = float(self._value("margin_m", 0.1))  # around the box
        self._clearance = float(self._value("clearance_m", 1.5))  # what hangs higher is passed under
        self._published: dict[int, Polygon] = {}
        self._publisher = self.create_publisher(
            PolygonInstanceStamped, "keep_out", QoSProfile(depth=MOST_OBJECTS, durability=LATCHED)
        )
        self.create_subscription(
            InstanceArray, "ssen/instances", self._update, QoSProfile(depth=1, durability=LATCHED)
        )

    def _value(self, name: str, default):
        """Of a parameter; 1 is as good as 1.0, and chair as [chair]."""
        return self.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=True)).value

    def _update(self, msg: InstanceArray) -> None:
        polygons = {i.id: footprint(i, self._margin) for i in msg.instances if self._is_in_the_way(i)}
        gone = {id_: Polygon() for id_ in self._published.keys() - polygons.keys()}
        for id_, polygon in {**polygons, **gone}.items():
            if polygon != self._published.get(id_):
                self._publish(msg.header, id_, polygon)
        self._published = polygons

    def _is_in_the_way(self, instance: Instance) -> bool:
        """Missing objects too, until they are retired: an obstacle out of sight is one all the same."""
        bottom = instance.box_pose.position.z - instance.box_size.z / 2
        wanted = self._classes == [""] or instance.class_name in self._classes
        return wanted and bottom < self._clearance

    def _publish(self, header: Header, id_: int, polygon: Polygon) -> None:
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
