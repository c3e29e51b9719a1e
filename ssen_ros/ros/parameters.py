"""ROS parameters derived from the fields of a configuration tree, declared and read in one call."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter as RclParameter

from ssen_ros.config import (
    CONFIGURE,
    LIVE,
    START,
    Parameter,
    PublishConfig,
    SsenConfig,
    param,
    parameters,
    with_values,
)
from ssen_ros.errors import ConfigError, nearest

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
        changes=CONFIGURE,
    )
    durability: str = param(
        "auto",
        "of the map subscription; auto: transient_local (the latched last map arrives even when its "
        "publisher has fallen silent), and volatile once a publisher offers no more",
        choices=("auto", "transient_local", "volatile"),
        changes=CONFIGURE,
    )
    depth: int = param(
        5, "clouds kept while one is being integrated", unit="clouds", low=1, high=50, changes=CONFIGURE
    )


def _output(name: str) -> bool:
    return param(True, f"offer ~/{name}", changes=LIVE)


@dataclass(frozen=True)
class TopicsConfig(PublishConfig):
    semantic_cloud: bool = _output("semantic_cloud")
    instance_cloud: bool = _output("instance_cloud")
    structure_cloud: bool = _output("structure_cloud")
    instances: bool = _output("instances")
    markers: bool = _output("markers")
    detections: bool = param(
        True, "offer ~/detections and ~/label_info, where vision_msgs is installed", changes=LIVE
    )
    classes: str = param(
        "",
        "classes of the objects in these outputs, with commas between them, such as chair,table; empty: all. "
        "The services know every object",
        changes=LIVE,
    )

    @property
    def class_names(self) -> frozenset[str]:
        """The classes asked for; none: all."""
        return frozenset(filter(None, (name.strip() for name in self.classes.split(","))))


def _static(doc: str, unit: str) -> float:
    return param(0.0, doc, unit=unit, low=-1e6, high=1e6, changes=CONFIGURE)


@dataclass(frozen=True)
class StaticTransformConfig:
    frame_id: str = param("", "parent frame; empty: there is no static transform", changes=CONFIGURE)
    child_frame_id: str = param("", "child frame", changes=CONFIGURE)
    x: float = _static("place of the child's origin in the parent frame", "m")
    y: float = _static("place of the child's origin in the parent frame", "m")
    z: float = _static("place of the child's origin in the parent frame", "m")
    roll: float = _static("turn of the child in the parent frame, about x; applied first", "rad")
    pitch: float = _static("turn about the parent's y; applied second", "rad")
    yaw: float = _static("turn about the parent's z; applied last", "rad")


@dataclass(frozen=True)
class FramesConfig:
    target_frame: str = param(
        "",
        "frame in which the map is kept and all is published; empty: that of the clouds",
        changes=CONFIGURE,
    )
    gravity_frame: str = param(
        "",
        "frame whose +Z is known to point up: clouds of a map in which +Z does not are refused; empty: no "
        "check",
        changes=CONFIGURE,
    )
    max_tilt_deg: float = param(
        5.0,
        "largest angle between the +Z of the map and that of gravity_frame",
        unit="deg",
        low=0.0,
        high=90.0,
        changes=CONFIGURE,
    )
    tf_timeout_s: float = param(
        0.5,
        "a cloud waits so long for its transform from tf2",
        unit="s",
        low=0.0,
        high=3.0,
        changes=CONFIGURE,
    )
    robot_frame: str = param(
        "",
        "frame at whose origin the robot is, the middle of map.box_m; empty: that of the clouds, such as the "
        "camera's",
        changes=CONFIGURE,
    )
    static_transform: StaticTransformConfig = field(default_factory=StaticTransformConfig)


@dataclass(frozen=True)
class NodeConfig(SsenConfig):
    """Parameters of `ssen_node`: those of the method, under their own names, and the node's own."""

    update_period_s: float = param(
        1.0,
        "time from one segmentation to the next, if the map has changed",
        unit="s",
        low=0.01,
        high=3600.0,
        changes=LIVE,
    )
    autostart: bool = param(True, "configure and activate by itself; false: wait for a lifecycle manager")
    map_directory: str = param("", "folder below which ~/save_map and ~/load_map work; empty: they refuse")
    stale_cloud_s: float = param(
        0.0,
        "age of the newest cloud from which /diagnostics warns; 0: never, as many SLAMs fall silent at rest",
        unit="s",
        low=0.0,
        high=1e9,
        changes=LIVE,
    )
    publish: TopicsConfig = field(default_factory=TopicsConfig)
    frames: FramesConfig = field(default_factory=FramesConfig)
    cloud_qos: CloudQosConfig = field(default_factory=CloudQosConfig)


def declare(node: Node, config: Config) -> Config:
    """Declare every leaf of `config` as a parameter and return the tree with the values given.

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


def check_sections(arguments: Sequence[str], node: str) -> None:
    """Each parameter file that a command line names must have a section for the node.

    rcl says nothing of a file that has none, and the node would run with its defaults.

    Raises:
        ConfigError: a file all of whose sections are for nodes other than `node`, a fully qualified name.
    """
    for option, path in zip(arguments, arguments[1:]):
        if option != "--params-file":
            continue
        # rcl has read the file already, so it is YAML, and a mapping.
        sections = list(_sections(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}))
        if sections and not any(re.fullmatch(_pattern(section), node) for section in sections):
            raise ConfigError(
                f"{path} has parameters for {', '.join(sections)}, none for this node: name a section {node} "
                "or /**"
            )


def _sections(tree: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if key == "ros__parameters":
            yield above
        elif isinstance(value, Mapping):
            yield from _sections(value, f"{above}/{key.strip('/')}")


def _pattern(section: str) -> str:
    """Of the nodes that a section is for: * is one name, ** any number of them."""
    return re.escape(section).replace(r"/\*\*", r"(/\w+)*").replace(r"/\*", r"/\w+")


def _declare_one(node: Node, leaf: Parameter) -> None:
    try:
        node.declare_parameter(leaf.name, leaf.default, _descriptor(leaf), ignore_override=True)
    except ParameterException as error:
        raise ConfigError(f"{leaf.name} = {leaf.default!r}: {error}") from error


def _descriptor(leaf: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=leaf.name,
        description=f"{leaf.doc} [{leaf.unit}]" if leaf.unit else leaf.doc,
        additional_constraints="; ".join(_constraints(leaf)),
        read_only=leaf.changes == START,
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


def _constraints(leaf: Parameter) -> list[str]:
    choices = [f"one of: {', '.join(leaf.choices)}"] if leaf.choices else []
    return choices + (["set while the node is unconfigured"] if leaf.changes == CONFIGURE else [])


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
        told = "; ".join(f"{name}{nearest(name, known)}" for name in sorted(unknown))
        node.get_logger().warning(
            f"unknown parameters are ignored: {told}; known: {', '.join(sorted(known))}"
        )


class LiveParameters(Generic[Config]):
    """Keeps a configuration equal to the parameters of a node that `declare` has read it from.

    What is set together is taken together or refused together, with the reason. `apply` gets the new
    configuration, and may refuse it by a ConfigError before it has changed anything.
    """

    def __init__(
        self, node: Node, config: Config, is_configured: Callable[[], bool], apply: Callable[[Config], None]
    ):
        self.config = config
        self._changes = {leaf.name: leaf.changes for leaf in parameters(config)}
        self._is_configured = is_configured
        self._apply = apply
        # Not a post-set callback, which Humble lacks. What this one has applied nobody refuses after it:
        # rclpy's own, for use_sim_time, asks for a type that its declaration has already made sure of.
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, given: Sequence[RclParameter]) -> SetParametersResult:
        try:
            config = self._checked({p.name: p.value for p in given if p.name in self._changes})
            if config != self.config:
                self._apply(config)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.config = config
        return SetParametersResult(successful=True)

    def _checked(self, values: dict[str, Any]) -> Config:
        config = with_values(self.config, values)
        if config != self.config and self._is_configured():
            before = {leaf.name: leaf.default for leaf in parameters(self.config)}
            late = [n for n in values if self._changes[n] == CONFIGURE and values[n] != before[n]]
            if late:
                raise ConfigError(
                    f"{', '.join(late)}: read when the node is configured; `ros2 lifecycle set` it to "
                    "deactivate and cleanup first"
                )
        return config
