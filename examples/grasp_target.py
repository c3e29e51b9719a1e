"""A target for grasping: the object of a class that is nearest to a place, or the object with an id.

python3 grasp_target.py --class chair --near 1.0 0.5 0.8
python3 grasp_target.py --id 7 --out target.npz

Asks a running ssen_node (for one in a namespace: --ros-args -r __ns:=/robot1). Prints one JSON object: id,
class, box and number of points, in the frame of the map; --out keeps the points. Exit code 1: no such object,
and why.
"""

import argparse
import json
import math
import sys

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from ssen_ros.io.point_cloud2 import from_msg  # or sensor_msgs_py.point_cloud2, on a distribution
from ssen_ros.msg import Instance
from ssen_ros.srv import GetInstances

TIMEOUT_S = 10.0


def main() -> int:
    args = parse(remove_ros_args(sys.argv)[1:])
    rclpy.init(args=sys.argv)
    node = rclpy.create_node("grasp_target")
    try:
        response = ask(node, GetInstances.Request(ids=args.ids, class_names=args.classes, with_clouds=True))
        targets = list(zip(response.instances.instances, map(from_msg, response.clouds)))
        if not targets:
            raise LookupError(response.message)
        distances = [distance(points, args.near) for _, (points, _, _) in targets]
        nearest = int(np.argmin(distances))
    except (LookupError, TimeoutError) as error:
        print(f"grasp_target: {error}", file=sys.stderr)
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    instance, (points, colors, _) = targets[nearest]
    if args.out:
        try:
            np.savez(args.out, points=points, colors=colors)
        except OSError as error:
            print(f"grasp_target: {error}", file=sys.stderr)
            return 1
    frame_id = response.instances.header.frame_id
    print(json.dumps({"frame_id": frame_id, "distance_m": distances[nearest], **describe(instance, points)}))
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", dest="ids", type=object_id, nargs=1, default=[])
    which.add_argument("--class", dest="classes", nargs=1, metavar="NAME", default=[])
    parser.add_argument(
        "--near", type=float, nargs=3, default=[0.0] * 3, metavar=("X", "Y", "Z"), help="m, map"
    )
    parser.add_argument("--out", metavar="F.npz", help="write the points (m) and colours of the object")
    return parser.parse_args(arguments)


def object_id(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError(f"{text!r} is no id: expected a number from 1")
    return int(text)


def ask(node: Node, request: GetInstances.Request) -> GetInstances.Response:
    """Raises TimeoutError where no ssen_node answers."""
    client = node.create_client(GetInstances, "ssen/get_instances")
    if not client.wait_for_service(TIMEOUT_S):
        raise TimeoutError(f"no service {client.srv_name} within {TIMEOUT_S:g} s; is ssen_node running?")
    future = client.call_async(request)
    rclpy.spin_until_future_complete(node, future, timeout_sec=TIMEOUT_S)
    if not future.done():
        raise TimeoutError(f"{client.srv_name} did not answer within {TIMEOUT_S:g} s")
    return future.result()


def distance(points: np.ndarray, place: list[float]) -> float:
    """From a place to the nearest point, m: what a gripper meets first."""
    return float(np.linalg.norm(points - np.array(place), axis=1).min(initial=np.inf))


def describe(instance: Instance, points: np.ndarray) -> dict:
    position, turn, size = instance.box_pose.position, instance.box_pose.orientation, instance.box_size
    return {
        "id": instance.id,
        "class_name": instance.class_name,
        "score": instance.score,
        "box": {
            "center": [position.x, position.y, position.z],
            "size": [size.x, size.y, size.z],
            "yaw": 2.0 * math.atan2(turn.z, turn.w),
        },
        "points": len(points),
    }


if __name__ == "__main__":
    sys.exit(main())
