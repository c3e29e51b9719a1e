"""The ROS distributions that name things otherwise."""

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType, SimpleNamespace

import rclpy.node  # noqa: F401  with the events of this distribution


def test_the_events_of_humble_are_found(monkeypatch):
    humble = ModuleType("rclpy.qos_event")
    humble.SubscriptionEventCallbacks = object()
    humble.PublisherEventCallbacks = SimpleNamespace
    monkeypatch.setitem(sys.modules, "rclpy.event_handler", None)
    monkeypatch.setitem(sys.modules, "rclpy.qos_event", humble)
    spec = find_spec("ssen_ros.ros.qos")
    qos = module_from_spec(spec)
    spec.loader.exec_module(qos)
    assert qos.SubscriptionEventCallbacks is humble.SubscriptionEventCallbacks
