"""Varied rooms: things on, under and against each other, people among them, no two in one place."""

import numpy as np
import pytest

from ssen_ros.datasets.splits import HARD_SEEDS
from ssen_ros.labels import LABEL_NAMES
from ssen_ros.simulation import build_room, people, places
from ssen_ros.simulation.contact import TOUCH, depth, fits, settle
from ssen_ros.simulation.furniture import KINDS, seating, tables
from ssen_ros.simulation.layout import Layout, Placed, footprint, overlap
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import MeshBuilder
from ssen_ros.simulation.rooms import kind_of

GREY = Material((0.5, 0.5, 0.5))
FURNITURE = {"table", "desk", "chair", "cabinet", "sofa", "bed", "counter", "bookshelf", "refrigerator"}


def layout(seed: int = 1000) -> Layout:
    return Layout(seed, np.random.default_rng(seed), (6.0, 6.0), 2.6, [GREY] * 6, may_bend=False)


def box(size, position=(0.0, 0.0, 0.0), yaw: float = 0.0) -> Placed:
    b = MeshBuilder()
    w, d, h = size
    b.block((-w / 2, -d / 2, 0), (w / 2, d / 2, h), b.material(GREY))
    return Placed(b.build(), 0, 1, np.array(position, float), yaw)


@pytest.fixture(scope="module")
def rooms():
    return [build_room(seed) for seed in range(1000, 1040)]


def of(room, *names):
    return [o for o in room.objects if LABEL_NAMES[o.class_id] in names]


def outline(placed):
    middle = (placed.mesh.lower + placed.mesh.upper) / 2
    return footprint(placed.at(middle), placed.yaw, *placed.mesh.size[:2])


# --- contact ---------------------------------------------------------------------------------------


def test_depth_of_known_boxes():
    cube = box((1, 1, 1))
    assert depth(cube, box((1, 1, 1), (0.9, 0, 0))) == pytest.approx(0.1)
    assert depth(cube, box((1, 1, 1), (0, 0, 1.0))) == 0.0, "one on the other"
    assert depth(cube, box((1, 1, 1), (3, 0, 0))) == 0.0
    corner = box((1, 1, 1), (0.5 + 0.5 * 2**0.5 - 0.06, 0, 0), np.pi / 4)
    assert depth(cube, corner) == pytest.approx(0.06, abs=1e-6)
    assert depth(corner, cube) == pytest.approx(0.06, abs=1e-6)


def test_depth_does_not_depend_on_where_the_pair_stands():
    rng = np.random.default_rng(0)
    chair, table = seating.slat_chair(rng), tables.four_legged(rng, 1.4, 0.8, 0.74)
    first = depth(Placed(table, 0, 1, np.zeros(3), 0.0), Placed(chair, 0, 2, np.array((0.6, 0.3, 0)), 0.4))
    assert first > 0.03
    c, s = np.cos(1.1), np.sin(1.1)
    moved = np.array((2.0 + c * 0.6 - s * 0.3, 1.0 + s * 0.6 + c * 0.3, 0.0))
    again = depth(Placed(table, 0, 1, np.array((2.0, 1.0, 0.0)), 1.1), Placed(chair, 0, 2, moved, 1.5))
    assert again == pytest.approx(first, abs=1e-5)


def test_a_chair_goes_under_a_table_but_not_through_its_top():
    room = layout()
    table = room.add(tables.frame_table(room.rng, 1.6, 0.9, 0.74), "table", (3.0, 3.0, 0.0))
    low, high = box((0.4, 0.4, 0.6), (3, 3, 0)), box((0.4, 0.4, 0.9), (3, 3, 0))
    assert overlap(outline(low), outline(table))
    assert fits(room, low) and not fits(room, high)
    assert not fits(room, box((0.4, 0.4, 0.6), (0.1, 3, 0))), "in a wall"


def test_what_does_not_fit_moves_away_until_it_does():
    room = layout()
    room.add(box((1.0, 1.0, 1.0)).mesh, "cabinet", (3.0, 3.0, 0.0))
    mesh = box((0.5, 0.5, 0.5)).mesh
    assert settle(room, mesh, "", (3.0, 2.4, 0.0), 0.0) is None
    placed = settle(room, mesh, "", (3.0, 2.4, 0.0), 0.0, away=(0.0, -1.0), reach=0.4)
    assert 2.15 < placed.position[1] <= 2.25 + TOUCH
    assert room.obstacles, "the camera goes round it"


# --- rooms -----------------------------------------------------------------------------------------


def test_chairs_stand_under_tables_and_desks_and_in_nothing(rooms):
    under = 0
    for room in rooms:
        for chair in of(room, "chair"):
            for other in of(room, *FURNITURE - {"chair"}):
                if overlap(outline(chair), outline(other)):
                    assert depth(other, chair) <= 0.15, room.seed
                    under += LABEL_NAMES[other.class_id] in ("table", "desk", "counter")
    assert under > 20


def test_cabinets_stand_under_desks(rooms):
    offices = [room for room in rooms if room.kind == "office"]
    pairs = [(d, c) for r in offices for d in of(r, "desk") for c in of(r, "cabinet")]
    assert sum(overlap(outline(d), outline(c)) for d, c in pairs) >= 3


def test_tops_are_bare_or_loaded(rooms):
    """Some tables, desks and counters hold nothing, some more than ten things."""
    counts = []
    for room in rooms:
        things = [o for o in of(room, "unknown") if o.position[2] > 0.3]
        for top in of(room, "table", "desk", "counter"):
            area = outline(top)
            counts.append(sum(overlap(outline(o), area) for o in things))
    assert min(counts) == 0 and sum(c > 10 for c in counts) > 8


def test_no_screens_on_beds():
    on_bed = []
    for seed in range(1000, 1030):
        room = layout(seed)
        places.sleeping_place(room)
        (bed,) = of(room, "bed")
        on_bed += [o for o in of(room, "unknown") if overlap(outline(o), outline(bed))]
    assert on_bed
    assert not any(material.dropout for o in on_bed for material in o.mesh.materials)


def test_people_sit_on_chairs_and_stand_on_the_floor(monkeypatch):
    made = []
    for name in ("standing person", "sitting person"):
        kind = KINDS[name]
        tracked = tuple(lambda *a, d=d: made.append(d(*a)) or made[-1] for d in kind.training)
        monkeypatch.setitem(KINDS, name, type(kind)("", tracked, ()))
    sitting = standing = 0
    for seed in (s for s in range(1000, 1060) if kind_of(s) in ("office", "meeting", "lounge")):
        room = build_room(seed)
        meshes = {id(mesh) for mesh in made}
        for person in (o for o in room.objects if id(o.mesh) in meshes):
            assert LABEL_NAMES[person.class_id] == "unknown" and person.instance_id >= 1
            assert person.mesh.lower[2] + person.position[2] > -0.05
            seats = [s for s in of(room, "chair", "sofa") if overlap(outline(s), outline(person))]
            sitting, standing = sitting + bool(seats), standing + (not seats)
    assert sitting > 5 and standing > 5


def test_nothing_stands_in_furniture(rooms):
    """What `settle` and `load` put down is at most in touch with the furniture beside it."""
    deep = total = 0
    for room in rooms:
        furniture = of(room, *FURNITURE)
        for thing in of(room, "unknown"):
            total += 1
            deep += any(
                depth(other, thing) > 0.1
                for other in furniture
                if np.linalg.norm(other.position - thing.position) < 2.5
            )
    assert deep < 0.08 * total, (deep, total)


def test_varied_rooms_are_the_same_every_time():
    for seed in (1001, HARD_SEEDS[1]):
        first, again = build_room(seed), build_room(seed)
        assert len(first.objects) == len(again.objects)
        for one, other in zip(first.objects, again.objects, strict=True):
            np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)
            np.testing.assert_array_equal(one.position, other.position)


def test_people_rest_at_the_height_of_their_seat():
    for make in (people.resting_sitter, people.working_sitter, people.reading_sitter):
        for seat in (0.4, 0.55):
            mesh = make(np.random.default_rng(1), seat)
            hips = mesh.vertices[np.abs(mesh.vertices[:, 1]) < 0.08]
            assert abs(hips[:, 2].min() - seat) < 0.06
            assert mesh.lower[2] > -0.03 and 1.0 < mesh.upper[2] < 1.6


# --- pictures --------------------------------------------------------------------------------------


def test_pictures_hang_on_walls_upright_or_wide_and_not_in_each_other(rooms):
    pictures = [(room, o) for room in rooms for o in of(room, "picture")]
    upright = np.mean([o.mesh.size[2] > o.mesh.size[0] for _, o in pictures])
    low, middle = (np.array([o.position[2] + at * o.mesh.size[2] for _, o in pictures]) for at in (0, 0.5))
    assert len(pictures) > 30 and 0.25 < upright < 0.75
    assert low.min() >= 0 and 1.3 < np.median(middle) < 1.75 and (low < 0.8).any()
    for room, one in pictures:
        assert one.position[2] + one.mesh.size[2] < room.size[2] and -1e-5 < one.mesh.lower[2] < 1e-5
        assert one.mesh.size[1] < 0.1, "on its side a picture is as thin as before"
        for other in of(room, "picture"):
            assert other is one or depth(one, other) < TOUCH


def test_a_mesh_on_its_side_has_its_sides_exchanged():
    mesh = box((0.6, 0.02, 0.3)).mesh.scaled((2, 1, 1))
    turned = mesh.on_its_side()
    np.testing.assert_allclose(mesh.size, [1.2, 0.02, 0.3], atol=1e-6)
    np.testing.assert_allclose(turned.size, [0.3, 0.02, 1.2], atol=1e-6)
    np.testing.assert_allclose(turned.lower, [-0.15, -0.01, 0], atol=1e-6)

    def volume(m):  # its sign tells whether the triangles still look outwards
        return np.einsum(
            "ij,ij->i", m.vertices[m.faces[:, 0]], np.cross(*m.vertices[m.faces[:, 1:]].swapaxes(0, 1))
        ).sum()

    assert volume(turned) == pytest.approx(volume(mesh)) != 0
