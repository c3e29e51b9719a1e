"""Labelled objects as collision objects of MoveIt 2: a box each in the planning scene of move_group.

python3 moveit_objects.py --ros-args -p except_classes:="[cup]" -p padding_m:=0.01

Sends moveit_msgs/PlanningScene differences on `planning_scene`: boxes named class_id, such as table_7, that
are added, moved and taken away with the objects of ssen_node; all again every `period_s`, for a move_group
that has started later. What is to be grasped is left out by its class. Needs a transform from the map's frame
to the robot's (MoveIt drops what it cannot place). For an ssen_node in a namespace: -r __ns:=/robot1.

Written after moveit_msgs and shape_msgs; tried with stand-ins for them only.
"""

import sys

import rclpy
from geometry_msgs.msg import Pose
from moveit_msgs.msg import CollisionObject, PlanningScene, PlanningSceneWorld
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from shape_msgs.msg import SolidPrimitive
from std_msgs.msg import Header

from ssen_ros.msg import Instance, InstanceArray


class MoveItObjects(Node):
    def __init__(self):
        super().__init__("moveit_objects")
        classes = self._value("except_classes", [""])
        self._except = {classes} if isinstance(classes, str) else set(classes)
        self._padding = float(self._value("padding_m", 0.0))
        self._shown: dict[str, CollisionObject] = {}
        self._publisher = self.create_publisher(PlanningScene, "planning_scene", 10)
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(InstanceArray, "ssen/instances", self._update, latched)
        self.create_timer(float(self._value("period_s", 5.0)), self._send_again)

    def _value(self, name: str, default):
        """Of a parameter; 1 is as good as 1.0, and cup as [cup]."""
        return self.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=True)).value

    def _update(self, msg: InstanceArray) -> None:
        wanted = [instance for instance in msg.instances if instance.class_name not in self._except]
        boxes = {name_of(instance): to_box(msg.header, instance, self._padding) for instance in wanted}
        gone = [to_removal(msg.header, name) for name in self._shown.keys() - boxes.keys()]
        self._shown = boxes
        self._send([*gone, *boxes.values()])

    def _send_again(self) -> None:
        self._send(list(self._shown.values()))

    def _send(self, objects: list[CollisionObject]) -> None:
        if objects:
            world = PlanningSceneWorld(collision_objects=objects)
            self._publisher.publish(PlanningScene(is_diff=True, world=world))


def name_of(instance: Instance) -> str:
    return f"{instance.class_name.replace(' ', '_')}_{instance.id}"


def to_box(header: Header, instance: Instance, padding: float) -> CollisionObject:
    """The object's box, `padding` m wider on each side; it takes the place of one that has its name."""
    size = instance.box_size
    edges = [float(edge) + 2.0 * padding for edge in (size.x, size.y, size.z)]
    return CollisionObject(
        header=Header(frame_id=header.frame_id),  # stamp 0: where the frame is now
        id=name_of(instance),
        pose=instance.box_pose,
        primitives=[SolidPrimitive(type=SolidPrimitive.BOX, dimensions=edges)],
        primitive_poses=[Pose()],  # in the object's own frame
        operation=CollisionObject.ADD,
    )


def to_removal(header: Header, name: str) -> CollisionObject:
    return CollisionObject(header=Header(frame_id=header.frame_id), id=name, operation=CollisionObject.REMOVE)


def main() -> int:
    rclpy.init(args=sys.argv)
    try:
        rclpy.spin(MoveItObjects())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
