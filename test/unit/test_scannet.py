import json

import numpy as np
import pytest

from ssen_ros.cli import main
from ssen_ros.datasets.scannet import NYU40_IDS, load_scene, read_label_map, read_split
from ssen_ros.errors import CloudError, DataError
from ssen_ros.io.samples import load_sample
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.training.dataset import RoomDataset

WALL, CHAIR, SOFA, TOILET = (CLASS_NAMES.index(n) for n in ("wall", "chair", "sofa", "toilet"))
SEGS, GROUPED = "_vh_clean_2.0.010000.segs.json", ".aggregation.json"

# One vertex in each of 12 cells, its segment, and what the groups below make of it.
SEGMENTS = np.array([7, 7, 3, 3, 3, 90, 90, 12, 12, 55, 55, 4])
GROUPS = [("wall", [7]), ("chair", [3]), ("couch", [90]), ("chair", [12]), ("ceiling", [55])]  # 4: in none
SEMANTIC = [WALL, WALL, CHAIR, CHAIR, CHAIR, SOFA, SOFA, CHAIR, CHAIR, -1, -1, -1]
INSTANCE = [-1, -1, 1, 1, 1, 2, 2, 3, 3, -1, -1, -1]
POINTS = np.random.default_rng(0).permutation(60)[:36].reshape(12, 3) * 0.1 + 0.013
COLORS = np.random.default_rng(1).integers(0, 256, (12, 3))


@pytest.fixture
def write_scene(write_scannet_scene, tmp_path):
    def write(name="scene0001_00", groups=GROUPS, **options):
        return write_scannet_scene(tmp_path / "scans", name, POINTS, COLORS, SEGMENTS, groups, **options)

    return write


@pytest.fixture
def label_map(scannet_labels):
    return read_label_map(scannet_labels)


def test_the_benchmark_ids_stand_in_the_order_of_the_classes():
    ids = dict(zip(CLASS_NAMES, NYU40_IDS, strict=True))
    assert ids["desk"] == 14 and ids["shower curtain"] == 28 and ids["otherfurniture"] == 39
    assert ids["refrigerator"] == 24 and ids["sink"] == 34 and ids["bathtub"] == 36


def test_raw_categories_become_benchmark_classes(label_map):
    assert label_map["couch"] == SOFA and label_map["toilet"] == TOILET and label_map["wall"] == WALL
    assert label_map["ceiling"] == -1, "nyu40 id 22 is none of the 20"


@pytest.mark.parametrize("encoding", ["binary", "ascii"])
def test_a_scene_vertex_by_vertex(write_scene, label_map, encoding):
    sample = load_scene(write_scene(encoding=encoding), label_map)
    np.testing.assert_array_equal(sample.points, POINTS.astype(np.float32))
    np.testing.assert_array_equal(sample.colors, COLORS)
    np.testing.assert_array_equal(sample.semantic_label, SEMANTIC)
    np.testing.assert_array_equal(sample.instance_label, INSTANCE)
    kinds = sample.colors.dtype, sample.semantic_label.dtype, sample.instance_label.dtype
    assert kinds == (np.uint8, np.int8, np.int16)


def test_vertices_of_no_object_are_ignored_never_wall(write_scene, label_map):
    sample = load_scene(write_scene(groups=[]), label_map)
    assert (sample.semantic_label == -1).all() and (sample.instance_label == -1).all()


def test_axis_alignment_turns_the_sample(write_scene, label_map):
    quarter = np.array([[0, -1, 0, 2.5], [1, 0, 0, -0.5], [0, 0, 1, 0.25], [0, 0, 0, 1]])
    sample = load_scene(write_scene(axis_alignment=quarter), label_map)
    expected = np.column_stack([2.5 - POINTS[:, 1], POINTS[:, 0] - 0.5, POINTS[:, 2] + 0.25])
    np.testing.assert_allclose(sample.points, expected, atol=1e-5)


def test_duplicate_groups_count_once(write_scene, label_map):
    """As in scene0217_00: all objects a second time, with object ids that go on."""
    sample = load_scene(write_scene(groups=GROUPS + GROUPS), label_map)
    np.testing.assert_array_equal(sample.semantic_label, SEMANTIC)
    np.testing.assert_array_equal(sample.instance_label, INSTANCE)


def test_of_overlapping_groups_the_last_wins_and_keeps_one_class(write_scene, label_map):
    sample = load_scene(write_scene(groups=[("chair", [3, 90]), ("toilet", [90])]), label_map)
    np.testing.assert_array_equal(sample.semantic_label[2:7], [CHAIR] * 3 + [TOILET] * 2)
    np.testing.assert_array_equal(sample.instance_label[2:7], [1, 1, 1, 2, 2])


def test_a_test_scene_has_vertices_and_no_truth(write_scene, label_map):
    folder = write_scene(groups=None)
    sample = load_scene(folder, None)
    np.testing.assert_array_equal(sample.points, POINTS.astype(np.float32))
    assert (sample.semantic_label == -1).all() and (sample.instance_label == -1).all()
    with pytest.raises(DataError, match=r"segs\.json: no such file; .* take scene0001_00 out of the list"):
        load_scene(folder, label_map)


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("suffix", "change", "message"),
    [
        (SEGS, lambda c: c["segIndices"].pop(), r"segIndices is int64 \(11,\)"),
        (SEGS, lambda c: c.pop("segIndices"), "a JSON object with segIndices"),
        (GROUPED, lambda c: c["segGroups"][0].pop("label"), "each with label and segments"),
        (GROUPED, lambda c: c["segGroups"][1].update(label="chiar"), "label 'chiar' is not among"),
        (GROUPED, lambda c: c["segGroups"][1]["segments"].append(8), "'chair' has segment 8"),
    ],
)
def test_files_that_do_not_fit_are_named(write_scene, label_map, suffix, change, message):
    folder = write_scene()
    edit_json(folder / f"{folder.name}{suffix}", change)
    with pytest.raises(DataError, match=message) as raised:
        load_scene(folder, label_map)
    assert str(folder / f"{folder.name}{suffix}") in str(raised.value)


def test_damaged_files_are_named(write_scene, label_map):
    folder = write_scene()
    (folder / f"{folder.name}.aggregation.json").write_text("{")
    with pytest.raises(DataError, match=r"aggregation\.json: expected .* download it again"):
        load_scene(folder, label_map)
    (folder / f"{folder.name}.txt").write_text("axisAlignment = 1 0 0\n")
    with pytest.raises(DataError, match="expected 16 numbers after axisAlignment"):
        load_scene(folder, None)
    mesh = folder / f"{folder.name}_vh_clean_2.ply"
    mesh.write_bytes(mesh.read_bytes()[:300])
    with pytest.raises(CloudError, match=r"_vh_clean_2\.ply: not a readable \.ply cloud"):
        load_scene(folder, None)


def test_a_table_without_the_columns_is_refused(tmp_path):
    (tmp_path / "labels.tsv").write_text("id,raw_category,nyu40id\n1,wall,1\n")
    with pytest.raises(DataError, match=r"labels\.tsv: expected columns raw_category and nyu40id"):
        read_label_map(tmp_path / "labels.tsv")


def test_split_lists(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("scene0001_00\r\nscene0000_00\nscene0001_00\n\n")
    assert read_split(path) == ["scene0001_00", "scene0000_00"]
    path.write_text("\n")
    with pytest.raises(DataError, match="0 scenes"):
        read_split(path)
    with pytest.raises(DataError, match="scannetv2_train.txt"):
        read_split(tmp_path / "missing.txt")


@pytest.fixture
def import_all(tmp_path, scannet_labels):
    def run(names):
        (tmp_path / "list.txt").write_text("\n".join(names) + "\n")
        paths = [tmp_path / "scans", "--labels", scannet_labels, "--split", tmp_path / "list.txt"]
        return main(["import", "scannet", *map(str, paths), "--out", str(tmp_path / "rooms")])

    return run


def test_imported_scenes_are_training_data(write_scene, import_all, tmp_path, capsys):
    for name in ("scene0001_00", "scene0002_00", "scene0003_00"):
        write_scene(name)
    assert import_all(["scene0001_00", "scene0003_00"]) == 0
    assert "2 rooms" in capsys.readouterr().out
    rooms = RoomDataset(tmp_path / "rooms", 0.04)
    assert [path.name for path in rooms.paths] == ["scene0001_00.npz", "scene0003_00.npz"]
    sample = load_sample(rooms.paths[0])
    stored, order = np.lexsort(sample.points.T), np.lexsort(POINTS.T)  # the file has an order of its own
    np.testing.assert_allclose(sample.points[stored], POINTS[order], atol=0.0101)
    np.testing.assert_array_equal(sample.semantic_label[stored], np.array(SEMANTIC)[order])
    np.testing.assert_array_equal(sample.instance_label[stored], np.array(INSTANCE)[order])


def test_import_goes_on_where_it_was_stopped(write_scene, import_all, tmp_path, capsys):
    write_scene("scene0001_00"), write_scene("scene0002_00")
    broken = tmp_path / "scans/scene0002_00/scene0002_00.aggregation.json"
    intact = broken.read_text()
    broken.write_text("{")
    assert import_all(["scene0001_00", "scene0002_00"]) == 1
    assert str(broken) in capsys.readouterr().err
    done = tmp_path / "rooms/scene0001_00.npz"
    done.write_bytes(b"finished before")
    broken.write_text(intact)
    assert import_all(["scene0001_00", "scene0002_00"]) == 0
    assert done.read_bytes() == b"finished before"
    assert len(load_sample(tmp_path / "rooms/scene0002_00.npz")) == 12


def test_import_says_what_is_missing_before_it_begins(write_scene, import_all, tmp_path, capsys):
    write_scene("scene0001_00")
    assert import_all(["scene0001_00", "scene0009_00", "scene0009_01"]) == 1
    assert "lacks 2 of 3 scenes, the first scene0009_00" in capsys.readouterr().err
    assert not (tmp_path / "rooms").exists()
