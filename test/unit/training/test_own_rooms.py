"""What of a user's rooms is taught, and what is held back."""

from dataclasses import replace

import numpy as np
import pytest
from training_rooms import BENCH, toy_room, workshop

from ssen_ros.errors import DataError
from ssen_ros.io.samples import Sample, load_sample, save_sample
from ssen_ros.labels import CLASS_NAMES, IGNORE_INDEX, LABEL_NAMES
from ssen_ros.training.own_rooms import HELD, held_alone, held_part, read_own_rooms, with_labels_of


def hall(chairs: int = 6) -> Sample:
    """A floor 8 m long with chairs along it, and one table at its far end; 10 cm apart."""
    x, y = np.meshgrid(np.arange(0, 8, 0.1), np.arange(0, 2, 0.1))
    floor = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    parts = [(floor, 1, -1)]
    for k in range(chairs):
        corner = np.array([0.3 + 7.5 * k / chairs, 0.5, 0.1])
        parts.append((corner + np.random.default_rng(k).uniform(0, 0.5, (60, 3)), 4, k + 1))
    parts.append((np.array([7.4, 1.2, 0.1]) + np.random.default_rng(9).uniform(0, 0.5, (60, 3)), 6, 40))
    points = np.concatenate([p for p, _, _ in parts]).astype(np.float32)
    label = np.concatenate([np.full(len(p), c, np.int8) for p, c, _ in parts])
    instance = np.concatenate([np.full(len(p), i, np.int16) for p, _, i in parts])
    return Sample(points, np.full((len(points), 3), 99, np.uint8), label, instance)


def test_names_of_ones_own_travel_in_the_file(tmp_path):
    save_sample(tmp_path / "room.npz", workshop())
    assert load_sample(tmp_path / "room.npz").own_names == {BENCH: "workbench"}
    save_sample(tmp_path / "room.npz", toy_room())
    assert load_sample(tmp_path / "room.npz").own_names == {}


def test_labels_are_told_by_the_names_of_the_network():
    room, bench = workshop(), workshop().instance_label == BENCH
    known = with_labels_of(room, (*LABEL_NAMES, "workbench"))
    assert (known.semantic_label[bench] == len(LABEL_NAMES)).all()
    np.testing.assert_array_equal(known.semantic_label[~bench], room.semantic_label[~bench])
    turned = with_labels_of(room, CLASS_NAMES[::-1])  # other order, no unknown, no workbench
    assert (turned.semantic_label[bench] == IGNORE_INDEX).all()
    assert (turned.semantic_label[room.semantic_label == 4] == 15).all()


def test_a_fifth_is_held_at_one_end_and_no_object_is_cut():
    room = hall()
    held = held_part(room)
    assert 0.15 < held.mean() < 0.25
    assert np.ptp(room.points[held, 0]) < 2.5
    for k in np.unique(room.instance_label[room.instance_label >= 0]):
        assert len(np.unique(held[room.instance_label == k])) == 1
    assert set(np.unique(room.semantic_label[held])) == {1, 4}
    assert not held[room.semantic_label == 6].any(), "the only table has to be taught"
    alone = held_alone(room)
    assert ((alone.semantic_label >= 0) == held).all()


def test_what_is_held_is_not_taught_and_is_judged_in_its_surroundings(tmp_path):
    save_sample(tmp_path / "hall.room.npz", hall())
    own = read_own_rooms({"hall": tmp_path / "hall.room.npz"}, LABEL_NAMES, 0.1)
    (room,) = own.rooms
    held = room.taught.semantic_label == HELD
    np.testing.assert_array_equal(held, held_part(room.whole))
    assert (room.taught.instance_label[held] == -1).all()
    judged = room.judged.semantic_label >= 0
    assert 0.2 < judged.mean() < 0.9
    assert own.class_names == LABEL_NAMES and own.class_shares().sum() == pytest.approx(1.0)
    assert len(room.sha256) == 64


def test_new_classes_follow_those_of_the_network_in_the_order_of_their_names(tmp_path):
    save_sample(tmp_path / "a.npz", workshop())
    save_sample(tmp_path / "b.npz", replace(workshop(), own_names={BENCH: "anvil"}))
    files = {name: tmp_path / f"{name}.npz" for name in "ab"}
    own = read_own_rooms(files, LABEL_NAMES, 0.1)
    assert own.class_names == (*LABEL_NAMES, "anvil", "workbench")
    assert own.class_shares()[-2:].min() > 0
    for room, new in zip(own.rooms, (23, 22)):  # of neither is anything held, so they are judged as taught
        assert (room.judged.semantic_label == new).any()
    again = read_own_rooms(files, own.class_names, 0.1)
    assert again.class_names == own.class_names, "what is known is not new"


def test_a_room_without_annotation_is_named(tmp_path):
    room = toy_room()
    save_sample(tmp_path / "bare.npz", replace(room, semantic_label=np.full(len(room), -1, np.int8)))
    with pytest.raises(DataError, match=r"bare\.npz: none of its .* points is annotated; correct it"):
        read_own_rooms({"bare": tmp_path / "bare.npz"}, LABEL_NAMES, 0.1)


def test_a_bright_room_is_taught_as_the_networks_will_see_it(tmp_path):
    room = hall()
    save_sample(tmp_path / "white.npz", replace(room, colors=np.full_like(room.colors, 230)))
    (own,) = read_own_rooms({"white": tmp_path / "white.npz"}, LABEL_NAMES, 0.1).rooms
    for seen in (own.whole.colors, own.taught.colors, own.judged.snapshot.colors):
        assert (seen == 150).all()
