"""The loop that keeps a node alive."""

import logging
import signal
import sys
import threading
import time

import pytest
from rclpy.exceptions import InvalidHandle
from rclpy.executors import Executor
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from ssen_ros.ros import main_loop
from ssen_ros.ros.executor import PatientExecutor


@pytest.fixture
def signals():
    """The handlers that the loop sets are those of the process: put back what was there."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def waits(monkeypatch, error: Exception, times: float) -> list[int]:
    """Waiting for callbacks raises that often at first; gives the list of rounds so far."""
    rounds = []
    wait = Executor.wait_for_ready_callbacks

    def fails_at_first(executor, *args, **kwargs):
        rounds.append(len(rounds))
        if len(rounds) <= times:
            raise error
        return wait(executor, *args, **kwargs)

    monkeypatch.setattr(Executor, "wait_for_ready_callbacks", fails_at_first)
    return rounds


def stops_by_itself(context, stop):
    node = Node("survivor", context=context)
    node.create_timer(0.05, stop.set)
    return node


@pytest.mark.parametrize(
    "error", [InvalidHandle("destruction was requested"), RuntimeError("of rclpy's own")]
)
def test_what_goes_wrong_in_waiting_does_not_end_the_node(monkeypatch, signals, error):
    """As happens, rarely, where a publisher offers less and the subscription is replaced."""
    rounds = waits(monkeypatch, error, times=3)
    assert main_loop.run("survivor", stops_by_itself) == 0
    assert len(rounds) > 3


def test_where_waiting_never_succeeds_the_process_ends(monkeypatch, signals):
    monkeypatch.setattr("ssen_ros.ros.executor._LONGEST_PAUSE_S", 0.01)
    rounds = waits(monkeypatch, RuntimeError("of rclpy's own"), times=float("inf"))
    assert main_loop.run("survivor", stops_by_itself) == 1
    assert len(rounds) < 100


@pytest.fixture
def spinning(bench):
    """spinning(node, condition): the executor of the loop, after it has worked until the condition held."""
    executors = []

    def spin(node, condition):
        executor = PatientExecutor(2, bench.context)
        executors.append(executor)
        executor.add_node(node)
        deadline_s = time.monotonic() + 20.0
        while not condition() and time.monotonic() < deadline_s:
            executor.spin_once(timeout_sec=0.05)
            bench.spin_for(0.01)
        assert condition()
        return executor

    yield spin
    for executor in executors:
        executor.shutdown()


def test_callbacks_that_raise_are_counted_and_logged_and_called_again(bench, spinning, caplog):
    node = Node("survivor", context=bench.context)
    called = []

    def fails(*_):
        called.append(threading.current_thread().name)
        raise RuntimeError(f"nobody thought of this, {len(called)}")

    node.create_timer(0.02, fails)
    node.create_service(Trigger, "fails", fails)
    client = bench.node.create_client(Trigger, "fails")
    client.call_async(Trigger.Request())
    with caplog.at_level(logging.ERROR, "ssen_ros"):
        executor = spinning(node, lambda: len(called) > 10)
    assert executor.errors >= 10 and threading.current_thread().name not in called
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2  # of each kind one: they come time and again
    assert any("a callback of fails failed" in text for text in messages)
    assert all("RuntimeError: nobody thought of this" in text and "Traceback" in text for text in messages)
    node.destroy_node()


def test_what_fails_before_its_callback_is_called_is_waited_for_again(bench, spinning, monkeypatch):
    """rclpy raises while it takes a message, and leaves the subscription marked as busy, with its group."""
    heard, taken = [], []
    node = Node("survivor", context=bench.context)
    node.create_subscription(String, "words", lambda msg: heard.append(msg.data), 10)
    take = Executor._take_subscription

    def fails_at_first(executor, subscription):
        taken.append(subscription)
        if len(taken) == 1:
            raise RuntimeError("failed to take")
        return take(executor, subscription)

    monkeypatch.setattr(PatientExecutor, "_take_subscription", fails_at_first)
    publisher = bench.node.create_publisher(String, "words", 10)
    bench.spin_until(lambda: publisher.get_subscription_count() > 0)
    publisher.publish(String(data="tea"))
    executor = spinning(node, lambda: heard)
    assert heard == ["tea"] and executor.errors == 1
    node.destroy_node()


HANGING = """
import sys, time
from rclpy.node import Node
from ssen_ros.ros.main_loop import finish, run

def make_node(context, stop):
    node = Node("hanging", context=context)
    def hang():
        print("inside", flush=True)
        time.sleep(600)
    node.create_timer(0.05, hang)
    return node

sys.exit(finish(run("hanging", make_node)))
"""


def test_a_callback_that_hangs_does_not_keep_the_process_from_ending(bench):
    node = bench.start_command([sys.executable, "-c", HANGING])
    bench.spin_until(lambda: "inside" in node.log)
    node.signal(signal.SIGINT)
    assert node.wait(60) == 0
    assert "no time for an orderly end" in node.log
