"""The thread that runs the networks, so that neither the subscription nor the timers ever wait for them."""

import logging
import threading
from collections.abc import Callable

from ssen_ros.pipeline import SsenPipeline
from ssen_ros.ros.conversions import ns_from_time
from ssen_ros.ros.live_map import LiveMap, Stamped, Work
from ssen_ros.structures import StepResult

log = logging.getLogger(__name__)

THREAD_NAME = "ssen_inference"


class InferenceWorker:
    """Waits for `trigger`, then makes one pass over the newest map, if it has changed.

    No exception of a pass ends the thread: it is handed to `report`, and at the next trigger the
    same map gets a second pass, or a newer one its first. A GPU that runs out of memory is retried
    at once with its cache emptied; then the networks move to the CPU and stay there.
    """

    def __init__(
        self,
        live_map: LiveMap,
        pipeline: SsenPipeline,
        publish: Callable[[Stamped, StepResult], None],
        report: Callable[[Exception], None],
    ):
        self._live_map = live_map
        self._pipeline = pipeline
        self._publish = publish
        self._report = report
        self._epoch = 0
        self._wake = threading.Event()
        self._stopping = False
        self.degraded = False  # moved from the GPU to the CPU
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def trigger(self) -> None:
        self._wake.set()

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end; False if it is still inside a pass after `timeout_s`."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopping:
                return
            self._pass()

    def _pass(self) -> None:
        try:
            work = self._live_map.take()
        except Exception as error:  # a snapshot that does not fit into memory, say
            self._report(error)
            return
        if work is None:
            return
        try:
            result = self._segment(work)
            if not self._stopping:  # the publishers may be gone by now
                self._publish(work.header, result)
        except Exception as error:
            self._live_map.fail(work.snapshot.version)
            self._report(error)
        else:
            self._live_map.finish()

    def _segment(self, work: Work) -> StepResult:
        if work.epoch != self._epoch:
            self._pipeline.reset()
            self._epoch = work.epoch
        stamp_ns = ns_from_time(work.header.stamp)
        for relief in (self._empty_gpu_cache, self._move_to_cpu):
            try:
                return self._pipeline.step(work.snapshot, stamp_ns)
            except RuntimeError as error:
                if not _is_out_of_gpu_memory(error):
                    raise
                relief(error)
        return self._pipeline.step(work.snapshot, stamp_ns)

    def _empty_gpu_cache(self, error: Exception) -> None:
        log.warning("out of GPU memory (%s): trying once more with the cache emptied", error)
        _empty_cache()

    def _move_to_cpu(self, error: Exception) -> None:
        if not hasattr(self._pipeline.segmenter, "to"):
            raise error
        log.error("out of GPU memory again (%s): the networks move to the CPU and stay there", error)
        self._pipeline.segmenter.to("cpu")
        self.degraded = True
        _empty_cache()


def _is_out_of_gpu_memory(error: RuntimeError) -> bool:
    import torch  # late: a segmenter that does not use torch need not wait for it

    return isinstance(error, torch.cuda.OutOfMemoryError)


def _empty_cache() -> None:
    import torch

    torch.cuda.empty_cache()
