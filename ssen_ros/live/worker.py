"""The thread that runs the networks, so that neither the subscription nor the timers ever wait for them."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ssen_ros import stopping
from ssen_ros.corrections import Edit
from ssen_ros.errors import StateError
from ssen_ros.live.live_map import LiveMap, Pass
from ssen_ros.native import trim
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.structures import StepResult

log = logging.getLogger(__name__)

Changed = TypeVar("Changed")

THREAD_NAME = "ssen_inference"
_QUIET = 2  # triggers in a row at which nothing is due

_INACTIVE = "the node is not active: `ros2 lifecycle set` it to activate"


class InferenceWorker:
    """Waits for `trigger`, then makes one pass over the newest map, if it has changed.

    No exception of a pass ends the thread: it is handed to `report`, and at the next trigger the
    same map gets a second pass, or a newer one its first. Where memory runs out, the pass is retried at once
    without what is kept from pass to pass; a GPU's with its cache emptied. Where that does not help, and
    where a GPU fails in any other way, the networks move to the CPU and stay there.

    Where nothing is due for a while, the map gets further passes until it has settled: a whole one, so that
    approximations do not stay, and some that see it from other sides.

    Nothing is published while paused, nor of a map that has been started anew meanwhile. A pass that is
    running then, or at `give_up`, ends within a second, and its map waits for the next one.
    """

    def __init__(
        self,
        live_map: LiveMap,
        pipeline: SsenPipeline,
        publish: Callable[[Pass, StepResult], None],
        report: Callable[[Exception], None],
    ):
        self._live_map = live_map
        self._pipeline = pipeline
        self._publish = publish
        self._report = report
        self._wake = threading.Event()
        self._publishing = threading.Lock()  # held while a result goes out, and to forbid it
        self._asking = threading.Lock()
        self._asked: list[Future] = []  # of those who wait for a pass
        self._paused = False
        self._stopping = False
        self._idle = 0  # triggers in a row at which nothing was due
        self.degraded = ""  # why the networks have moved from the GPU to the CPU
        self._flag = stopping.Flag()  # set: the pass that is running is to end
        self._began_s: float | None = None  # the pass that is being made; monotonic clock
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def trigger(self) -> None:
        self._wake.set()

    @property
    def running_s(self) -> float | None:
        """How long the pass that is being made has taken so far; None while there is none."""
        began_s = self._began_s
        return None if began_s is None else time.monotonic() - began_s

    def give_up(self) -> None:
        """End the pass that is running, if one is, and make it again with what holds then."""
        self._flag.set()

    def request(self) -> "Future[StepResult]":
        """One pass over the map as it is, changed or not; its result, or what it raised.

        Raises StateError while paused, and where there is no map.
        """
        future: Future[StepResult] = Future()
        with self._asking:
            if self._paused:
                raise StateError(_INACTIVE)
            if not self._live_map.ask():
                raise StateError("no map has been received yet: check the topic with `ros2 topic info -v`")
            self._asked.append(future)
        self.trigger()
        return future

    def between_updates(self, change: Callable[[], Changed]) -> Changed:
        """Make a change while nothing is published: an update that goes out later knows of it."""
        with self._publishing:
            return change()

    def correct(self, edit: Edit) -> StepResult:
        """The last published update, corrected by hand and published again at once; a running pass will know.

        Raises StateError while paused and where nothing has been published of this map, CorrectionError for
        what cannot be done.
        """
        with self._publishing:
            if self._paused:
                raise StateError(_INACTIVE)
            if (last := self._live_map.last) is None:
                raise StateError("no map has been segmented yet: call ~/segment_now once there is one")
            work, result = last
            corrected = self._pipeline.correct(result, edit)
            self._publish(work, corrected)
            self._live_map.correct(work, corrected)
            return corrected

    def pause(self) -> None:
        """Publish nothing until `resume`; a pass that is running is given up, and will be made again."""
        with self._publishing:
            self._paused = True
        self.give_up()
        with self._asking:
            asked = self._take_asked()
        _answer(asked, StateError("the node was deactivated before the pass began"))

    def resume(self) -> None:
        self._paused = False

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end; False if it is still inside a pass after `timeout_s`."""
        self._stopping = True
        self.pause()
        self._wake.set()
        self._thread.join(timeout_s)
        self._publish = self._report = lambda *_: None  # the thread, if it lives, keeps nothing else alive
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            self._flag = stopping.Flag()  # before the next line: whoever pauses sees this one, or is seen
            if self._stopping:
                return
            if not self._paused:
                self._pass()

    def _pass(self) -> None:
        with self._asking:  # who asks meanwhile asks for the next pass
            asked = self._take_asked()
            try:
                work = self._live_map.take() or self._take_in_the_quiet()
            except Exception as error:  # a snapshot that does not fit into memory, say
                self._tell(error)
                _answer(asked, error)
                return
        if work is None:
            return
        self._idle, self._began_s = 0, time.monotonic()
        try:
            with stopping.watching(self._flag):
                result = (None if asked else self._recall(work)) or self._segment(work)
            with self._publishing:
                if self._paused or not self._live_map.is_current(work):
                    self._live_map.put_back(work)
                    outcome = StateError("the map was started anew, or the node deactivated, during the pass")
                else:
                    result = self._corrected_meanwhile(work, result)
                    self._publish(work, result)
                    self._live_map.finish(work, result)
                    outcome = result
        except stopping.GivenUp:
            self._live_map.put_back(work)
            asked, outcome = self._ask_again(work, asked), StateError("the pass was given up")
        except Exception as error:
            self._live_map.fail(work)
            self._tell(error)
            outcome = error
        self._began_s = None
        _answer(asked, outcome)
        trim()  # else what the pass has freed stays, in pieces that the next one may not fit in

    def _corrected_meanwhile(self, work: Pass, result: StepResult) -> StepResult:
        now = self._live_map.memory
        if now.corrections is work.memory.corrections:
            return result
        return self._pipeline.conclude(result, now)

    def _take_in_the_quiet(self) -> Pass | None:
        self._idle += 1
        if self._idle < _QUIET or self._live_map.memory.is_settled:
            return None
        return self._live_map.take(quiet=True)

    def _ask_again(self, work: Pass, asked: list[Future]) -> list[Future]:
        """Have the pass made again for those who asked for it; returns those who cannot wait for that."""
        with self._asking:
            if self._paused or not self._live_map.is_current(work):
                return asked
            self._asked = asked + self._asked
        self.trigger()
        return []

    def _tell(self, error: Exception) -> None:
        try:
            self._report(error)
        except Exception:  # the thread has to live, and who waits wants an answer
            log.exception("a failed pass (%r) could not be reported", error)

    def _take_asked(self) -> list[Future]:
        asked, self._asked = self._asked, []
        return asked

    def _recall(self, work: Pass) -> StepResult | None:
        """A map that was loaded is published as it was saved, without a pass."""
        if work.start is None or work.start.evidence is None:
            return None
        return self._pipeline.recall(work.snapshot, work.stamp_ns, work.memory)

    def _segment(self, work: Pass) -> StepResult:
        freed = False
        while True:
            try:
                return self._pipeline.step(work.snapshot, work.stamp_ns, work.memory)
            except Exception as error:
                # Late: it waits for torch, which a segmenter without need not.
                from ssen_ros.devices import is_gpu_failure, is_out_of_memory

                no_memory, of_gpu = is_out_of_memory(error), is_gpu_failure(error)
                frees = no_memory and not freed
                if not frees and not (of_gpu and self._on_gpu):
                    raise
                failure = error.with_traceback(None)  # its frames hold memory
            if frees:
                self._free_memory(failure, of_gpu)
                freed = True
            else:
                self._move_to_cpu(failure)

    @property
    def _on_gpu(self) -> bool:
        return str(self._pipeline.segmenter.device) != "cpu"

    def _free_memory(self, error: Exception, of_gpu: bool) -> None:
        if of_gpu:
            log.warning("out of GPU memory (%s): trying once more with the cache emptied", error)
            _empty_gpu_cache()
            return
        log.warning("out of memory (%s): trying once more, and keeping none from pass to pass", error)
        self._pipeline.segmenter.release_memory()

    def _move_to_cpu(self, error: Exception) -> None:
        log.error("the GPU failed (%s): the networks move to the CPU and stay there", error)
        self._pipeline.segmenter.to("cpu")
        self.degraded = str(error).partition("\n")[0] or type(error).__name__
        _empty_gpu_cache()


def _answer(asked: list[Future], outcome: StepResult | Exception) -> None:
    for future in asked:
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _empty_gpu_cache() -> None:
    from ssen_ros.devices import empty_gpu_cache  # late, as above

    empty_gpu_cache()
