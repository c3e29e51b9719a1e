"""A real ssen_node whose networks are replaced by a reading of the colours, so that the truth is known.

red: the class. green: the number of the object. blue: how the pass goes (see below).
Started by the tests as a process of its own.
"""

import os
import sys
import time
import weakref
from pathlib import Path

import numpy as np

from ssen_ros import pipeline
from ssen_ros.errors import CheckpointError
from ssen_ros.io import saved_map
from ssen_ros.labels import CLASS_NAMES, NUM_CLASSES
from ssen_ros.native import bound_arenas
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.ros import services, ssen_node
from ssen_ros.ros.main_loop import finish, run
from ssen_ros.ros.ssen_node import SsenNode

FAILS, SLOW = 250, 200  # blue of a cloud over which the pass raises, or lasts until the file below exists
RELEASE = Path(os.environ["SSEN_STUB_RELEASE"])
LONGEST_PASS_S = 120.0

ssen_node._DIAGNOSTICS_PERIOD_S = 0.1  # the tests wait for reports
pipeline.shift_of = lambda colors, before: 0  # the colours are read as they are


WEIGHTS = {"": 0.05, "coarse": 0.1}  # segmenter.semantic_checkpoint -> m; others do not load


class ColorSegmenter(Segmenting):
    class_names = CLASS_NAMES
    voxel_size = WEIGHTS[""]

    def __init__(self, weights):
        if weights == "slow":
            print("loading slowly")
            give_up_s = time.monotonic() + LONGEST_PASS_S
            while time.monotonic() < give_up_s:
                time.sleep(0.1)
        if weights == "broken":
            raise RuntimeError("nobody thought of this")
        if weights not in WEIGHTS:
            raise CheckpointError(f"{weights!r}: no such weights")
        self.voxel_size = WEIGHTS[weights]
        print(f"networks in memory: {weights!r}")
        weakref.finalize(self, print, f"networks gone: {weights!r}")

    def semantic(self, snapshot, floor):
        red, _, blue = snapshot.colors.T
        if (blue == FAILS).any():
            raise RuntimeError("the pass was told to fail")
        if (blue == SLOW).any():
            wait_for_release("inside a slow pass")
        log_probabilities = np.full((len(snapshot), NUM_CLASSES), -10.0, dtype=np.float32)
        log_probabilities[np.arange(len(snapshot)), red] = -0.01
        return log_probabilities

    def embed(self, snapshot, thing_rows, floor):
        green = snapshot.colors[thing_rows, 1].astype(np.float32)
        spread = np.random.default_rng(0).normal(scale=0.1, size=(len(green), 3))
        return (spread + np.column_stack([10.0 * green, 0.0 * green, 0.0 * green])).astype(np.float32)


def wait_for_release(doing):
    print(doing)
    give_up_s = time.monotonic() + LONGEST_PASS_S
    while not RELEASE.exists() and time.monotonic() < give_up_s:
        time.sleep(0.02)


def write_map(path, saved, overwrite):
    """As the real one; a map named `slow` takes as long as a slow pass."""
    if path.stem == "slow":
        wait_for_release("inside a slow save")
    saved_map.write_map(path, saved, overwrite)


services.write_map = write_map


def make_node(context, stop):
    def make_pipeline(config):
        return SsenPipeline(ColorSegmenter(config.segmenter.semantic_checkpoint), config)

    return SsenNode(context, stop, make_pipeline)


if __name__ == "__main__":
    bound_arenas()  # as the real one does
    sys.exit(finish(run("ssen", make_node)))
