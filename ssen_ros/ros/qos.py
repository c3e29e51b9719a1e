"""Quality of service: how the outputs are offered, and a subscription that meets what a publisher offers."""

import threading
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSPolicyKind, QoSProfile, QoSReliabilityPolicy

from ssen_ros.ros.parameters import CloudQosConfig

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

# Whoever comes late still gets the last map.
LATCHED = QoSProfile(
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)


def weakest(offered: Sequence[QoSProfile], depth: int) -> QoSProfile:
    """What a subscription may ask for so that it hears every publisher of these offers."""
    reliable = all(p.reliability == QoSReliabilityPolicy.RELIABLE for p in offered)
    latched = all(p.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for p in offered)
    return QoSProfile(
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if latched else QoSDurabilityPolicy.VOLATILE,
    )


# Of a publisher for AdaptiveSubscription: that one asks for more before it settles for less is no news.
QUIET = PublisherEventCallbacks(incompatible_qos=lambda _: None)


class AdaptiveSubscription:
    """A subscription that asks for the most and settles for what the publisher offers.

    A transient_local subscriber does not match a volatile publisher at all, and a volatile
    subscriber never gets the latched last map of a publisher that has fallen silent. So a policy
    left at "auto" starts at its stronger value and is lowered, once, when the middleware reports a
    publisher that offers less.
    """

    def __init__(
        self,
        node: Node,
        message_type: type,
        topic: str,
        callback: Callable[[Any], None],
        config: CloudQosConfig,
    ):
        self._node = node
        self.mismatch = ""  # what the last publisher that is not heard does not offer
        self._replacing = threading.Lock()
        self._make = lambda profile: node.create_subscription(
            message_type,
            topic,
            callback,
            profile,
            # One for each: rclpy leaves the group of an event locked for good if the event's subscription is
            # destroyed while it is taken, and whoever shared the group would never be called again.
            callback_group=MutuallyExclusiveCallbackGroup(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
        )
        weaker = {
            QoSPolicyKind.RELIABILITY: ("reliability", QoSReliabilityPolicy.BEST_EFFORT),
            QoSPolicyKind.DURABILITY: ("durability", QoSDurabilityPolicy.VOLATILE),
        }
        self._yielding = {kind: step for kind, step in weaker.items() if getattr(config, step[0]) == "auto"}
        self.profile = QoSProfile(
            depth=config.depth,
            reliability=_policy(QoSReliabilityPolicy, config.reliability, "reliable"),
            durability=_policy(QoSDurabilityPolicy, config.durability, "transient_local"),
        )
        self._subscription = self._make(self.profile)
        self.topic_name: str = self._subscription.topic_name

    def destroy(self) -> None:
        with self._replacing:
            old, self._subscription = self._subscription, None
        if old is not None:
            self._node.destroy_subscription(old)

    def _on_incompatible(self, info: Any) -> None:
        kind = QoSPolicyKind(int(info.last_policy_kind))
        logger = self._node.get_logger()
        if kind not in self._yielding:
            self.mismatch = kind.name.lower()
            logger.error(
                f"a publisher of {self.topic_name} does not offer the {kind.name.lower()} that cloud_qos "
                "asks for; none of its clouds arrive: set it to auto",
                throttle_duration_sec=10.0,
            )
            return
        name, weaker = self._yielding[kind]
        if getattr(self.profile, name) == weaker:
            return  # a late report about a subscription that has already been replaced
        setattr(self.profile, name, weaker)
        logger.info(
            f"a publisher of {self.topic_name} offers less {name}: listening as {weaker.name.lower()}"
        )
        with self._replacing:
            if self._subscription is None:  # destroyed meanwhile
                return
            old, self._subscription = self._subscription, self._make(self.profile)
        self._node.destroy_subscription(old)


def _policy(policies: type[Enum], value: str, strongest: str) -> Any:
    return policies[(strongest if value == "auto" else value).upper()]
