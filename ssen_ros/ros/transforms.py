"""Where one frame lies in another, and the frame in which the map is kept."""

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.time import Time as RclTime
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from ssen_ros.errors import ConfigError, FrameError
from ssen_ros.ros.parameters import FramesConfig, StaticTransformConfig
from ssen_ros.stamps import jump_back_s, ns_from_time

_POLL_S = 0.02


@dataclass(frozen=True)
class Transform:
    """target_T_source: takes points given in the source frame to the target frame."""

    rotation: np.ndarray  # (3, 3) float64
    translation: np.ndarray  # (3,) float64, m

    def apply(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) float64, m, of (N, 3) points, m."""
        return points @ self.rotation.T + self.translation

    def inverse(self) -> "Transform":
        return Transform(self.rotation.T, -self.rotation.T @ self.translation)

    @property
    def tilt_deg(self) -> float:
        """Angle between the +Z of the two frames."""
        return math.degrees(math.acos(np.clip(self.rotation[2, 2], -1.0, 1.0)))


IDENTITY = Transform(np.eye(3), np.zeros(3))


class TransformSource(Protocol):
    """Knows where frames lie."""

    def lookup(self, target: str, source: str, stamp: Time) -> Transform:
        """target_T_source at that time. Raises FrameError where it is not known: there is no default."""
        ...

    def close(self) -> None:
        """Stop listening."""


class StaticTransforms:
    """One transform, from the parameters; it holds at all times, and backwards."""

    def __init__(self, config: StaticTransformConfig):
        self._frames = config.frame_id, config.child_frame_id
        turn = Rotation.from_euler("xyz", [config.roll, config.pitch, config.yaw])  # about fixed axes
        self._parent_T_child = Transform(turn.as_matrix(), np.array([config.x, config.y, config.z]))

    def lookup(self, target: str, source: str, stamp: Time) -> Transform:
        if target == source:
            return IDENTITY
        if (target, source) == self._frames:
            return self._parent_T_child
        if (source, target) == self._frames:
            return self._parent_T_child.inverse()
        parent, child = self._frames
        raise FrameError(
            f"no transform from {source!r} to {target!r}: frames.static_transform places {child!r} in "
            f"{parent!r} alone; correct its names, or clear it to use tf2"
        )

    def close(self) -> None:
        pass


class Tf2Transforms:
    """The transforms of /tf and /tf_static, by tf2_ros.

    Raises ConfigError where tf2_ros is not installed.
    """

    def __init__(self, node: Node, timeout_s: float):
        try:
            import tf2_ros  # late: no part of ROS on PyPI
        except ImportError as error:
            raise ConfigError(
                f"frames.target_frame, gravity_frame and robot_frame need tf2_ros ({error}): install "
                "tf2_ros_py of your ROS distribution, or set frames.static_transform"
            ) from error
        self._node = node
        self._timeout_s = timeout_s
        self._exception = tf2_ros.TransformException
        # With the node, it is emptied when simulated time jumps back, and answers on tf2_frames.
        self._buffer = tf2_ros.Buffer(node=node)
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._newest_ns = 0  # stamp of the clouds that were placed
        self._late = 0  # clouds in a row that were refused and are older than that

    def lookup(self, target: str, source: str, stamp: Time) -> Transform:
        if target == source:
            return IDENTITY
        # tf2_ros's own waiting goes by the node's clock, which may stand still.
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            try:
                found = self._buffer.lookup_transform(target, source, RclTime.from_msg(stamp))
            except self._exception as error:
                if time.monotonic() >= deadline_s:
                    self._refused(ns_from_time(stamp))
                    raise FrameError(
                        f"no transform from {source!r} to {target!r} within {self._timeout_s:g} s ({error}): "
                        "check `ros2 run tf2_ros tf2_echo`, and that stamps and use_sim_time go together"
                    ) from error
                time.sleep(_POLL_S)
            else:
                self._newest_ns, self._late = ns_from_time(stamp) or self._newest_ns, 0
                return _from_msg(found.transform)

    def close(self) -> None:
        self._listener.unregister()
        self._node.destroy_service(self._buffer.srv)
        if (on_jump := getattr(self._buffer, "jump_handle", None)) is not None:  # Humble has none
            on_jump.unregister()

    def _refused(self, stamp_ns: int) -> None:
        """Where time has jumped back, the buffer refuses what it hears as too old, until it is emptied.

        One old cloud may be a mistake of its sender; the second in a row says that all is older now.
        """
        if jump_back_s(self._newest_ns, stamp_ns):
            self._late += 1
            if self._late > 1:
                self._buffer.clear()
                self._newest_ns = self._late = 0


def transform_source(node: Node, config: FramesConfig) -> TransformSource | None:
    """What the parameters ask for; None where no frame is to be looked up.

    Raises ConfigError for half a static transform, and where tf2_ros is needed and not installed.
    """
    static = config.static_transform
    if bool(static.frame_id) != bool(static.child_frame_id):
        raise ConfigError(
            f"frames.static_transform has frame_id = {static.frame_id!r} and child_frame_id = "
            f"{static.child_frame_id!r}: expected both, or none"
        )
    if not (config.target_frame or config.gravity_frame or config.robot_frame):
        return None
    return StaticTransforms(static) if static.frame_id else Tf2Transforms(node, config.tf_timeout_s)


class MapFrame:
    """Brings clouds into the frame of the map, in which +Z must be up."""

    def __init__(self, node: Node, config: FramesConfig):
        self._config = config
        self._source = transform_source(node, config)

    def bring(self, header: Header, points: np.ndarray) -> tuple[Header, np.ndarray]:
        """Header and (N, 3) points, m, of a cloud as they are in the map; of the cloud itself by default.

        Raises FrameError where a transform is missing, or the map is tilted by more than `max_tilt_deg`.
        """
        source, target, gravity = self._source, self._config.target_frame, self._config.gravity_frame
        if source is None:
            return header, points
        if target and header.frame_id != target:
            points = source.lookup(target, header.frame_id, header.stamp).apply(points)
            header = Header(stamp=header.stamp, frame_id=target)
        if gravity:
            tilt_deg = source.lookup(gravity, header.frame_id, header.stamp).tilt_deg
            if tilt_deg > self._config.max_tilt_deg:
                raise FrameError(
                    f"+Z of frame {header.frame_id!r} is {tilt_deg:.1f} deg off that of gravity_frame "
                    f"{gravity!r}: expected at most {self._config.max_tilt_deg:g}; set frames.target_frame "
                    "to a frame with +Z up"
                )
        return header, points

    def robot(self, header: Header) -> np.ndarray:
        """(3,) m: where the robot is in the map, at the stamp of a cloud with this header.

        Raises FrameError where a transform is missing, or no frame tells the robot from the map.
        """
        return self._origin(
            header,
            self._config.robot_frame or header.frame_id,
            "map.box_m asks where the robot is",
            "set frames.robot_frame, such as base_link",
        )

    def camera(self, header: Header) -> np.ndarray:
        """(3,) m: where the camera was that made a cloud with this header, in the frame of which it lies.

        Raises FrameError where a transform is missing, or the cloud comes in the frame of the map.
        """
        return self._origin(
            header,
            header.frame_id,
            "map.see_through asks where the camera was",
            "take the camera's own clouds, and set frames.target_frame to the frame of the map",
        )

    def _origin(self, header: Header, frame: str, asked: str, remedy: str) -> np.ndarray:
        """(3,) m: the origin of a frame in the map, at the stamp of a cloud."""
        target = self._config.target_frame or header.frame_id
        if frame == target:
            raise FrameError(f"{asked}, but the clouds come in the map's own frame, {target!r}: {remedy}")
        assert self._source is not None, "one of the two frames is a parameter"
        return self._source.lookup(target, frame, header.stamp).translation

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


def _from_msg(msg: Any) -> Transform:
    """Of a geometry_msgs/Transform."""
    turn = Rotation.from_quat([msg.rotation.x, msg.rotation.y, msg.rotation.z, msg.rotation.w])
    return Transform(turn.as_matrix(), np.array([msg.translation.x, msg.translation.y, msg.translation.z]))
