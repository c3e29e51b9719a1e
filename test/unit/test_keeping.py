"""A pipeline whose networks go on from what they kept: when they do, and what comes out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ssen_ros import regions
from ssen_ros.config import PassesConfig, SsenConfig
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.models import Checkpoint, NetworkSpec, network_of
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.segmenter import KeepingNetworks, RegionNetworks, Segmenter
from ssen_ros.structures import Kept, Memory, VoxelSnapshot
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
        voxel_map.integrate(*cloud(cells))
        yield voxel_map.snapshot()


def cloud(cells) -> tuple[np.ndarray, np.ndarray]:
    return ((cells + 0.5) * SIZE).astype(np.float32), (37 * cells % 251).astype(np.uint8)


def corridor(*boxes) -> VoxelSnapshot:
    """A narrow floor of 24 m, on which boxes stand that far from its beginning, in voxels."""
    floor = np.stack(np.meshgrid(np.arange(480), np.arange(4), [0]), axis=-1).reshape(-1, 3)
    box = np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3)
    cells = np.unique(np.concatenate([floor, *(box + (x, 0, 1) for x in boxes)]), axis=0)
    return VoxelSnapshot(cells.astype(np.int32), *cloud(cells), SIZE)


def same_answers(one, other) -> None:
    for name in ("log_probabilities", "semantic_label", "thing_rows", "embeddings"):
        ours, expected = getattr(one.segmentation, name), getattr(other.segmentation, name)
        np.testing.assert_array_equal(ours, expected, err_msg=name)
    np.testing.assert_array_equal(one.instance_id, other.instance_id)


@pytest.mark.parametrize("rotations, heading", [(1, 0.0), (2, 0.0), (3, 0.0), (1, 0.4), (3, 0.4)])
def test_with_threshold_0_updates_are_those_of_whole_passes(rotations, heading):
    keeping, whole = pipeline(rotations, threshold=0.0), pipeline(rotations, incremental="off")
    memory = memory_of_whole = Memory(heading=heading)  # no direction stands out, so it stays
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


@pytest.mark.parametrize("heading", [0.0, 0.4])
def test_regions_that_look_as_far_as_the_networks_answer_as_whole_passes(heading, monkeypatch):
    segmenter = pipeline().segmenter
    reach = max(network.model.reach for network in segmenter.networks) / np.cos(heading)
    tiles = int(np.ceil(reach / regions.TILE))
    monkeypatch.setattr(regions, "MARGIN", tiles)
    monkeypatch.setattr(regions, "CONTEXT", tiles)
    networks, anchors = None, None
    for boxes in ((10, 300, 440), (10, 440), (10, 20, 440)):
        snapshot = replace(corridor(*boxes), heading=heading)
        networks = RegionNetworks(segmenter, 1.0, *(networks.answers if networks else ()))
        things = np.flatnonzero(snapshot.voxel_coords[:, 0] % 7)
        answers = networks.semantic(snapshot, 0.0), networks.embed(snapshot, things, 0.0)
        assert (networks.share < 1) == (anchors is not None)
        anchors = anchors or [known.anchor for known in networks.answers]
        expected = (
            segmenter.semantic_from(anchors[0], snapshot),
            segmenter.embed_from(anchors[1], snapshot, things),
        )
        for ours, wanted in zip(answers, expected):
            np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_an_update_by_regions_computes_what_changed_and_may_be_dropped():
    by_region, first, second = pipeline(incremental="regions"), corridor(10, 300, 440), corridor(10, 300)
    before = by_region.step(first, 0)
    assert before.computed_share == 1
    same_answers(before, pipeline(incremental="off").step(first, 0))
    by_region.step(corridor(10, 200), 1, before.memory)  # and this is not adopted
    after = by_region.step(second, 2, before.memory)
    assert 0 < after.computed_share < 0.5
    same_answers(after, by_region.step(second, 2, before.memory))
    there = first.voxel_coords[:, 0] < 300
    stays = second.voxel_coords[:, 0] < 300
    np.testing.assert_array_equal(
        after.segmentation.log_probabilities[stays], before.segmentation.log_probabilities[there]
    )
    assert by_region.step(second, 3, after.memory).computed_share == 0, "nothing has changed"
    asked = by_region.step(second, 3, after.memory.for_whole_pass())
    assert asked.computed_share == 1
    same_answers(asked, by_region.step(second, 3, replace(after.memory.for_whole_pass(), kept=None)))


def test_a_loaded_map_is_classified_anew_only_where_it_has_changed():
    by_region, saved = pipeline(incremental="regions"), corridor(10, 300, 440)
    memory = by_region.step(saved, 0).memory
    names = "known", "next_id", "floor", "exposure", "evidence"
    loaded = Memory(**{name: getattr(memory, name) for name in names})
    assert memory.exposure != 0, "the networks see other colours than the map's"
    recalled = by_region.recall(saved, 1, loaded)
    assert recalled.computed_share == 1 and recalled.memory.is_settled == loaded.is_settled
    after = by_region.step(corridor(10, 300), 2, recalled.memory)
    classes, embeddings = after.memory.kept.networks.answers
    assert classes.anchor.centre != embeddings.anchor.centre
    things = len(embeddings.shown.keys)
    whole = 2 * len(after.snapshot) + things
    assert things / whole < after.computed_share < (things + len(after.snapshot)) / whole
    off = pipeline(incremental="off")
    assert off.recall(saved, 1, loaded).memory.kept is None


def test_regions_take_over_where_no_layers_can_be_kept():
    snapshot, segmenter = corridor(10), pipeline().segmenter
    by_layers = segmenter.continued(None, len(snapshot), PassesConfig("auto"))
    assert isinstance(by_layers, KeepingNetworks)
    by_layers.semantic(snapshot, 0.0)
    assert by_layers.nbytes > 0
    little = PassesConfig("auto", memory_mb=len(snapshot) * segmenter.kept_per_voxel / 2e6)
    for config in (little, PassesConfig("regions")):
        networks = segmenter.continued(Kept(by_layers, 1, 1.0), len(snapshot), config)
        assert isinstance(networks, RegionNetworks) and by_layers.nbytes == 0
        networks.semantic(snapshot, 0.0)
        networks.embed(snapshot, np.arange(10), 0.0)
        assert networks.share == 1, "nothing is known yet"
        kept = Kept(networks, networks.passes, networks.share)
        again = segmenter.continued(kept, len(snapshot), config)
        again.semantic(snapshot, 0.0)
        assert again.share == 0 and 100 < networks.nbytes / len(snapshot) < 130
        elsewhere = segmenter.continued(kept, len(snapshot), config)
        elsewhere.semantic(snapshot, 0.1)
        assert elsewhere.share == 1, "all heights are others"
        moved = replace(snapshot, points=snapshot.points + np.float32([0.9, 0, 0]) * SIZE)
        others = segmenter.continued(kept, len(snapshot), config)
        others.embed(moved, np.arange(10), 0.0)
        assert others.share == 1, "all positions are others"
    by_layers.begin(len(snapshot), whole=True)
    by_layers.let_go()
    assert isinstance(segmenter.continued(None, len(snapshot), PassesConfig("auto")), RegionNetworks)
    smaller = segmenter.continued(None, len(snapshot) - 1, PassesConfig("auto"))
    assert isinstance(smaller, KeepingNetworks)
    segmenter.networks[1].engine = "minkowski"
    assert isinstance(segmenter.continued(None, 10, PassesConfig("auto")), RegionNetworks)
