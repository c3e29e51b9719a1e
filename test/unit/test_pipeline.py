"""The pipeline with a stub in the place of the networks: colour says the class, place says the object."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros import voxels_native
from ssen_ros.config import ClusteringConfig, InstancesConfig, PublishConfig, SegmenterConfig, SsenConfig
from ssen_ros.errors import ConfigError
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.smoothing import smooth
from ssen_ros.structures import Memory
from ssen_ros.voxel_map import VoxelMap

VOXEL_SIZE = 0.1
NAMES = ("wall", "floor", "chair", "table")
GREY, RED, BLUE = (128, 128, 128), (200, 0, 0), (0, 0, 200)
CLASS_OF_COLOR = {GREY: 1, RED: 2, BLUE: 3}
SURE = 0.9


class StubSegmenter(Segmenting):
    """Floor grey, chairs red, tables blue; things embed where the 3 m square they stand on lies."""

    voxel_size = VOXEL_SIZE
    class_names = NAMES
    colors = CLASS_OF_COLOR

    def __init__(self):
        self.calls = []

    def semantic(self, snapshot, floor):
        self.calls.append("semantic")
        label = np.array([self.colors[tuple(c)] for c in snapshot.colors.tolist()])
        classes = len(self.class_names)
        probabilities = np.full((len(snapshot), classes), (1 - SURE) / (classes - 1), dtype=np.float32)
        probabilities[np.arange(len(snapshot)), label] = SURE
        return np.log(probabilities)

    def embed(self, snapshot, thing_rows, floor):
        self.calls.append("embed")
        place = snapshot.points[thing_rows]
        square = np.floor(place[:, :2] / 3)
        within = np.random.default_rng(0).normal(scale=0.03, size=place.shape)
        return np.concatenate([2 * square, within], axis=1).astype(np.float32)


def fill(low, high, color):
    """A solid block, one point in each voxel."""
    axes = [np.arange(round(a / VOXEL_SIZE), round(b / VOXEL_SIZE)) for a, b in zip(low, high, strict=True)]
    points = (np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3) + 0.5) * VOXEL_SIZE
    return points, np.tile(np.array(color, np.uint8), (len(points), 1))


def cloud(*parts):
    return np.concatenate([p for p, _ in parts]), np.concatenate([c for _, c in parts])


FLOOR = fill((-3, -3, -0.1), (6, 3, 0), GREY)
CHAIR = fill((1, 1, 0), (1.5, 1.5, 0.5), RED)
TABLE = fill((4, 1, 0), (5, 1.6, 0.6), BLUE)


def pipeline(**instances):
    config = SsenConfig(
        segmenter=SegmenterConfig(even_exposure=False),  # the stub goes by the colours themselves
        clustering=ClusteringConfig(min_cluster_size=20),
        instances=InstancesConfig(**instances),
    )
    return SsenPipeline(StubSegmenter(), config)


class Run:
    """Steps of a pipeline, each with the memory of the one before."""

    def __init__(self, **instances):
        self.pipeline, self.memory = pipeline(**instances), Memory()

    def step(self, snapshot, stamp_ns):
        result = self.pipeline.step(snapshot, stamp_ns, self.memory)
        self.memory = result.memory
        return result


def map_of(*parts):
    voxel_map = VoxelMap(VOXEL_SIZE)
    if parts:
        voxel_map.integrate(*cloud(*parts))
    return voxel_map.snapshot()


STAGES = {
    "empty": map_of(),
    "both": map_of(FLOOR, CHAIR, TABLE),
    "chair": map_of(FLOOR, CHAIR),
    "half a chair": map_of(FLOOR, fill((1, 1, 0), (1.2, 1.5, 0.5), RED), TABLE),
    "chair as a table": map_of(FLOOR, fill((1, 1, 0), (1.5, 1.5, 0.5), BLUE)),
}


def test_two_objects_become_two_instances():
    snapshot = map_of(FLOOR, CHAIR, TABLE)
    result = pipeline().step(snapshot, stamp_ns=7)
    assert result.snapshot is snapshot and result.stamp_ns == 7
    assert sorted((i.class_name, i.voxel_count) for i in result.instances) == [("chair", 125), ("table", 360)]
    assert [e.kind for e in result.events] == ["created", "created"]
    (chair,) = (i for i in result.instances if i.class_name == "chair")
    np.testing.assert_allclose(chair.centroid, (1.25, 1.25, 0.25), atol=1e-3)
    np.testing.assert_allclose(
        chair.box.size, (0.4, 0.4, 0.4), atol=1e-3
    )  # from voxel middle to voxel middle
    for instance in result.instances:
        of_class = result.segmentation.semantic_label == instance.class_id
        assert (result.instance_id[of_class] == instance.id).all()
    assert (result.instance_id[result.segmentation.semantic_label == 1] == -1).all()


def test_confidence_is_the_probability_on_stuff_and_the_clusters_on_things():
    result = pipeline().step(map_of(FLOOR, CHAIR, TABLE), 0)
    things = result.segmentation.thing_rows
    stuff = np.setdiff1d(np.arange(len(result.snapshot)), things)
    assert result.confidence.dtype == np.float32
    kept = np.float32(np.float16(np.log(SURE)))  # what the passes say is rounded as it is kept
    np.testing.assert_allclose(result.confidence[stuff], np.exp(kept), rtol=1e-6)
    np.testing.assert_array_equal(result.confidence[things], result.clusters.confidence)
    coords = result.snapshot.voxel_coords[things]
    embeddings = smooth(result.segmentation.embeddings, coords, ClusteringConfig().smoothing)
    embeddings = embeddings[result.clusters.instance_label == 0]
    distance = np.linalg.norm(embeddings - embeddings.mean(axis=0), axis=1)
    expected = 1 - distance / ClusteringConfig().confidence_radius
    np.testing.assert_allclose(
        result.clusters.confidence[result.clusters.instance_label == 0], expected, atol=1e-5
    )


def test_an_embedding_that_alternates_on_a_surface_leaves_it_one_object():
    class Alternating(StubSegmenter):
        def embed(self, snapshot, thing_rows, floor):
            odd = snapshot.voxel_coords[thing_rows].sum(axis=1) % 2
            return super().embed(snapshot, thing_rows, floor) + np.outer(odd, [1, 0, 0, 0, 0]).astype(
                np.float32
            )

    snapshot = map_of(FLOOR, CHAIR, TABLE)
    for smoothing, objects in ((0.5, 2), (0.0, 4)):
        clustering = ClusteringConfig(min_cluster_size=20, smoothing=smoothing)
        found = SsenPipeline(Alternating(), SsenConfig(clustering=clustering)).step(snapshot, 0)
        assert len(found.instances) == objects


def test_the_voxels_of_an_object_take_its_class_unless_told_otherwise():
    chair = cloud(CHAIR, fill((1.1, 1.1, 0.5), (1.2, 1.2, 0.6), BLUE))  # its top looks like a table
    snapshot = map_of(FLOOR, chair, TABLE)
    one_object = ClusteringConfig(min_cluster_size=20, class_weight=0.0)
    for relabel in (True, False):
        run = pipeline(relabel=relabel)
        run.config = replace(run.config, clustering=one_object)
        result = run.step(snapshot, 0)
        (of_chair,) = (i.id for i in result.instances if i.class_name == "chair")
        changed = result.semantic_label != result.segmentation.semantic_label
        assert changed.sum() == relabel
        assert (result.instance_id[changed] == of_chair).all()


@pytest.mark.parametrize(("share", "painted_over"), [(0.0, True), (0.6, True), (0.7, False), (1.0, False)])
def test_an_object_paints_over_only_what_is_clearly_of_its_class(share, painted_over):
    """A cluster of 125 voxels, of which the lower three fifths are a chair, the upper two a table."""

    class Swallowing(StubSegmenter):
        def semantic(self, snapshot, floor):
            log_probabilities = super().semantic(snapshot, floor)
            top = snapshot.points[:, 2] > 0.3
            chair, table = (self.class_names.index(name) for name in ("chair", "table"))
            log_probabilities[np.ix_(top, [table, chair])] = log_probabilities[np.ix_(top, [chair, table])]
            return log_probabilities

    clustering = ClusteringConfig(min_cluster_size=20, class_weight=0.0)
    instances = InstancesConfig(relabel_share=share)
    run = SsenPipeline(Swallowing(), SsenConfig(clustering=clustering, instances=instances))
    result = run.step(map_of(FLOOR, CHAIR), 0)
    (chair,) = result.instances
    assert (chair.class_name, chair.voxel_count) == ("chair", 125)
    changed = result.semantic_label != result.segmentation.semantic_label
    assert changed.sum() == (50 if painted_over else 0)


def test_label_and_object_agree_when_a_pass_sees_another_class():
    """The votes of past passes decide for both."""
    run = Run()
    for _ in range(5):
        run.step(map_of(FLOOR, CHAIR), 0)
    result = run.step(map_of(FLOOR, fill((1, 1, 0), (1.5, 1.5, 0.5), BLUE)), 1)
    (chair,) = result.instances
    assert chair.class_name == "chair" and result.detections[0].class_id != chair.class_id
    assert (result.semantic_label[result.instance_id == chair.id] == chair.class_id).all()


def test_ids_persist_while_the_map_grows():
    """The chair is seen from its left edge on, then the table appears beside it."""
    run = Run()
    stages = [
        (FLOOR, fill((1, 1, 0), (1.1, 1.5, 0.5), RED)),
        (FLOOR, fill((1, 1, 0), (1.3, 1.5, 0.5), RED)),
        (FLOOR, CHAIR),
        (FLOOR, CHAIR, fill((4, 1, 0), (4.3, 1.6, 0.6), BLUE)),
        (FLOOR, CHAIR, TABLE),
    ]
    seen = []
    for stamp_ns, parts in enumerate(stages):
        result = run.step(map_of(*parts), stamp_ns)
        seen.append({i.class_name: i.id for i in result.instances})
    assert seen == [{"chair": 1}] * 3 + [{"chair": 1, "table": 2}] * 2
    assert result.events == ()
    assert [i.first_seen_ns for i in result.instances] == [0, 3]


def test_an_object_a_pass_misses_keeps_its_label_on_what_are_things():
    run = Run()
    run.step(map_of(FLOOR, CHAIR, TABLE), 0)
    few = ClusteringConfig(min_cluster_size=200)  # the chair's 125 voxels become noise
    run.pipeline.config = SsenConfig(clustering=few)
    result = run.step(map_of(FLOOR, CHAIR, TABLE), 1)
    (missing,) = (i for i in result.instances if i.state == "missing")
    chair = result.segmentation.semantic_label == 2
    assert missing.class_name == "chair" and (result.instance_id[chair] == missing.id).all()
    assert (result.confidence[chair] == 0).all()
    painted = map_of(FLOOR, (CHAIR[0], np.full_like(CHAIR[1], 128)), TABLE)
    assert missing.id not in run.step(painted, 2).instance_id


def test_no_things():
    run = pipeline()
    result = run.step(map_of(FLOOR), 0)
    assert result.detections == result.instances == result.events == ()
    assert (result.instance_id == -1).all() and len(result.instance_id) == len(result.snapshot) > 0
    assert run.segmenter.calls == ["semantic"]


@pytest.mark.parametrize("before", [(), (FLOOR, CHAIR)])
def test_an_empty_map_is_a_valid_result_and_retires_what_was(before):
    run = Run()
    if before:
        run.step(map_of(*before), 0)
        run.pipeline.segmenter.calls.clear()
    result = run.step(map_of(), 1)
    assert run.pipeline.segmenter.calls == []
    assert result.instances == () and len(result.instance_id) == len(result.confidence) == 0
    assert [e.kind for e in result.events] == (["retired"] if before else [])
    assert result.segmentation.log_probabilities.shape == (0, len(NAMES))


def test_min_score_drops_detections():
    assert len(pipeline(min_score=0.95).step(map_of(FLOOR, CHAIR, TABLE), 0).instances) == 0


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from(sorted(STAGES)), st.booleans()), max_size=6))
def test_a_pass_that_is_dropped_leaves_no_trace(passes):
    """Those that are dropped might as well not have been made: ids, events, ages and votes are the same."""
    kept, all_of_them = Run(max_missed=1), Run(max_missed=1)
    for stamp_ns, (stage, dropped) in enumerate(passes):
        before = all_of_them.memory
        result = all_of_them.step(STAGES[stage], stamp_ns)
        if dropped:
            all_of_them.memory = before
            continue
        expected = kept.step(STAGES[stage], stamp_ns)
        assert result.events == expected.events
        np.testing.assert_equal(asdict(result.memory), asdict(expected.memory))
        np.testing.assert_array_equal(result.instance_id, expected.instance_id)
        np.testing.assert_array_equal(result.semantic_label, expected.semantic_label)


FAR = {
    "table far away": map_of(FLOOR, CHAIR, fill((14, 1, 0), (15, 1.6, 0.6), BLUE)),
    "chairs": map_of(
        FLOOR, CHAIR, fill((14, 1, 0), (14.5, 1.5, 0.5), RED), fill((18, 1, 0), (18.5, 2, 1), RED)
    ),
    "one chair is moved": map_of(FLOOR, CHAIR, fill((14, 2, 0), (14.5, 2.5, 0.5), RED)),
}


@settings(max_examples=15)
@given(st.lists(st.sampled_from(sorted(STAGES | FAR)), min_size=2, max_size=6))
def test_what_is_kept_of_the_pass_before_never_shows_nor_does_the_compiled_library(stages):
    fast, anew = Run(), Run()
    for stamp_ns, stage in enumerate(stages):
        snapshot = (STAGES | FAR)[stage]
        anew.memory = replace(anew.memory, clustered=None, described=None)
        result = fast.step(snapshot, stamp_ns)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(voxels_native, "library", lambda: None)
            expected = anew.step(snapshot, stamp_ns)
        assert result.events == expected.events
        for name in ("thing_rows", "semantic_label", "instance_id", "confidence"):
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))
        for name in ("known", "evidence", "floor"):
            ours, theirs = getattr(result.memory, name), getattr(expected.memory, name)
            facts = ([*map(asdict, a)] if isinstance(a, tuple) else asdict(a) for a in (ours, theirs))
            np.testing.assert_equal(*facts)


def test_another_configuration_counts_from_the_next_step_on():
    run = Run(max_missed=0)
    run.step(map_of(FLOOR, CHAIR, TABLE), 0)
    run.pipeline.config = replace(
        run.pipeline.config,
        clustering=ClusteringConfig(min_cluster_size=200),
        instances=InstancesConfig(max_missed=1),
    )
    result = run.step(map_of(FLOOR, CHAIR, TABLE), 1)
    assert {i.class_name: i.state for i in result.instances} == {"table": "active", "chair": "missing"}


def test_a_pipeline_goes_on_from_what_another_remembers():
    before = pipeline().step(map_of(FLOOR, CHAIR, TABLE), 0)
    result = pipeline().step(map_of(FLOOR, CHAIR, TABLE), 1, before.memory)
    assert [i.id for i in result.instances] == [i.id for i in before.instances]
    assert result.events == ()


PLANT, GREEN = fill((4, -2, 0), (4.6, -1.4, 0.8), (0, 200, 0)), 4


class KnowsUnknown(StubSegmenter):
    """And a plant, green, as unknown; a ceiling, black."""

    class_names = (*NAMES, "unknown", "ceiling")
    colors = {**CLASS_OF_COLOR, (0, 200, 0): 4, (0, 0, 0): 5}


def with_unknown(**instances):
    run = Run(**instances)
    run.pipeline = SsenPipeline(KnowsUnknown(), run.pipeline.config)
    return run


def test_what_is_of_no_class_is_labelled_and_in_no_object_unless_asked_for():
    snapshot = map_of(FLOOR, CHAIR, PLANT, fill((-3, -3, 2.4), (6, 3, 2.5), (0, 0, 0)))
    run = with_unknown()
    hidden = run.step(snapshot, 0)
    assert [i.class_name for i in hidden.instances] == ["chair"]
    green = snapshot.colors[:, 1] == 200
    assert (hidden.semantic_label[green] == GREEN).all() and (hidden.instance_id[green] == -1).all()
    assert [e.id for e in hidden.events] == [i.id for i in hidden.instances]
    ceiling = (snapshot.colors == 0).all(axis=1)
    assert not np.isin(np.flatnonzero(ceiling), hidden.segmentation.thing_rows).any()
    run.pipeline.config = replace(run.pipeline.config, publish=PublishConfig(unknown=True))
    shown = run.step(snapshot, 1)
    assert sorted(i.class_name for i in shown.instances) == ["chair", "unknown"]
    (plant,) = (i for i in shown.instances if i.class_name == "unknown")
    assert (shown.instance_id[green] == plant.id).all() and plant.voxel_count == green.sum()
    np.testing.assert_allclose(plant.box.size, (0.5, 0.5, 0.7), atol=1e-3)


@pytest.mark.parametrize("relabel", [True, False])
def test_no_voxel_of_no_class_is_of_an_object_that_has_one(relabel):
    chair = cloud(CHAIR, fill((1.1, 1.1, 0.5), (1.2, 1.2, 0.6), (0, 200, 0)))  # something lies on it
    snapshot = map_of(FLOOR, chair)
    run = with_unknown(relabel=relabel)
    near = replace(run.pipeline.config.clustering, class_weight=0.5)  # whatever its class, it is adopted
    run.pipeline.config = replace(run.pipeline.config, clustering=near)
    result = run.step(snapshot, 0)
    (of_chair,) = result.instances
    on_top = snapshot.colors[:, 1] == 200
    assert (result.semantic_label[on_top] == (of_chair.class_id if relabel else GREEN)).all()
    assert (result.instance_id[on_top] == (of_chair.id if relabel else -1)).all()
    assert (result.instance_id[snapshot.colors[:, 0] == 200] == of_chair.id).all()


def test_strays_below_the_floor_are_counted_and_not_seen():
    clean, strays = map_of(FLOOR, CHAIR), fill((0, 0, -0.9), (0.3, 0.1, -0.8), RED)
    assert pipeline().step(clean, 0).snapshot is clean
    result = pipeline().step(map_of(FLOOR, CHAIR, strays), 0)
    assert (result.strays, result.memory.floor.seen) == (3, True)
    np.testing.assert_array_equal(result.snapshot.voxel_coords, clean.voxel_coords)
    assert len(result.instance_id) == len(result.semantic_label) == len(clean)


def test_of_a_map_without_a_floor_nothing_is_left_out():
    poles = [fill((x, 0, 0), (x + 0.1, 0.1, 2), RED) for x in np.arange(0, 4, 0.4)]
    snapshot = map_of(*poles, fill((5, 5, -1), (5.1, 5.1, -0.9), RED))
    result = pipeline().step(snapshot, 0)
    assert result.snapshot is snapshot and (result.strays, result.memory.floor.seen) == (0, False)


def test_every_stage_is_timed():
    timings_s = pipeline().step(map_of(FLOOR, CHAIR), 0).timings_s
    assert set(timings_s) == {"semantic", "embedding", "cluster", "instances", "total"}
    parts = sum(seconds for stage, seconds in timings_s.items() if stage != "total")
    assert 0 < parts <= timings_s["total"]


def test_another_voxel_size_is_refused():
    voxel_map = VoxelMap(0.05)
    voxel_map.integrate(*cloud(CHAIR))
    with pytest.raises(ConfigError, match="0.05 m, .* 0.1 m"):
        pipeline().step(voxel_map.snapshot(), 0)


def test_same_map_same_result():
    snapshot = map_of(FLOOR, CHAIR, TABLE)
    first, second = pipeline().step(snapshot, 0), pipeline().step(snapshot, 0)
    np.testing.assert_array_equal(first.instance_id, second.instance_id)
    np.testing.assert_array_equal(first.confidence, second.confidence)
    assert [i.score for i in first.instances] == [i.score for i in second.instances]
