"""The node processes as plain data: the launch files and `ssen demo` start the same nodes from this table.

Imports nothing of ROS, so that it can be read where ROS is not installed.
"""

import json
import sys
from dataclasses import dataclass, field
from os import PathLike

ParameterValue = bool | int | float | str


@dataclass(frozen=True)
class NodeProcess:
    """One node in a process of its own."""

    executable: str  # console script, as `ros2 run ssen_ros EXECUTABLE` knows it
    module: str  # the same program, as `python -m MODULE` knows it
    name: str  # node name
    parameters: dict[str, ParameterValue] = field(default_factory=dict)
    remappings: dict[str, str] = field(default_factory=dict)

    def command(self, params_file: str | PathLike | None = None) -> list[str]:
        """The command line that starts the process in this interpreter; `parameters` win over the file."""
        command = [sys.executable, "-m", self.module, "--ros-args", "-r", f"__node:={self.name}"]
        if params_file is not None:
            command += ["--params-file", str(params_file)]
        for key, value in self.parameters.items():
            # The node's name makes the value as specific as the file's section; it comes later and so wins.
            command += ["-p", f"{self.name}:{key}:={json.dumps(value)}"]
        for source, target in self.remappings.items():
            command += ["-r", f"{source}:={target}"]
        return command


def ssen_node_process(
    cloud_topic: str = "cloud_map", parameters: dict[str, ParameterValue] | None = None
) -> NodeProcess:
    """The segmenting node, listening on `cloud_topic`."""
    return _process("ssen_node", "ssen", cloud_topic, parameters)


def simulator_process(
    cloud_topic: str = "cloud_map", parameters: dict[str, ParameterValue] | None = None
) -> NodeProcess:
    """The simulated SLAM, publishing its accumulated map on `cloud_topic`."""
    return _process("simulator_node", "ssen_simulator", cloud_topic, parameters)


def player_process(
    cloud: str | PathLike,
    cloud_topic: str = "cloud_map",
    parameters: dict[str, ParameterValue] | None = None,
) -> NodeProcess:
    """The player of a stored cloud, as a map that grows, or of a recording of maps, on `cloud_topic`."""
    return _process("player_node", "ssen_player", cloud_topic, {"cloud": str(cloud), **(parameters or {})})


def _process(
    executable: str, name: str, cloud_topic: str, parameters: dict[str, ParameterValue] | None
) -> NodeProcess:
    remappings = {} if cloud_topic == "cloud_map" else {"cloud_map": cloud_topic}
    return NodeProcess(executable, f"ssen_ros.ros.{executable}", name, dict(parameters or {}), remappings)
