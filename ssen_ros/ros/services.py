"""The services of the node: each asks its session, and answers in words where that cannot be done."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

import numpy as np
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from ssen_ros.corrections import Edit
from ssen_ros.errors import SsenError, StateError, shown, shown_names
from ssen_ros.io.saved_map import read_map, resolve_below, write_map
from ssen_ros.results import export_map
from ssen_ros.ros.conversions import CloudWriter, to_instance_msgs
from ssen_ros.ros.session import Session
from ssen_ros.srv import Correct, GetInstances, LoadMap, SaveMap
from ssen_ros.structures import Instance, StepResult

_POLL_S = 0.1
_LONGEST = 2000  # characters of an answer
_WARN_PERIOD_S = 1.0  # for clients that ask again and again


class Services:
    """Offers them from the first to the last moment of the node, whatever its state."""

    def __init__(
        self, node: Node, session: Callable[[], Session | None], stop: threading.Event, map_directory: str
    ):
        """`session` gives the present one; `stop` is set when the process is to end."""
        self._session = session
        self._stop = stop
        self._map_directory = map_directory
        self._logger = node.get_logger()
        waiting, prompt = MutuallyExclusiveCallbackGroup(), MutuallyExclusiveCallbackGroup()
        for service_type, name, handle, group in (
            (Trigger, "segment_now", self._segment_now, waiting),
            (Trigger, "reset", self._reset, prompt),
            (SetBool, "enable", self._enable, prompt),
            (GetInstances, "get_instances", self._get_instances, prompt),
            (SaveMap, "save_map", self._save_map, prompt),
            (LoadMap, "load_map", self._load_map, prompt),
            (Correct, "correct", self._correct, prompt),
            (SaveMap, "export", self._export, prompt),
        ):
            node.create_service(service_type, f"~/{name}", self._guarded(name, handle), callback_group=group)

    def _guarded(self, name: str, handle: Callable) -> Callable:
        def answer(request, response):
            try:
                session = self._session()
                if session is None:
                    raise StateError("the node is not configured: `ros2 lifecycle set` it to configure")
                response.message = handle(session, request, response)
                response.success = True
            except Exception as error:  # an SsenError, or what nobody thought of: the node goes on
                response.success = False
                told = str(error) if isinstance(error, SsenError) else f"{type(error).__name__}: {error}"
                response.message = told[:_LONGEST]
                self._logger.warning(f"~/{name}: {response.message}", throttle_duration_sec=_WARN_PERIOD_S)
            return response

        return answer

    def _segment_now(self, session: Session, request, response) -> str:
        result = self._outcome(session.request_pass())
        objects, voxels = len(result.instances), len(result.snapshot)
        return f"{objects} objects among {voxels} voxels in {result.timings_s['total']:.2f} s"

    def _outcome(self, future: "Future[StepResult]") -> StepResult:
        while not self._stop.is_set():
            if wait([future], _POLL_S).done:
                return future.result()
        raise StateError("the node is shutting down")

    def _reset(self, session: Session, request, response) -> str:
        return "map and objects are forgotten" if session.reset() else "there was no map"

    def _enable(self, session: Session, request, response) -> str:
        session.enabled = request.data
        return "segmenting whenever the map changes" if request.data else "segmenting on ~/segment_now alone"

    def _get_instances(self, session: Session, request, response) -> str:
        header, result = session.last
        ids, names = frozenset(request.ids), frozenset(request.class_names)
        chosen = [
            instance
            for instance in result.instances
            if (not ids or instance.id in ids) and (not names or instance.class_name in names)
        ]
        response.instances.header = header
        response.instances.map_version = result.snapshot.version
        response.instances.voxel_size = float(result.snapshot.voxel_size)
        response.instances.instances = to_instance_msgs(chosen)
        if request.with_clouds:
            response.clouds = [_cloud(header, result, instance) for instance in chosen]
        unknown = sorted(ids - {instance.id for instance in result.instances})
        if unknown:
            raise StateError(f"no object has id {shown_names(unknown)}: retired, merged, or never given")
        strange = sorted(names - set(session.class_names))
        if strange:
            raise StateError(
                f"no class {shown_names(list(map(shown, strange)))}: the networks know "
                f"{', '.join(session.class_names)}"
            )
        return f"{len(chosen)} of {len(result.instances)} objects"

    def _save_map(self, session: Session, request, response) -> str:
        saved = session.saved
        path = resolve_below(self._map_directory, request.name)
        write_map(path, saved, request.overwrite)
        response.path = str(path)
        self._logger.info(f"map saved as {path}")
        return f"{saved.state.voxels} voxels, {len(saved.memory.instances)} objects"

    def _export(self, session: Session, request, response) -> str:
        labelled = session.labelled
        folder = resolve_below(self._map_directory, request.name, suffix="")
        export_map(labelled, folder, request.overwrite)
        response.path = str(folder)
        self._logger.info(f"map exported to {folder}")
        return f"{len(labelled)} voxels, {len(labelled.instances)} objects"

    def _load_map(self, session: Session, request, response) -> str:
        saved = read_map(resolve_below(self._map_directory, request.name))
        session.restore(saved)
        response.frame_id = saved.frame_id
        response.voxel_count = saved.state.voxels
        response.instance_count = len(saved.memory.instances)
        return (
            f"{saved.state.voxels} voxels, {len(saved.memory.instances)} objects in frame {saved.frame_id!r}"
        )

    def _correct(self, session: Session, request, response) -> str:
        points = np.array([(p.x, p.y, p.z) for p in request.points])
        edit = Edit(request.kind, tuple(request.ids), request.class_name, points if len(points) else None)
        result = session.correct(edit)
        response.corrections = len(result.memory.corrections)
        self._logger.info(f"corrected by hand: {edit.kind} {shown_names(edit.ids)} {edit.class_name}")
        return f"{edit.kind}: done; {len(result.instances)} objects"


def _cloud(header: Header, result: StepResult, instance: Instance) -> PointCloud2:
    rows = result.instance_id == instance.id
    snapshot = result.snapshot
    writer = CloudWriter(confidence="f4")  # one for each: its buffer is the message's
    return writer.write(
        header, snapshot.points[rows], snapshot.colors[rows], confidence=result.confidence[rows]
    )
