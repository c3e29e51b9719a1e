"""A pipeline whose networks go on from what they kept: when they do, and what comes out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ssen_ros.config import PassesConfig, SsenConfig
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, network_of
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.segmenter import Segmenter
from ssen_ros.structures import Memory
from ssen_ros.voxel_map import VoxelMap

SIZE = 0.05
SEMANTIC = NetworkSpec("semantic", "MinkUNet14S", SIZE, ("rgb", "height"), CLASS_NAMES, 3)
EMBEDDING = NetworkSpec("embedding", "MinkUNet14S", SIZE, ("rgb", "xyz"), CLASS_NAMES, 3, embedding_width=8)


def pipeline(rotations=2, **passes) -> SsenPipeline:
    torch.manual_seed(0)
    checkpoints = [Checkpoint(spec, network_of(spec).eval()) for spec in (SEMANTIC, EMBEDDING)]
    config = replace(SsenConfig(), passes=PassesConfig(**{"incremental": "auto", **passes}))
    return SsenPipeline(Segmenter(*checkpoints, rotations=rotations), config)


def maps(count=4):
    """A floor on which boxes stand, some of which come and go."""
    rng = np.random.default_rng(0)
    floor = np.stack(np.meshgrid(np.arange(40), np.arange(40), [0]), axis=-1).reshape(-1, 3)
    boxes = np.stack(np.meshgrid(*[np.arange(6)] * 3), axis=-1).reshape(-1, 3)
    places = rng.integers(0, 34, (count + 2, 3)) * (1, 1, 0) + (0, 0, 1)
    voxel_map = VoxelMap(SIZE)
    for k in range(count):
        cells = np.unique(np.concatenate([floor, *(boxes + p for p in places[k : k + 3])]), axis=0)
        points = ((cells + 0.5) * SIZE).astype(np.float32)
        colors = (37 * cells % 251).astype(np.uint8)
        voxel_map.integrate(points, colors)
        yield voxel_map.snapshot()


def same_answers(one, other) -> None:
    for name in ("log_probabilities", "semantic_label", "thing_rows", "embeddings"):
        ours, expected = getattr(one.segmentation, name), getattr(other.segmentation, name)
        np.testing.assert_array_equal(ours, expected, err_msg=name)
    np.testing.assert_array_equal(one.instance_id, other.instance_id)


@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_with_threshold_0_updates_are_those_of_whole_passes(rotations):
    keeping, whole = pipeline(rotations, threshold=0.0), pipeline(rotations, incremental="off")
    memory = memory_of_whole = Memory()
    for number, snapshot in enumerate(maps()):
        result = keeping.step(snapshot, number, memory)
        expected = whole.step(snapshot, number, memory_of_whole)
        same_answers(result, expected)
        memory, memory_of_whole = result.memory, expected.memory
    assert memory_of_whole.kept is None and expected.computed_share == 1


def test_an_update_computes_less_than_a_whole_pass():
    keeping, (first, second) = pipeline(threshold=0.3), maps(2)
    before = keeping.step(first, 0)
    assert before.computed_share == 1
    after = keeping.step(second, 1, before.memory)
    assert 0 < after.computed_share < 1
    assert keeping.step(second, 2, after.memory).computed_share == 0, "nothing has changed"


def test_a_pass_that_is_dropped_is_followed_by_a_whole_one():
    keeping, (first, second, third) = pipeline(threshold=0.3), maps(3)
    before = keeping.step(first, 0)
    keeping.step(second, 1, before.memory)  # and this is not adopted
    after = keeping.step(third, 2, before.memory)
    assert after.computed_share == 1
    same_answers(after, keeping.step(third, 2, replace(before.memory, kept=None)))


def test_whole_passes_are_made_on_request_and_under_other_parameters():
    keeping, (first, second) = pipeline(threshold=0.3), maps(2)
    before = keeping.step(first, 0)
    asked = keeping.step(second, 1, before.memory.for_whole_pass())
    assert asked.computed_share == 1
    same_answers(asked, keeping.step(second, 1, replace(before.memory, kept=None)))
    keeping.config = replace(keeping.config, passes=PassesConfig("auto", threshold=0.2))
    assert keeping.step(second, 2, asked.memory).computed_share == 1


def test_nothing_is_kept_beyond_the_memory_that_is_given():
    snapshot = next(maps(1))
    assert pipeline(memory_mb=0.0).step(snapshot, 0).memory.kept is None
    assert pipeline().step(snapshot, 0).memory.kept is not None


def test_where_memory_is_short_as_many_networks_keep_as_it_allows():
    keeping, whole = pipeline(2, threshold=0.0), pipeline(2, incremental="off")
    memory = memory_of_whole = Memory()
    shares = []
    for number, (snapshot, affordable) in enumerate(zip(maps(), (3, 2, 1, 3))):
        keeping.segmenter.kept_per_voxel = 4096e6 / len(snapshot) / (affordable + 0.5)
        result, expected = (
            keeping.step(snapshot, number, memory),
            whole.step(snapshot, number, memory_of_whole),
        )
        same_answers(result, expected)
        memory, memory_of_whole = result.memory, expected.memory
        kept = [network.kept.used > 0 for network in memory.kept.networks._networks]
        assert kept == [k < affordable for k in range(3)]
        shares.append(result.computed_share)
    assert shares[0] == 1 and 0 < shares[1] < 1


def test_what_is_known_of_another_map_brings_nothing_that_was_kept():
    known = pipeline().step(next(maps(1)), 0).memory
    assert known.begin(Memory()).kept is None
