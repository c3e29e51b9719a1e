"""Listens to what a node publishes, and notes the stamp of every update in a file. A process of its own."""

import sys
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from sensor_msgs.msg import PointCloud2

from ssen_ros.msg import InstanceArray
from ssen_ros.ros.conversions import ns_from_time
from ssen_ros.ros.qos import LATCHED


def main() -> None:
    rclpy.init()
    node, heard = rclpy.create_node(sys.argv[1]), Path(sys.argv[2])

    def note(message: InstanceArray) -> None:
        with heard.open("a") as file:
            file.write(f"{ns_from_time(message.header.stamp)}\n")

    node.create_subscription(PointCloud2, "/ssen/semantic_cloud", lambda data: None, LATCHED, raw=True)
    node.create_subscription(InstanceArray, "/ssen/instances", note, LATCHED)
    heard.touch()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass


if __name__ == "__main__":
    main()
