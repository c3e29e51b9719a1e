"""ROS parameters derived from the fields of a configuration tree, declared and read in one call."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from ssen_ros.config import Parameter, SsenConfig, param, parameters, with_values
from ssen_ros.errors import ConfigError

Config = TypeVar("Config")

# Declared by rclpy itself, not by the configuration.
_OF_RCLPY = ("use_sim_time", "start_type_description_service")

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_DOUBLE_MAX = 1.7976931348623157e308


@dataclass(frozen=True)
class CloudQosConfig:
    reliability: str = param(
        "auto",
        "of the map subscription; auto: reliable, and best_effort once a publisher offers no more",
        choices=("auto", "reliable", "best_effort"),
    )
    durability: str = param(
        "auto",
        "of the map subscription; auto: transient_local (the latched last map arrives even when its "
        "publisher has fallen silent), and volatile once a publisher offers no more",
        choices=("auto", "transient_local", "volatile"),
    )
    depth: int = param(5, "clouds kept while one is being integrated", unit="clouds", low=1, high=1000)


@dataclass(frozen=True)
class NodeConfig(SsenConfig):
    """Parameters of `ssen_node`: those of the method, under their own names, and the node's own."""

    update_period_s: float = param(
        1.0, "time from one segmentation to the next, if the map has changed", unit="s", low=0.01, high=3600.0
    )
    cloud_qos: CloudQosConfig = field(default_factory=CloudQosConfig)


def declare(node: Node, config: Config) -> Config:
    """Declare every leaf of `config` as a read-only parameter and return the tree with the values given.

    `node` must have been made with `automatically_declare_parameters_from_overrides=True`. An
    integer is taken where a float is meant. A name that nobody knows is warned of, since it is most
    likely a slip; it may also be meant for another node that shares the file.

    Raises:
        ConfigError: a value of the wrong type or outside its interval.
    """
    leaves = parameters(config)
    given = {
        leaf.name: node.get_parameter(leaf.name).value for leaf in leaves if node.has_parameter(leaf.name)
    }
    config = with_values(config, given)
    for name in given:
        node.undeclare_parameter(name)  # it has the type of the override; declared anew with ours
    for leaf in parameters(config):
        _declare_one(node, leaf)
    _warn_of_unknown(node, {leaf.name for leaf in leaves})
    return config


def _declare_one(node: Node, leaf: Parameter) -> None:
    try:
        node.declare_parameter(leaf.name, leaf.default, _descriptor(leaf), ignore_override=True)
    except ParameterException as error:
        raise ConfigError(f"{leaf.name} = {leaf.default!r}: {error}") from error


def _descriptor(leaf: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=leaf.name,
        description=f"{leaf.doc} [{leaf.unit}]" if leaf.unit else leaf.doc,
        additional_constraints=f"one of: {', '.join(leaf.choices)}" if leaf.choices else "",
        read_only=True,
    )
    if leaf.low is None and leaf.high is None:
        return descriptor
    if isinstance(leaf.default, int):
        low, high = _bounds(leaf, _INT64_MIN, _INT64_MAX)
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=0)]
    else:
        low, high = _bounds(leaf, -_DOUBLE_MAX, _DOUBLE_MAX)
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
        ]
    return descriptor


def _bounds(leaf: Parameter, lowest: Any, highest: Any) -> tuple[Any, Any]:
    return lowest if leaf.low is None else leaf.low, highest if leaf.high is None else leaf.high


def _warn_of_unknown(node: Node, known: set[str]) -> None:
    declared = node.get_parameters_by_prefix("")
    unknown = [
        name
        for name in declared
        if name not in known and name not in _OF_RCLPY and not name.startswith("qos_overrides.")
    ]
    if unknown:
        node.get_logger().warning(
            f"unknown parameters are ignored: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
