"""The node `/ssen`: takes the map of a SLAM as it grows, publishes its objects.

Three threads of work that never wait for each other's long parts: the subscription converts and
integrates (up to seconds for a million points), the timers wake and report, the worker runs the networks.
"""

import sys
import threading
import time
from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from ssen_ros.config import SsenConfig
from ssen_ros.labels import instance_colors, semantic_colors
from ssen_ros.msg import InstanceArray
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.ros import vision
from ssen_ros.ros.conversions import CloudWriter, from_msg, to_instance_array
from ssen_ros.ros.diagnostics import ErrorThrottle, Health, to_diagnostics
from ssen_ros.ros.live_map import LiveMap
from ssen_ros.ros.main_loop import finish, run
from ssen_ros.ros.markers import MarkerBoard
from ssen_ros.ros.parameters import NodeConfig, declare
from ssen_ros.ros.qos import LATCHED, AdaptiveSubscription
from ssen_ros.ros.worker import InferenceWorker
from ssen_ros.structures import StepResult
from ssen_ros.voxel_map import VoxelMap

_DIAGNOSTICS_PERIOD_S = 1.0
_ERROR_PERIOD_S = 10.0  # the same kind of error is logged no more often
_STOP_TIMEOUT_S = 2.0  # granted to a pass that is running at the end


class SsenNode(Node):
    """Wires the subscription, the live map, the worker and the publishers."""

    def __init__(
        self,
        context: Context,
        make_pipeline: Callable[[SsenConfig], SsenPipeline] = SsenPipeline.from_config,
    ):
        super().__init__("ssen", context=context, automatically_declare_parameters_from_overrides=True)
        self.config = declare(self, NodeConfig())
        self._health = Health()
        self._throttle = ErrorThrottle(_ERROR_PERIOD_S)
        self._colorless_warned = False
        self._pipeline = self._load_pipeline(make_pipeline)
        voxel_size = self._pipeline.segmenter.voxel_size
        self._live_map = LiveMap(VoxelMap(voxel_size, self.config.map.mode))
        self._outputs = _Outputs(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._worker = InferenceWorker(self._live_map, self._pipeline, self._publish, self._on_failed_pass)
        self._subscription = AdaptiveSubscription(
            self,
            PointCloud2,
            "cloud_map",
            self._on_cloud,
            self.config.cloud_qos,
            MutuallyExclusiveCallbackGroup(),
        )
        self._start_timers()
        self.get_logger().info(f"listening to {self._subscription.topic_name}")

    def destroy_node(self) -> None:
        if not self._worker.stop(_STOP_TIMEOUT_S):
            self.get_logger().warning("a pass is still running; its result is dropped")
        super().destroy_node()

    def _load_pipeline(self, make_pipeline: Callable[[SsenConfig], SsenPipeline]) -> SsenPipeline:
        start_s = time.perf_counter()
        pipeline = make_pipeline(self.config)
        chosen = self.config.segmenter
        self._health.weights = (
            f"semantic: {chosen.semantic_checkpoint or 'shipped'}, "
            f"embedding: {chosen.embedding_checkpoint or 'shipped'}"
        )
        self._health.device = str(getattr(pipeline.segmenter, "device", "cpu"))
        self.get_logger().info(
            f"networks loaded in {time.perf_counter() - start_s:.1f} s ({self._health.weights}) on "
            f"{self._health.device}, voxel size {pipeline.segmenter.voxel_size:g} m"
        )
        return pipeline

    def _start_timers(self) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # goes on while simulated time stands still
        group = MutuallyExclusiveCallbackGroup()
        self.create_timer(
            self.config.update_period_s, lambda: self._worker.trigger(), callback_group=group, clock=steady
        )
        self.create_timer(_DIAGNOSTICS_PERIOD_S, self._report, callback_group=group, clock=steady)

    def _on_cloud(self, msg: PointCloud2) -> None:
        try:
            points, colors, had_color = from_msg(msg)
        except Exception as error:  # a CloudError, or what nobody thought of: the node goes on
            self._live_map.reject()
            self._on_rejected(error)
            return
        try:
            left_frame = self._live_map.receive(msg.header, points, colors)
        except Exception as error:
            self._on_rejected(error)
            return
        if left_frame is not None:
            self.get_logger().warning(
                f"the map's frame changed from {left_frame!r} to {msg.header.frame_id!r}: starting anew"
            )
        if not had_color and not self._colorless_warned:
            self._colorless_warned = True
            self.get_logger().warning(
                "the clouds carry no colour (no rgb, rgba or r, g, b field): taken as grey; "
                "the networks were trained with colour and will do worse"
            )

    def _on_rejected(self, error: Exception) -> None:
        message = str(error) or repr(error)
        self._health.rejected(message)
        if self._throttle.allows(message):
            self.get_logger().error(f"cloud rejected, the map stays as it was: {message}")

    def _on_failed_pass(self, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}"
        self._health.failed(message)
        if self._throttle.allows(message):
            self.get_logger().error(
                f"the pass over the map failed, trying once more or with a newer map: {message}"
            )

    def _publish(self, header: Header, result: StepResult) -> None:
        self._outputs.publish(header, result)
        self._health.passed(result)

    def _report(self) -> None:
        health = self._health
        health.degraded = self._worker.degraded
        if health.degraded:
            health.device = "cpu"
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(to_diagnostics(stamp, health, self._live_map.counters, len(self._live_map)))


class _Outputs:
    """The publishers of one node and what each needs to keep."""

    def __init__(self, node: Node):
        def publisher(message_type: type, topic: str):
            return node.create_publisher(message_type, topic, LATCHED)

        self._semantic = publisher(PointCloud2, "~/semantic_cloud")
        self._instance = publisher(PointCloud2, "~/instance_cloud")
        self._structure = publisher(PointCloud2, "~/structure_cloud")
        self._markers = publisher(MarkerArray, "~/markers")
        self._instances = publisher(InstanceArray, "~/instances")
        self._detections = publisher(vision.Detection3DArray, "~/detections") if vision.available else None
        self._semantic_writer = CloudWriter(label="u4", confidence="f4")
        self._instance_writer = CloudWriter(label="u4", instance_id="i4", confidence="f4")
        self._structure_writer = CloudWriter(label="u4", confidence="f4")
        self._board = MarkerBoard()

    def publish(self, header: Header, result: StepResult) -> None:
        """All outputs of one update, stamped with the header of the cloud it was made from."""
        self._publish_semantic(header, result)
        self._publish_things(header, result)
        self._publish_structure(header, result)
        self._markers.publish(self._board.update(header, result.instances))
        if self._detections is not None:
            self._detections.publish(vision.to_detections(header, result))
        self._instances.publish(to_instance_array(header, result))  # last: who has it can expect the rest

    def _publish_semantic(self, header: Header, result: StepResult) -> None:
        label = result.semantic_label
        colors = semantic_colors(label)
        self._semantic.publish(
            self._semantic_writer.write(
                header, result.snapshot.points, colors, label=label, confidence=result.confidence
            )
        )

    def _publish_things(self, header: Header, result: StepResult) -> None:
        rows = result.segmentation.thing_rows
        ids = result.instance_id[rows]
        self._instance.publish(
            self._instance_writer.write(
                header,
                result.snapshot.points[rows],
                instance_colors(ids),
                label=result.semantic_label[rows],
                instance_id=ids,
                confidence=result.confidence[rows],
            )
        )

    def _publish_structure(self, header: Header, result: StepResult) -> None:
        is_stuff = np.ones(len(result.snapshot), dtype=bool)
        is_stuff[result.segmentation.thing_rows] = False
        self._structure.publish(
            self._structure_writer.write(
                header,
                result.snapshot.points[is_stuff],
                result.snapshot.colors[is_stuff],
                label=result.semantic_label[is_stuff],
                confidence=result.confidence[is_stuff],
            )
        )


def make_node(context: Context, stop: threading.Event) -> SsenNode:
    return SsenNode(context)


def main(args: list[str] | None = None) -> int:
    return finish(run("ssen", make_node, args))


if __name__ == "__main__":
    sys.exit(main())
