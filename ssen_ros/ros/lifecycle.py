"""A managed node whose work is in four plain methods; what may go wrong in them is dealt with here."""

import time
import traceback
from collections.abc import Callable

from rclpy.context import Context
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from ssen_ros.errors import SsenError

UNCONFIGURED, INACTIVE, ACTIVE, FINALIZED = "unconfigured", "inactive", "active", "finalized"


class Interrupted(SsenError):
    """The process is asked to end: what was begun is undone, and nothing is wrong."""


class ManagedNode(LifecycleNode):
    """A lifecycle node (https://design.ros2.org/articles/node_lifecycle.html).

    An `SsenError` in `configure` or `activate` is a failure: it is logged, what was begun is undone, and the
    node stays where it was. Any other exception is an error: everything is given up and the node is
    unconfigured, or finalized if not even that succeeds. `deactivate` and `clean_up` must bear to be called
    twice, and after half a beginning.
    """

    def __init__(self, name: str, context: Context):
        super().__init__(name, context=context, automatically_declare_parameters_from_overrides=True)
        self.lifecycle_state = UNCONFIGURED
        self._failure = ""  # of the last transition; the error itself would keep alive what it passed through

    def configure(self) -> None:
        """Load what is costly; publish and receive nothing yet."""

    def activate(self) -> None:
        """Begin to work."""

    def deactivate(self) -> None:
        """Stop working; keep what `configure` made, and what has been learnt."""

    def clean_up(self) -> None:
        """Give back all that `configure` made."""

    def start(self) -> None:
        """Configure and activate without a manager.

        Raises SsenError with what `configure` or `activate` has raised.
        """
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise SsenError(self._failure)

    def destroy_node(self) -> None:
        self._release()
        super().destroy_node()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self.configure, INACTIVE, undo=self.clean_up)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self.activate, ACTIVE, undo=self.deactivate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self.deactivate, INACTIVE)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self.clean_up, UNCONFIGURED)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self._release, FINALIZED)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.lifecycle_state = FINALIZED
        return self._attempt(self._release, UNCONFIGURED)

    def _LifecycleNodeMixin__change_state(self, transition: int) -> TransitionCallbackReturn:
        """Takes the place of rclpy's own method, which triggers and the service ~/change_state go through.

        Up to Jazzy (rclpy 7.1) that one lets the state machine's error about an impossible transition out,
        and the client never gets an answer.
        """
        try:
            change = super()._LifecycleNodeMixin__change_state  # pyright: ignore[reportAttributeAccessIssue]
            return change(transition)  # private to rclpy: no annotation tells of it
        except rclpy_implementation.RCLError:
            self.get_logger().error(
                f"transition {transition} is not possible: the node is {self.lifecycle_state}"
            )
            return TransitionCallbackReturn.ERROR

    def _release(self) -> None:
        self.deactivate()
        self.clean_up()

    def _attempt(
        self, work: Callable[[], None], then: str, undo: Callable[[], None] | None = None
    ) -> TransitionCallbackReturn:
        name = work.__name__.strip("_")
        start_s = time.perf_counter()
        try:
            work()
        except Interrupted as error:
            self._failure = str(error)
            self.get_logger().info(f"{name}: {error}")
            self._release()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            if undo is None or not isinstance(error, SsenError):
                self._failure = f"{name}: {type(error).__name__}: {error}"
                self.get_logger().error(f"{self._failure}; giving everything up")
                self.get_logger().debug(traceback.format_exc())
                return TransitionCallbackReturn.ERROR
            self._failure = str(error)
            self.get_logger().error(f"{name} failed, the node stays {self.lifecycle_state}: {error}")
            undo()
            return TransitionCallbackReturn.FAILURE
        self.lifecycle_state = then
        self.get_logger().info(f"{then} ({name} took {time.perf_counter() - start_s:.1f} s)")
        return TransitionCallbackReturn.SUCCESS
