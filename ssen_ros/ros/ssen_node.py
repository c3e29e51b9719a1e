"""The node `/ssen`: takes the map of a SLAM as it grows, publishes its objects.

Threads of work that never wait for each other's long parts: the subscription takes clouds, the intake works
them into the map (up to seconds for a million points), the timers wake and report, the services answer, the
worker runs the networks.
"""

import gc
import sys
import threading
import time
import weakref
from concurrent.futures import Future, wait
from functools import partial

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType  # pyright: ignore[reportPrivateImportUsage]  # Humble has it there alone
from rclpy.context import Context
from rclpy.timer import Timer
from sensor_msgs.msg import PointCloud2

from ssen_ros.config import SsenConfig
from ssen_ros.errors import StateError
from ssen_ros.io.point_cloud2 import CLOUD_TYPE
from ssen_ros.native import bound_arenas
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.ros.diagnostics import Observation, to_diagnostics
from ssen_ros.ros.endpoints import NAMELESS, full_name
from ssen_ros.ros.executor import PatientExecutor
from ssen_ros.ros.lifecycle import UNCONFIGURED, Interrupted, ManagedNode
from ssen_ros.ros.main_loop import finish, run
from ssen_ros.ros.parameters import LiveParameters, NodeConfig, check_sections, declare
from ssen_ros.ros.qos import AdaptiveSubscription
from ssen_ros.ros.services import Services
from ssen_ros.ros.session import MakePipeline, Session
from ssen_ros.stamps import SECOND_NS
from ssen_ros.structures import Memory

_DIAGNOSTICS_PERIOD_S = 1.0
_RELEASE_TIMEOUT_S = 1.0  # for callbacks that are using the networks' session when they are to go
_RELEASE_POLL_S = 0.02
_STOP_POLL_S = 0.1


class SsenNode(ManagedNode):
    """Wires the subscription, the timers, the parameters and the services to a session."""

    def __init__(
        self,
        context: Context,
        stop: threading.Event,
        make_pipeline: MakePipeline = SsenPipeline.from_config,
    ):
        super().__init__("ssen", context)
        self._make_pipeline = make_pipeline
        self._stop = stop
        self._session: Session | None = None  # while configured
        self._subscription: AdaptiveSubscription | None = None  # while active, as is
        self._timer: Timer | None = None
        self._next_id = 1  # above all ids given in earlier sessions
        self._rivals = ""  # who published whole maps on one topic at the last report
        check_sections(sys.argv, self.get_fully_qualified_name())
        config = declare(self, NodeConfig())
        self._live = LiveParameters(
            self, config, lambda: self.lifecycle_state != UNCONFIGURED, self._reconfigure
        )
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)  # goes on while simulated time stands still
        self._timer_group = MutuallyExclusiveCallbackGroup()
        Services(self, lambda: self._session, stop, config.map_directory)
        self._reports = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._every(_DIAGNOSTICS_PERIOD_S, self._report)
        if config.autostart:
            self.start()
        else:
            self.get_logger().info("waiting to be configured by a lifecycle manager")

    def configure(self) -> None:
        memory = Memory(next_id=self._next_id)
        self._session = Session(self, self._live.config, self._load, memory)

    def activate(self) -> None:
        config, session = self._live.config, self._session
        if session is None:
            raise StateError("the node has no networks: configure it before it is activated")
        session.resume()
        self._timer = self._every(config.update_period_s, session.tick)
        self._subscription = AdaptiveSubscription(
            self, PointCloud2, "cloud_map", self._on_cloud, config.cloud_qos
        )
        self.get_logger().info(f"listening to {self._subscription.topic_name}")

    def deactivate(self) -> None:
        if self._subscription is not None:
            self._subscription.destroy()
        if self._timer is not None:
            self.destroy_timer(self._timer)
        self._subscription = self._timer = None
        if self._session is not None:
            self._session.pause()

    def clean_up(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.close()
        finally:
            self._next_id = session.live_map.memory.next_id
        if self._stop.is_set():  # all memory goes with the process
            return
        release_memory, held = session.release_memory, weakref.ref(session)
        del session
        give_up_s = time.monotonic() + _RELEASE_TIMEOUT_S
        while held() is not None and time.monotonic() < give_up_s:  # a callback that began earlier has it, or
            gc.collect()  # its worker and intake, which it refers to and they to it
            time.sleep(_RELEASE_POLL_S)
        release_memory()

    def _load(self, config: SsenConfig) -> SsenPipeline:
        """The networks. Raises Interrupted where the process is asked to end first.

        They load in a thread of their own, because that cannot be interrupted, only left.
        """
        loading: Future[SsenPipeline] = Future()
        load = partial(_fulfil, loading, self._make_pipeline, config)
        threading.Thread(target=load, name="ssen_loading", daemon=True).start()
        while not self._stop.is_set():
            if wait([loading], _STOP_POLL_S).done:
                return loading.result()
        raise Interrupted("asked to end while the networks load")

    def _every(self, period_s: float, callback) -> Timer:
        return self.create_timer(period_s, callback, callback_group=self._timer_group, clock=self._steady)

    def _reconfigure(self, config: NodeConfig) -> None:
        if self._session is not None:
            self._session.reconfigure(config)
        if self._timer is not None:
            self._timer.timer_period_ns = int(config.update_period_s * SECOND_NS)
            self._timer.reset()  # else the old period is waited for once more

    def _on_cloud(self, cloud: PointCloud2) -> None:
        session = self._session
        if session is not None:
            session.receive(cloud)

    def _report(self) -> None:
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name()
        seen = self._observe()
        self._warn_of_rivals(seen)
        self._reports.publish(to_diagnostics(stamp, name, seen))

    def _warn_of_rivals(self, seen: Observation) -> None:
        if NAMELESS in seen.rival_publishers:
            return  # will be known in a moment
        if seen.rival_publishers not in ("", self._rivals):
            self.get_logger().warning(
                f"several nodes publish whole maps on {seen.cloud_topic}, each in place of the others': "
                f"{seen.rival_publishers}; stop all but one, give each a topic, or set map.mode incremental"
            )
        self._rivals = seen.rival_publishers

    def _observe(self) -> Observation:
        session, subscription = self._session, self._subscription
        errors = self.executor.errors if isinstance(self.executor, PatientExecutor) else 0
        if session is None:
            return Observation(self.lifecycle_state, callback_errors=errors)
        topic = subscription.topic_name if subscription is not None else ""
        publishers = self.get_publishers_info_by_topic(topic) if topic else []
        types = {info.topic_type for info in publishers}
        heard = subscription if types else None  # who did not match may be gone
        return Observation(
            self.lifecycle_state,
            session.health,
            session.live_map.counters,
            map_voxels=len(session.live_map),
            map_full=session.live_map.full,
            enabled=session.enabled,
            degraded=session.degraded,
            cloud_topic=topic,
            cloud_publishers=tuple(full_name(p) for p in publishers if p.topic_type == CLOUD_TYPE),
            whole_maps=self._live.config.map.mode == "accumulated",
            running_s=session.running_s,
            other_types=tuple(sorted(types - {CLOUD_TYPE})),
            qos_mismatch=heard.mismatch if heard is not None else "",
            callback_errors=errors,
            stale_cloud_s=self._live.config.stale_cloud_s,
        )


def _fulfil(future: "Future[SsenPipeline]", make_pipeline: MakePipeline, config: SsenConfig) -> None:
    try:
        future.set_result(make_pipeline(config))
    except Exception as error:
        future.set_exception(error)


def make_node(context: Context, stop: threading.Event) -> SsenNode:
    return SsenNode(context, stop)


def main(args: list[str] | None = None) -> int:
    bound_arenas()
    return finish(run("ssen", make_node, args))


if __name__ == "__main__":
    sys.exit(main())
