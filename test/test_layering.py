"""The core never meets ROS: nothing outside ssen_ros/ros imports rclpy or message packages, not even late.

One module meets MinkowskiEngine, late. No import goes in a circle, between modules or between rooms, not even
one for types alone. And some rooms never know of some others.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "ssen_ros"
CORE = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "ros")

ROS_PACKAGES = {"rclpy", "rcl_interfaces", "builtin_interfaces", "tf2_ros", "launch", "launch_ros"}
ROS_PREFIXES = ("ament_", "rosidl_", "rosbag2")
ROS_SUFFIXES = ("_msgs", "_msgs_py", "_srvs")
GENERATED = ("ssen_ros.msg", "ssen_ros.srv")
BORDER = "ssen_ros.ros"


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """(dotted name, whether inside a function) of every import of a module of ssen_ros."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    late = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        for name in _imported_names(node):
            yield name, id(node) in late


def _imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: relative import; this test reads absolute names"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        function = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if function in ("import_module", "__import__"):
            return [str(node.args[0].value)]
    return []


def is_ros(name: str) -> bool:
    top = name.split(".")[0]
    return (
        top in ROS_PACKAGES
        or top.startswith(ROS_PREFIXES)
        or top.endswith(ROS_SUFFIXES)
        or any(name == generated or name.startswith(generated + ".") for generated in GENERATED)
    )


def violations(source: str, *, is_cli: bool = False) -> list[str]:
    """Imports that a core module may not have; the command line alone may start the ROS side, late."""
    found = []
    for name, late in imports(source):
        crosses_border = name == BORDER or name.startswith(BORDER + ".")
        if is_ros(name) or (crosses_border and not (is_cli and late)):
            found.append(name)
    return found


def is_cli(path: Path) -> bool:
    return path.relative_to(PACKAGE).parts[0] == "cli"


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_core_module_imports_no_ros(path):
    assert violations(path.read_text(encoding="utf-8"), is_cli=is_cli(path)) == []


@pytest.mark.parametrize(
    "line",
    [
        "import rclpy",
        "import rclpy.node as n",
        "from sensor_msgs.msg import PointCloud2",
        "from sensor_msgs_py import point_cloud2",
        "from ssen_ros.msg import Instance",
        "from ssen_ros import msg",
        "from ssen_ros.ros import markers",
        "from ssen_ros import ros",
        "import importlib; importlib.import_module('rclpy')",
    ],
)
def test_the_check_sees_a_violation_at_the_top_and_inside_a_function(line):
    assert violations(line)
    assert violations(f"def f():\n    {line}")
    assert violations(line, is_cli=True), "even the command line imports nothing of ROS at its top"


def test_the_check_lets_the_command_line_start_nodes_late():
    line = "def f():\n    from ssen_ros.ros.node_table import ssen_node_process"
    assert violations(line) and not violations(line, is_cli=True)
    assert not violations("import numpy\nfrom ssen_ros.messages import x\nfrom ssen_ros.rosy import y")


def minkowski_imports(source: str) -> list[bool]:
    """Of each import of MinkowskiEngine, whether it is inside a function."""
    return [late for name, late in imports(source) if name.startswith("MinkowskiEngine")]


def test_one_module_imports_minkowski_engine_and_late():
    found = {path: minkowski_imports(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    places = {str(path.relative_to(PACKAGE)): all(late) for path, late in found.items() if late}
    assert places == {"sparse/minkowski.py": True}


OF_TRITON = {"triton_kernels.py", "triton_engine.py"}  # not to be imported without Triton, which is optional


def test_triton_is_imported_by_its_engine_alone_and_that_late():
    importing, late = set(), []
    for path in PACKAGE.rglob("*.py"):
        found = list(imports(path.read_text(encoding="utf-8")))
        importing |= {path.name for name, _ in found if name.split(".")[0] == "triton"}
        if path.name not in OF_TRITON:
            late += [is_late for name, is_late in found if name.startswith("ssen_ros.sparse.triton_")]
    assert importing == OF_TRITON and late and all(late)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")


def arrows(sources: dict[str, str]) -> dict[str, set[str]]:
    """Which of the modules, given by name with their source, each of them imports."""
    graph = {}
    for module, source in sources.items():
        names = [name for name, _ in imports(source)]
        taken = [name if name in sources else name.rpartition(".")[0] for name in names]
        graph[module] = {name for name in taken if name in sources}
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Those that import each other in turn; none: empty."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def room_of(module: str) -> str:
    """The folder below ssen_ros, or the module itself where it lies in none."""
    return module.split(".")[1] if "." in module else module


def between_rooms(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {}
    for module, imported in graph.items():
        room = room_of(module)
        rooms.setdefault(room, set()).update(map(room_of, imported))
    return {room: others - {room} for room, others in rooms.items()}


ARROWS = arrows({module_of(path): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")})


def test_no_import_goes_in_a_circle():
    assert circle(ARROWS) == []


def test_no_imports_between_rooms_go_in_a_circle():
    assert circle(between_rooms(ARROWS)) == []


def test_the_check_sees_a_circle():
    assert circle(arrows({"a": "from b import x", "b": "def f():\n    import c", "c": "from a import y"}))
    assert not circle(arrows({"a": "import b", "b": "from c import x", "c": "import numpy"}))
    sources = {"p.io.a": "from p.maps.b import x", "p.maps.b": "import numpy", "p.maps.c": "import p.io.a"}
    assert not circle(arrows(sources)) and circle(between_rooms(arrows(sources)))


NEVERS = {  # a room -> what it never imports, not even late
    "io": {"datasets", "simulation", "training", "torch"},
    "datasets": {"simulation", "training", "torch"},
    "training": {"simulation"},
    "evaluation": {"simulation", "training"},
    "pictures": {"datasets", "evaluation", "simulation", "training", "torch"},
    "figures": {"simulation", "training", "torch"},
}


def strangers(room: str, source: str) -> set[str]:
    """What a module of this room imports though the room never may."""
    parts = [name.split(".") for name, _ in imports(source)]
    tops = {part[1] if part[0] == "ssen_ros" and len(part) > 1 else part[0] for part in parts}
    above = {"benchmarks", "figures"} - {room}
    return tops & (NEVERS.get(room, set()) | (set() if room == "cli" else above))


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_know_nothing_of_those_above_them(path):
    assert not strangers(room_of(module_of(path)), path.read_text(encoding="utf-8"))


def test_the_check_sees_who_comes_in_from_above():
    assert strangers("io", "def f():\n    import torch.nn") == {"torch"}
    assert strangers("datasets", "from ssen_ros.simulation import scan") == {"simulation"}
    assert strangers("evaluation", "from ssen_ros import training") == {"training"}
    assert strangers("models", "import ssen_ros.benchmarks.engine") == {"benchmarks"}
    assert strangers("pictures", "from ssen_ros.figures.rooms import look") == {"figures"}
    assert not strangers("simulation", "import torch\nfrom ssen_ros.io.samples import Sample")


def test_who_reads_labelled_rooms_needs_no_torch():
    program = "import sys, ssen_ros.datasets.labelled_ply; assert 'torch' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=True,
        timeout=60,
    )


IMPORT_ALL = """
import importlib, json, sys
for blocked in ("rclpy", "sensor_msgs", "std_msgs", "ament_index_python"):
    sys.modules[blocked] = None  # as on a machine without ROS: importing it raises ImportError
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps([name for name, module in sys.modules.items() if module is not None and "." not in name]))
"""


def test_core_imports_without_ros_and_without_the_slow_libraries():
    modules = [module_of(path) for path in CORE if path.stem != "__main__" and path.name not in OF_TRITON]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    imported = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps(modules)],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert imported.returncode == 0, imported.stderr
    loaded = set(json.loads(imported.stdout))
    assert "numpy" in loaded
    assert not loaded & {"open3d", "viser", "matplotlib"}, "slow to import: import it where it is used"
    assert not [name for name in loaded if is_ros(name)]
