import numpy as np
import pytest

from ssen_ros.cli import main
from ssen_ros.datasets.labelled_ply import load_labelled_ply
from ssen_ros.errors import CloudError
from ssen_ros.io.clouds import write_labelled_ply
from ssen_ros.io.samples import load_sample
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.training.dataset import RoomDataset

WALL, CHAIR, TABLE = (CLASS_NAMES.index(name) for name in ("wall", "chair", "table"))
POINTS = np.arange(18).reshape(6, 3) * 0.1 + 0.01
COLORS = np.arange(18).reshape(6, 3) * 10
LABEL = np.array([WALL, CHAIR, CHAIR, CHAIR, TABLE, 255])
INSTANCE = np.array([4, 70, 70, 0, -1, 8])


@pytest.fixture
def write_ply(tmp_path):
    def write(
        label=LABEL, instance=INSTANCE, names=("label", "instance"), kinds=("uchar", "int"),
        points=POINTS, color=True,
    ):  # fmt: skip
        columns = [(axis, "float", points[:, i]) for i, axis in enumerate("xyz")]
        if color:
            columns += [(c, "uchar", COLORS[:, i]) for i, c in enumerate(("red", "green", "blue"))]
        columns += [(n, k, v) for n, k, v in zip(names, kinds, (label, instance)) if n]
        header = ["ply", "format ascii 1.0", "element vertex 6"]
        header += [f"property {kind} {name}" for name, kind, _ in columns] + ["end_header"]
        rows = [" ".join(str(values[i]) for _, _, values in columns) for i in range(6)]
        path = tmp_path / "kitchen.ply"
        path.write_text("\n".join(header + rows) + "\n")
        return path

    return write


def test_labels_and_instances(write_ply):
    sample = load_labelled_ply(write_ply())
    np.testing.assert_allclose(sample.points, POINTS, atol=1e-6)
    np.testing.assert_array_equal(sample.colors, COLORS)
    np.testing.assert_array_equal(sample.semantic_label, [WALL, CHAIR, CHAIR, CHAIR, TABLE, -1])
    np.testing.assert_array_equal(
        sample.instance_label, [-1, 2, 2, 1, -1, -1], "stuff and unlabelled have none"
    )
    assert sample.semantic_label.dtype == np.int8 and sample.instance_label.dtype == np.int16


def test_scalar_fields_that_are_floats_with_gaps(write_ply):
    label = np.where(LABEL == 255, np.nan, LABEL)
    instance = np.where(INSTANCE < 0, np.nan, INSTANCE)
    names = ("scalar_label", "scalar_instance")
    sample = load_labelled_ply(write_ply(label, instance, names, kinds=("float", "float")))
    expected = load_labelled_ply(write_ply())
    np.testing.assert_array_equal(sample.semantic_label, expected.semantic_label)
    np.testing.assert_array_equal(sample.instance_label, expected.instance_label)


def test_the_properties_that_segment_writes(tmp_path):
    label, instance = np.where(LABEL == 255, -1, LABEL), np.where(LABEL == WALL, -1, INSTANCE)
    write_labelled_ply(tmp_path / "labelled.ply", POINTS, COLORS, label, instance, np.ones(6))
    sample = load_labelled_ply(tmp_path / "labelled.ply")
    np.testing.assert_array_equal(sample.semantic_label, label)
    np.testing.assert_array_equal(sample.instance_label, [-1, 2, 2, 1, -1, -1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": LABEL + 20 * (LABEL == CHAIR)}, "label 24 at 3 vertices; expected 0 to 21, or -1"),
        ({"label": LABEL - 9, "kinds": ("int", "int")}, "label -9 at 6 vertices"),
        ({"instance": INSTANCE - 2}, "instance -2 at 2 vertices; expected 0 and more, or -1"),
        ({"label": LABEL + 0.5, "kinds": ("float", "int")}, "label 0.5; expected whole numbers"),
        ({"instance": np.full(6, 3)}, "instance 3 has labels 0 and 4; expected one class an object"),
        (
            {"names": ("class", "instance")},
            "no vertex property 'label' among x, y, z, red",
        ),
        ({"names": ("label", "")}, "no vertex property 'instance'"),
        ({"color": False}, "no colour"),
    ],
)
def test_what_is_wrong_is_said(write_ply, options, message):
    path = write_ply(**options)
    with pytest.raises(CloudError, match=message) as raised:
        load_labelled_ply(path)
    assert str(path) in str(raised.value)


def test_imported_rooms_are_training_data(write_ply, tmp_path, capsys):
    path = write_ply()
    assert main(["import", "ply", str(path), "--out", str(tmp_path / "rooms")]) == 0
    assert "1 rooms" in capsys.readouterr().out
    sample = load_sample(RoomDataset(tmp_path / "rooms", 0.04).paths[0])
    np.testing.assert_allclose(sample.points, POINTS, atol=0.0101)
    np.testing.assert_array_equal(sample.instance_label, load_labelled_ply(path).instance_label)


def test_two_files_of_one_name(write_ply, tmp_path, capsys):
    path = write_ply()
    assert main(["import", "ply", str(path), str(path), "--out", str(tmp_path / "rooms")]) == 1
    assert "would both become" in capsys.readouterr().err


def test_points_in_millimetres_are_refused(write_ply, tmp_path, capsys):
    path = write_ply(points=POINTS * 1e6)
    assert main(["import", "ply", str(path), "--out", str(tmp_path / "rooms")]) == 1
    message = "m from the origin; expected less than 655 m; check that the unit is the metre"
    assert message in capsys.readouterr().err
