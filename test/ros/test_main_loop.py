"""The loop that keeps a node alive."""

import signal

import pytest
from rclpy.exceptions import InvalidHandle
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node

from ssen_ros.ros import main_loop


@pytest.fixture
def signals():
    """The handlers that the loop sets are those of the process: put back what was there."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_subscription_destroyed_while_it_is_waited_for_does_not_end_the_node(monkeypatch, signals):
    """As happens, rarely, where a publisher offers less and the subscription is replaced."""
    rounds = []
    spin_once = MultiThreadedExecutor.spin_once

    def destroyed_at_first(executor, timeout_sec):
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise InvalidHandle("destruction was requested")
        spin_once(executor, timeout_sec)

    monkeypatch.setattr(MultiThreadedExecutor, "spin_once", destroyed_at_first)

    def make_node(context, stop):
        node = Node("survivor", context=context)
        node.create_timer(0.05, stop.set)
        return node

    assert main_loop.run("survivor", make_node) == 0
    assert len(rounds) > 1
