"""Who publishes or subscribes, by name."""

from typing import Any

NAMELESS = "a participant without a node"


def is_known(endpoint: Any) -> bool:
    """Whether the node of an rclpy TopicEndpointInfo has been discovered; its publisher may be before it."""
    return not endpoint.node_name.startswith("_NODE_NAME_UNKNOWN")


def full_name(endpoint: Any) -> str:
    """Of the node of a TopicEndpointInfo."""
    if not is_known(endpoint):
        return NAMELESS
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"
