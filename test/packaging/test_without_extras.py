"""The node needs no more than rosdep installs; what more a command needs it names."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from ssen_ros.errors import EngineError
from ssen_ros.pipeline import _check_torch

CHECKOUT = Path(__file__).resolve().parents[2]
# rosdep has no key for these, or package.xml does not name it.
NOT_OF_ROSDEP = (
    "embreex", "hdbscan", "lzf", "matplotlib", "rosbags", "safetensors", "sklearn", "distributed",
)  # fmt: skip
NOT_OF_A_NODE = ("PIL", "rich", "tqdm")

WITHOUT = "import sys\nsys.modules.update(dict.fromkeys({names}))\n"  # None: the import ends there

NODE = """
import numpy as np
import ssen_ros.ros.ssen_node
from ssen_ros.config import SsenConfig
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.voxel_map import VoxelMap

pipeline = SsenPipeline.from_config(SsenConfig())
voxel_map = VoxelMap(pipeline.segmenter.voxel_size)
side = np.arange(0, 1, 0.03)
points = np.stack(np.meshgrid(side, side, [0.0, 0.5]), -1).reshape(-1, 3)
voxel_map.integrate(points, np.full(points.shape, 120, np.uint8))
print(len(pipeline.step(voxel_map.snapshot(), 0).semantic_label))
"""


def run(program, missing, *arguments, folder=CHECKOUT):
    program = WITHOUT.format(names=tuple(missing)) + program
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_node_needs_no_more_than_rosdep_installs():
    done = run(NODE, NOT_OF_ROSDEP + NOT_OF_A_NODE)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


COMMAND = "from ssen_ros.cli import main\nsys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("module", "command", "remedy"),
    [
        ("scipy", "segment room.npz --out out", "sudo apt install python3-scipy` or `pip install scipy"),
        ("torch", "segment room.npz --out out", "sudo apt install python3-torch` or `pip install torch"),
        ("PIL", "segment room.npz --out out", "sudo apt install python3-pil` or `pip install pillow"),
        ("rich", "segment room.npz --out out", "pip install rich"),
        ("hdbscan", "segment room.npz --out out --set clustering.mode=exact", "pip install hdbscan"),
        ("rosbags", "segment room.mcap --out out", "pip install rosbags"),
        ("embreex", "simulate --rooms 1 --seed 3 --out rooms", "pip install embreex"),
        ("tqdm", "simulate --rooms 1 --seed 3 --out rooms", "pip install tqdm"),
        ("matplotlib", "curves run --out a.png", "pip install 'ssen-ros[training]'"),
        ("matplotlib", "figure 3", "sudo apt install python3-matplotlib` or `pip install matplotlib"),
        ("distributed", "simulate --out rooms --dask tcp://127.0.0.1:9", "pip install distributed"),
    ],
)
def test_a_command_names_what_it_misses(module, command, remedy, tmp_path):
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (4000, 3)).astype(np.float32)
    np.savez(tmp_path / "room.npz", points=points, colors=rng.integers(0, 256, points.shape, np.uint8))
    (tmp_path / "room.mcap").write_bytes(b"\x89MCAP0\r\n")
    done = run(COMMAND, [module], *command.split(), folder=tmp_path)
    assert done.returncode == 1, done.stderr
    assert remedy in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


def test_an_executable_of_the_workspace_names_what_it_misses(tmp_path):
    text = (CHECKOUT / "scripts" / "program.py.in").read_text(encoding="utf-8")
    program = text.replace("@program@", "ssen_node").replace("@module@", "ssen_ros.ros.ssen_node")
    done = run(program.partition("\n")[2], ["scipy"])
    assert done.returncode == 1
    assert done.stderr.startswith("ssen_node: the Python module 'scipy") and "python3-scipy" in done.stderr


@pytest.mark.parametrize(
    ("torch", "numpy", "words"),
    [
        ("2.1.0a0+29c30b1.nv23.08", "1.26.4", ""),
        ("2.13.0+cpu", "2.4.6", ""),
        ("1.13.1", "1.24.2", "torch is 1.13.1: expected 2.1 or newer"),
        ("2.1.2+cpu", "2.0.1", "numpy<2"),
    ],
)
def test_versions_of_torch_that_do_not_work_are_refused(torch, numpy, words):
    if not words:
        return _check_torch(torch, numpy)
    with pytest.raises(EngineError, match=words):
        _check_torch(torch, numpy)


def test_the_manifest_names_what_rosdep_is_to_install_and_no_more():
    manifest = ElementTree.parse(CHECKOUT / "package.xml").getroot()
    needed = {one.text for tag in ("depend", "exec_depend") for one in manifest.findall(tag)}
    assert {"python3-torch", "python3-numpy", "python3-scipy", "python3-yaml", "rclpy"} <= needed
    assert not needed & {"rviz2", "python3-matplotlib", "python3-sklearn"}
    assert not [name for name in needed if name.endswith("-pip")]  # a released package may not use them
    for tag in ("url", "author", "maintainer", "license", "description"):
        assert manifest.findtext(tag), tag
