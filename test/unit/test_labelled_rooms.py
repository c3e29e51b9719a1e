"""Labelled maps for scoring: .npz files with and without points, samples, PLY; what is wrong is named."""

import numpy as np
import pytest

from ssen_ros.datasets.labelled_rooms import labelled_files, load_room
from ssen_ros.errors import CloudError, DataError
from ssen_ros.io.clouds import write_labelled_ply
from ssen_ros.io.samples import Sample, save_sample

POINTS = np.array([[0, 0, 0], [1000, 0, 10], [1000, 2000, 500]], np.int16)  # mm
COLORS = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)
LABEL, INSTANCE = np.array([1, 20, 4], np.int8), np.array([-1, 3, 7], np.int16)


@pytest.fixture
def write(tmp_path):
    def write(name="room.npz", **changes):
        arrays = {"points": POINTS, "colors": COLORS, "label": LABEL, "instance": INSTANCE} | changes
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
        return path

    return write


def check(sample: Sample) -> None:
    np.testing.assert_allclose(sample.points, POINTS / 1000)
    np.testing.assert_array_equal(sample.colors, COLORS)
    np.testing.assert_array_equal(sample.semantic_label, LABEL)
    np.testing.assert_array_equal(sample.instance_label, INSTANCE)


def test_millimetres_and_metres(write):
    check(load_room(write()))
    check(load_room(write(points=(POINTS / 1000).astype(np.float64), label=LABEL.astype(np.int64))))


def test_no_colours_are_grey_no_instances_are_none_and_255_is_not_annotated(write):
    sample = load_room(write(colors=None, instance=None, label=np.array([255, 0, 21], np.uint8)))
    assert (sample.colors == 128).all() and (sample.instance_label == -1).all()
    np.testing.assert_array_equal(sample.semantic_label, [-1, 0, 21])


@pytest.mark.parametrize(
    "cloud", ["kitchen.npz", "real_kitchen.npz", "dev/kitchen.npz", "dev/my_kitchen.npz"]
)
def test_labels_find_their_points_by_name(write, cloud):
    labels = write("dev/kitchen_labels.npz", points=None, colors=None)
    write(cloud, label=None, instance=None)
    write("other_kitchen.npz", label=None, instance=None, points=POINTS[:2], colors=COLORS[:2])  # too short
    check(load_room(labels))


def test_labels_find_their_points_among_those_given(write):
    labels = write("some.npz", points=None, colors=None)
    short = write("a.npz", label=None, instance=None, points=POINTS[:2], colors=None)
    check(load_room(labels, [short, write("b.npz", label=None, instance=None)]))
    with pytest.raises(
        DataError, match=r"0 clouds have its 3 rows \(found: .*a.npz \(2 points\)\).*--points"
    ):
        load_room(labels, [short])
    with pytest.raises(DataError, match=r"0 clouds have its 3 rows \(found: none\)"):
        load_room(labels)


def test_samples_and_ply(tmp_path):
    centers = (np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]]) + 0.5) * 0.02
    save_sample(tmp_path / "room.npz", Sample(centers, COLORS, LABEL, INSTANCE))
    np.testing.assert_array_equal(load_room(tmp_path / "room.npz").semantic_label, LABEL)
    write_labelled_ply(tmp_path / "own.ply", centers, COLORS, LABEL, INSTANCE, np.ones(3))
    np.testing.assert_array_equal(load_room(tmp_path / "own.ply").semantic_label, LABEL)
    assert list(labelled_files([tmp_path])) == ["own", "room"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None, "instance": None}, "arrays colors, points; expected 'label'; add it"),
        ({"label": LABEL + 2}, "label 22 at 1 points; expected 0 to 21, or -1"),
        ({"instance": np.array([-2, 0, 1])}, "instance -2 at 1 points; expected 0 to 32767"),
        ({"label": LABEL.astype(float)}, r"label is float64 \(3,\); expected \(N,\) integers"),
        ({"instance": INSTANCE[:2]}, "2 rows of instance, 3 of label; expected as many"),
        ({"label": LABEL[:2], "instance": INSTANCE[:2]}, "2 labels for 3 points"),
        ({"points": POINTS.astype(np.uint8)}, "points is uint8"),
    ],
)
def test_what_is_wrong_is_named(write, changes, message):
    with pytest.raises((DataError, CloudError), match=message):
        load_room(write(**changes))


def test_a_damaged_file_is_named_and_not_left_out_of_a_folder(write, tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    write("cloud.npz", label=None, instance=None)
    write()
    assert list(labelled_files([tmp_path])) == ["broken", "room"], "the bare cloud is left out"
    with pytest.raises(DataError, match="broken.npz cannot be read, or is damaged"):
        load_room(tmp_path / "broken.npz")
    np.save(tmp_path / "bare.npy", LABEL)
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    with pytest.raises(DataError, match="bare.npz cannot be read"):
        load_room(tmp_path / "bare.npz")


def test_paths_that_cannot_be_meant(write, tmp_path):
    with pytest.raises(DataError, match="nothing.npz: no such file or folder"):
        labelled_files([tmp_path / "nothing.npz"])
    with pytest.raises(DataError, match="no labelled map there"):
        labelled_files([tmp_path])
    with pytest.raises(DataError, match="have the same name; rename one"):
        labelled_files([write("a/room.npz"), write("b/room.npz")])
    assert len(labelled_files([tmp_path / "a", tmp_path / "a" / "room.npz"])) == 1, "given twice, scored once"
