"""The node processes as plain data: the launch files and `ssen demo` start the same nodes from this table.

Imports nothing of ROS, so that it can be read where ROS is not installed.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

from ssen_ros.errors import ConfigError

ParameterValue = bool | int | float | str


@dataclass(frozen=True)
class Argument:
    """One argument of the launch files."""

    name: str
    default: str
    text: str
    parameter: str = ""  # of the node, which it sets where it is not empty
    kind: type = str  # or bool


# Of everything that is started.
COMMON_ARGUMENTS = (
    Argument("cloud_topic", "cloud_map", "sensor_msgs/PointCloud2 topic of the map"),
    Argument("namespace", "", "of the nodes and of relative topics, such as robot1; for several robots"),
    Argument("log_level", "info", "debug, info, warn, error or fatal"),
)
# Of the segmenting node and of RViz beside it.
SSEN_ARGUMENTS = (
    *COMMON_ARGUMENTS,
    Argument("params_file", "", "parameters of the node; empty: config/ssen.yaml of the package"),
    Argument(
        "weights", "", "folder of both networks, as `ssen teach` writes it; empty: as params_file says",
        "segmenter.weights",
    ),
    Argument(
        "semantic_weights", "", "safetensors file; empty: as params_file says",
        "segmenter.semantic_checkpoint",
    ),
    Argument(
        "embedding_weights", "", "safetensors file; empty: as params_file says",
        "segmenter.embedding_checkpoint",
    ),
    Argument("device", "", "auto, cpu, cuda or cuda:N; empty: as params_file says", "segmenter.device"),
    Argument("map_directory", "", "folder of ~/save_map; empty: as params_file says", "map_directory"),
    Argument(
        "use_sim_time", "", "true: time from /clock, as with bags; empty: as params_file says",
        "use_sim_time", bool,
    ),
    Argument(
        "autostart", "", "false: wait for a lifecycle manager; empty: as params_file says", "autostart", bool
    ),
    Argument(
        "namespaced_tf", "false", "true: tf and tf_static of the namespace, as several robots have", kind=bool
    ),
    Argument("rviz", "false", "start RViz with the node's topics shown", kind=bool),
    Argument("fixed_frame", "map", "of RViz: the frame of the map"),
)  # fmt: skip

# What makes tf that of the namespace, as nav2 has it.
NAMESPACED_TF = {"/tf": "tf", "/tf_static": "tf_static"}


@dataclass(frozen=True)
class NodeProcess:
    """One node in a process of its own."""

    executable: str  # console script, as `ros2 run ssen_ros EXECUTABLE` knows it
    module: str  # the same program, as `python -m MODULE` knows it
    name: str  # node name
    parameters: dict[str, ParameterValue] = field(default_factory=dict)
    remappings: dict[str, str] = field(default_factory=dict)
    namespace: str = ""
    log_level: str = "info"

    def command(self, params_file: str | PathLike | None = None) -> list[str]:
        """The command line that starts the process in this interpreter; `parameters` win over the file."""
        command = [sys.executable, "-m", self.module, "--ros-args", "-r", f"__node:={self.name}"]
        if self.namespace:
            command += ["-r", f"__ns:={absolute('', self.namespace)}"]
        command += ["--log-level", self.log_level]
        if params_file is not None:
            command += ["--params-file", str(params_file)]
        # The node's name makes the value as specific as the file's section; it comes later and so wins. rcl
        # takes no namespace here: within one, a section of the file that names it would win.
        prefix = "" if self.namespace else f"{self.name}:"
        for key, value in self.parameters.items():
            command += ["-p", f"{prefix}{key}:={json.dumps(value)}"]
        for source, target in self.remappings.items():
            command += ["-r", f"{source}:={target}"]
        return command


def ssen_node_process(
    cloud_topic: str = "cloud_map",
    parameters: dict[str, ParameterValue] | None = None,
    namespace: str = "",
    log_level: str = "info",
) -> NodeProcess:
    """The segmenting node, listening on `cloud_topic`."""
    return _process("ssen_node", "ssen", cloud_topic, parameters, namespace, log_level)


def ssen_node_from(values: Mapping[str, str]) -> NodeProcess:
    """The segmenting node as SSEN_ARGUMENTS with these values ask for it. Raises ConfigError for no truth."""
    parameters: dict[str, ParameterValue] = {
        argument.parameter: is_true(argument.name, values[argument.name])
        if argument.kind is bool
        else values[argument.name]
        for argument in SSEN_ARGUMENTS
        if argument.parameter and values[argument.name]
    }
    process = ssen_node_process(values["cloud_topic"], parameters, values["namespace"], values["log_level"])
    return replace(process, remappings=process.remappings | tf_remappings(values))


def rviz_remappings(values: Mapping[str, str]) -> dict[str, str]:
    """What makes config/ssen.rviz show what SSEN_ARGUMENTS with these values ask for.

    Its topics are relative: in whatever namespace RViz is started, it shows the node there.
    """
    return cloud_remapping(values["cloud_topic"]) | tf_remappings(values)


def cloud_remapping(cloud_topic: str) -> dict[str, str]:
    return {} if cloud_topic == "cloud_map" else {"cloud_map": cloud_topic}


def tf_remappings(values: Mapping[str, str]) -> dict[str, str]:
    return NAMESPACED_TF if is_true("namespaced_tf", values["namespaced_tf"]) else {}


def is_true(name: str, text: str) -> bool:
    """The value of an argument that is true or false, in the words that launch knows for it."""
    truth = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
    if truth is None:
        raise ConfigError(f"{name}:={text}: expected true or false")
    return truth


def existing_file(name: str, text: str) -> Path:
    """The path that an argument gives; `~` is the home folder."""
    path = Path(text).expanduser()
    if not path.is_file():
        found = "a folder" if path.is_dir() else "there is no such file"
        raise ConfigError(
            f"{name}:={text}: {found}; a path that does not begin with / starts at {Path.cwd()}"
        )
    return path


def names_in(name: str, text: str) -> list[str]:
    """The values of an argument that is a list: different, none empty."""
    names = [part.strip() for part in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise ConfigError(
            f"{name}:={text}: expected names that differ, with commas between them, such as robot1,robot2"
        )
    return names


def absolute(namespace: str, name: str) -> str:
    """A topic or namespace with all that is above it."""
    return name if name.startswith("/") else "/" + "/".join(filter(None, [namespace.strip("/"), name]))


def simulator_process(
    cloud_topic: str = "cloud_map",
    parameters: dict[str, ParameterValue] | None = None,
    namespace: str = "",
    log_level: str = "info",
) -> NodeProcess:
    """The simulated SLAM, publishing its accumulated map on `cloud_topic`."""
    return _process("simulator_node", "ssen_simulator", cloud_topic, parameters, namespace, log_level)


def player_process(
    cloud: str | PathLike,
    cloud_topic: str = "cloud_map",
    parameters: dict[str, ParameterValue] | None = None,
) -> NodeProcess:
    """The player of a stored cloud, as a map that grows, or of a recording of maps, on `cloud_topic`."""
    return _process("player_node", "ssen_player", cloud_topic, {"cloud": str(cloud), **(parameters or {})})


def _process(
    executable: str,
    name: str,
    cloud_topic: str,
    parameters: dict[str, ParameterValue] | None,
    namespace: str = "",
    log_level: str = "info",
) -> NodeProcess:
    module, remappings = f"ssen_ros.ros.{executable}", cloud_remapping(cloud_topic)
    return NodeProcess(executable, module, name, dict(parameters or {}), remappings, namespace, log_level)
