"""A node of a command that looks on: it listens and publishes while the command goes on by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


@contextmanager
def observer(name: str, domain_id: int | None = None) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """The node, and what spins it; `domain_id` None for that of the environment."""
    context = Context()
    # This process decides itself what a signal means.
    rclpy.init(args=[], context=context, domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(name, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
