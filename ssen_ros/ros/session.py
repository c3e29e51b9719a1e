"""What a configured node has and an unconfigured one has not: networks, a map, its objects, publishers."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ssen_ros.config import SsenConfig
from ssen_ros.corrections import Edit
from ssen_ros.errors import CloudError, StateError, shown
from ssen_ros.forgetting import Forgetting
from ssen_ros.io.saved_map import SavedMap
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.live.intake import Intake
from ssen_ros.live.live_map import LiveMap, Pass
from ssen_ros.live.throttle import ErrorThrottle
from ssen_ros.live.worker import InferenceWorker
from ssen_ros.native import trim
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.ros.conversions import from_msg, time_from_ns
from ssen_ros.ros.diagnostics import Health
from ssen_ros.ros.outputs import Outputs
from ssen_ros.ros.parameters import NodeConfig
from ssen_ros.ros.transforms import MapFrame
from ssen_ros.stamps import ns_from_time
from ssen_ros.structures import Memory, StepResult
from ssen_ros.voxel_map import VoxelMap

MakePipeline = Callable[[SsenConfig], SsenPipeline]

_ERROR_PERIOD_S = 10.0  # the same kind of error is logged no more often
_UPDATE_LOG_PERIOD_S = 60.0
_LONGEST_MESSAGE = 2000  # characters, of what is reported of an error
_LONGEST_FRAME = 1000  # characters of a frame_id
_STOP_TIMEOUT_S = 1.0  # granted to a pass that is running at the end, and to a cloud being worked in


class Session:
    """From `configure` to `clean_up`. Any method from any thread; `close` is the last.

    Raises what `make_pipeline` raises where the networks do not load, and ConfigError for frames that do not
    go together.
    """

    def __init__(self, node: Node, config: NodeConfig, make_pipeline: MakePipeline, memory: Memory):
        self._logger = node.get_logger()
        self.health = Health()
        self._throttle = ErrorThrottle(_ERROR_PERIOD_S)
        self._config = config
        self.map_frame = MapFrame(node, config.frames)  # first: it refuses faster than networks load
        try:
            self._pipeline = self._load_pipeline(make_pipeline)
            segmenter = self._pipeline.segmenter
            self.class_names = tuple(segmenter.class_names)
            forgetting = Forgetting(config.map.decay_s, config.map.box_m, config.map.see_through)
            voxel_map = VoxelMap(segmenter.voxel_size, config.map.mode, forgetting, config.map.max_voxels)
            self._outputs = Outputs(node, self.class_names, config.publish)
        except Exception:
            self.map_frame.close()
            raise
        self.live_map = LiveMap(voxel_map, memory)
        self._worker = InferenceWorker(self.live_map, self._pipeline, self._publish, self._on_failed_pass)
        self._worker.pause()
        self._intake: Intake[PointCloud2] = Intake(
            self._work_in,
            skip=lambda _: self.live_map.skip(),
            depth=config.cloud_qos.depth,
            newest_only=config.map.mode == "accumulated",
        )
        self._colorless_warned = self._slash_warned = False
        self.release_memory = segmenter.release_memory
        self.enabled = True  # passes are made by themselves, not only when asked for

    def resume(self) -> None:
        """Make passes, from the next `tick` on."""
        self._worker.resume()

    def pause(self) -> None:
        """Publish nothing; map and objects are kept."""
        self._worker.pause()

    def close(self) -> None:
        """Let go of publishers and transforms. The networks go with the session, then `release_memory`."""
        self._intake.stop(_STOP_TIMEOUT_S)
        if not self._worker.stop(_STOP_TIMEOUT_S):
            self._logger.warning(
                "a pass is still running; its result is dropped, its memory freed when it ends"
            )
        self._outputs.close()
        self.map_frame.close()

    def tick(self) -> None:
        """An update is due, if the map has changed."""
        if self.enabled:
            self._worker.trigger()

    def receive(self, cloud: PointCloud2) -> None:
        """Take a cloud and work it into the map when its turn comes; returns at once.

        In an incremental map, where each cloud counts, it waits while `cloud_qos.depth` clouds do.
        """
        start_s = time.perf_counter()
        self._intake.put(cloud)
        self.health.taken(time.perf_counter() - start_s)

    def reconfigure(self, config: NodeConfig) -> None:
        """Go by another configuration, in what may change while networks are loaded.

        Raises ConfigError, and changes nothing, for classes that the networks do not know.
        """
        self._outputs.enable(config.publish)
        before, self._config = self._config, config
        self._pipeline.config = config
        if any(
            getattr(before, part) != getattr(config, part) for part in ("clustering", "instances", "publish")
        ):
            self.live_map.ask()  # to be seen without waiting for the map to change
        if before.clustering != config.clustering:  # what runs may be slow because of them
            self._worker.give_up()

    def request_pass(self) -> "Future[StepResult]":
        """A pass now, changed or not. Raises StateError where there is no map or the node is not active."""
        return self._worker.request()

    def reset(self) -> bool:
        """Forget map, objects and the clouds that wait, and publish that there are none.

        False where there was no map.
        """
        self._intake.clear()
        done = self._worker.between_updates(self.live_map.reset)
        self._worker.give_up()
        self._worker.trigger()
        return done

    @property
    def last(self) -> tuple[Header, StepResult]:
        """The last published update. Raises StateError where there is none of this map."""
        work, result = self._current()
        return _header(work), result

    @property
    def saved(self) -> SavedMap:
        """The last published update, to be saved. Raises StateError where there is none of this map."""
        work, result = self._current()
        return SavedMap(
            frame_id=work.header.frame_id,
            stamp_ns=work.stamp_ns,
            voxel_size=result.snapshot.voxel_size,
            class_names=self.class_names,
            state=work.state,
            memory=result.memory,
        )

    def correct(self, edit: Edit) -> StepResult:
        """The last published update, corrected by hand and published again.

        Raises StateError where there is none of this map or the node is not active, CorrectionError for what
        cannot be done.
        """
        return self._worker.correct(edit)

    @property
    def labelled(self) -> LabelledMap:
        """The last published update, to be written for others. Raises StateError where there is none."""
        work, result = self._current()
        return LabelledMap.from_step(result, self.class_names, work.header.frame_id)

    def restore(self, saved: SavedMap) -> None:
        """Go on from a saved map. Raises MapFileError where the networks have other voxels or classes."""
        saved.check_fits(self._pipeline.segmenter.voxel_size, self.class_names)
        header = Header(frame_id=saved.frame_id, stamp=time_from_ns(saved.stamp_ns))
        self._intake.clear()
        self._worker.between_updates(lambda: self.live_map.restore(header, saved.state, saved.memory))
        self._worker.give_up()
        self._worker.trigger()

    @property
    def degraded(self) -> str:
        """Why the CPU computes although there is a GPU; empty: it was meant to."""
        return self._worker.degraded or self._pipeline.segmenter.fallback

    @property
    def running_s(self) -> float | None:
        """How long the pass that is being made has taken so far; None while there is none."""
        return self._worker.running_s

    def _current(self) -> tuple[Pass, StepResult]:
        # Not in the midst of publishing: who has heard of an update and asks for it gets that one.
        last = self._worker.between_updates(lambda: self.live_map.last)
        if last is None:
            raise StateError("no map has been segmented yet: call ~/segment_now once there is one")
        return last

    def _work_in(self, cloud: PointCloud2) -> None:
        try:
            points, colors, had_color = from_msg(cloud)
            header = self._without_slash(cloud.header)
            if self._config.map.decay_s and not ns_from_time(header.stamp):
                self._logger.warning("the clouds have no stamp: map.decay_s forgets nothing", once=True)
            robot = self.map_frame.robot(header) if self._config.map.box_m else None
            camera = self.map_frame.camera(header) if self._config.map.see_through else None
            header, points = self.map_frame.bring(header, points)
        except Exception as error:  # an SsenError, or what nobody thought of: the node goes on
            self.live_map.reject()
            self._explain_rejection(error)
            return
        try:
            why_anew = self.live_map.receive(header, points, colors, robot, camera)
        except Exception as error:
            self._explain_rejection(error)
            return
        self.health.received(had_color, bool(header.frame_id))
        if why_anew is not None:
            self._logger.warning(f"{why_anew}: starting anew")
        if not had_color and not self._colorless_warned:
            self._colorless_warned = True
            self._logger.warning(
                "the clouds carry no colour (no rgb, rgba or r, g, b field): taken as grey; "
                "the networks were trained with colour and will do worse"
            )

    def _without_slash(self, header: Header) -> Header:
        """ROS 1 allowed a slash in front of a frame's name; tf2 and RViz refuse it.

        Raises CloudError for a name that none would have: it comes back in every message and log line.
        """
        if len(header.frame_id) > _LONGEST_FRAME:
            raise CloudError(
                f"frame_id {shown(header.frame_id)} of {len(header.frame_id)} characters: expected "
                f"{_LONGEST_FRAME} at most"
            )
        name = header.frame_id.lstrip("/")
        if name == header.frame_id:
            return header
        if not self._slash_warned:
            self._slash_warned = True
            self._logger.warning(
                f"the clouds' frame_id {header.frame_id!r} begins with a slash, as in ROS 1: "
                f"taken as {name!r}"
            )
        return Header(stamp=header.stamp, frame_id=name)

    def _explain_rejection(self, error: Exception) -> None:
        message = (str(error) or repr(error))[:_LONGEST_MESSAGE]
        self.health.rejected(message, isinstance(error, MemoryError))
        if self._throttle.allows(message):
            self._logger.error(f"cloud rejected, the map stays as it was: {message}")

    def _load_pipeline(self, make_pipeline: MakePipeline) -> SsenPipeline:
        start_s = time.perf_counter()
        pipeline = make_pipeline(self._config)
        trim()  # of what loading has freed
        chosen = self._config.segmenter
        self.health.weights = (
            f"semantic: {chosen.semantic_checkpoint or chosen.weights or 'shipped'}, "
            f"embedding: {chosen.embedding_checkpoint or chosen.weights or 'shipped'}"
        )
        self.health.device = str(pipeline.segmenter.device)
        self._logger.info(
            f"networks loaded in {time.perf_counter() - start_s:.1f} s ({self.health.weights}) on "
            f"{self.health.device}, voxel size {pipeline.segmenter.voxel_size:g} m"
        )
        return pipeline

    def _publish(self, work: Pass, result: StepResult) -> None:
        self._outputs.publish(_header(work), result)
        self.health.passed(result)
        self._logger.info(
            f"{_tell(result)} (at most one such line a minute)", throttle_duration_sec=_UPDATE_LOG_PERIOD_S
        )

    def _on_failed_pass(self, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
        self.health.failed(message, isinstance(error, MemoryError))
        if self._throttle.allows(message):
            self._logger.error(
                f"the pass over the map failed, trying once more or with a newer map: {message}"
            )


def _header(work: Pass) -> Header:
    return Header(stamp=work.header.stamp, frame_id=work.header.frame_id)


def _tell(result: StepResult) -> str:
    """One update in one line."""
    counts = Counter(instance.class_name for instance in result.instances)
    objects = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "no objects"
    return f"{objects} in {len(result.snapshot)} voxels, {result.timings_s['total']:.2f} s"
