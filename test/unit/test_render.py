from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ssen_ros.errors import SsenError
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CEILING, CLASS_NAMES, LABEL_NAMES
from ssen_ros.palettes import DEFAULT, PALETTES, STUFF_COLOR, instance_colors, semantic_colors
from ssen_ros.pictures.annotations import LEGEND_LINE, TITLE_HEIGHT, label_places
from ssen_ros.pictures.camera import fit_camera, view_axes
from ssen_ros.pictures.cutaway import direction, ground, make_plan, visible_rows
from ssen_ros.pictures.render import GAP, render, render_map, save_png
from ssen_ros.pictures.shot import BACKGROUND, PANEL_WIDTH, take
from ssen_ros.pictures.splat import ball, cube, splat
from ssen_ros.structures import Box, Instance

WALL, FLOOR, CHAIR, TABLE = (CLASS_NAMES.index(name) for name in ("wall", "floor", "chair", "table"))
VOXEL = 0.05
LEGEND = LEGEND_LINE + 8  # px, height of a legend of one line
PALETTE = PALETTES[DEFAULT]


def grid(x: tuple, y: tuple, z: tuple) -> np.ndarray:
    """The voxel centres of a solid block, (n, 3) float32."""
    axes = [np.arange(low + VOXEL / 2, high, VOXEL) for low, high in (x, y, z)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)


def record(id_: int, class_id: int, points: np.ndarray) -> Instance:
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    box = Box(center=(low + high) / 2, size=high - low + VOXEL, yaw=0.0)
    return Instance(
        id_, class_id, CLASS_NAMES[class_id], 0.9, box, points.mean(axis=0), len(points), 10, 20, "active"
    )


def room_map(parts: list[tuple[np.ndarray, int, int, tuple]]) -> LabelledMap:
    """parts: (points, class, id or -1, colour)."""
    points = np.vstack([p for p, *_ in parts])
    sizes = [len(p) for p, *_ in parts]
    return LabelledMap(
        points=points,
        colors=np.repeat(np.array([c for *_, c in parts], np.uint8), sizes, axis=0),
        semantic_label=np.repeat(np.array([k for _, k, _, _ in parts], np.int32), sizes),
        instance_id=np.repeat(np.array([i for _, _, i, _ in parts], np.int32), sizes),
        confidence=np.ones(len(points), np.float32),
        instances=tuple(record(i, k, p) for p, k, i, _ in parts if i >= 0),
        voxel_size=VOXEL,
        version=3,
        stamp_ns=20,
    )


FLOOR_POINTS = grid((0, 4), (0, 4), (0, 0.05))
CHAIR_POINTS = grid((0.6, 1.2), (0.6, 1.2), (0.05, 0.5))
TABLE_POINTS = grid((2.2, 3.4), (2.2, 3.4), (0.6, 0.7))


@pytest.fixture(scope="module")
def toy() -> LabelledMap:
    return room_map(
        [
            (FLOOR_POINTS, FLOOR, -1, (20, 60, 220)),
            (CHAIR_POINTS, CHAIR, 4, (200, 30, 30)),
            (TABLE_POINTS, TABLE, 9, (30, 180, 30)),
        ]
    )


def panels(image: np.ndarray) -> list[np.ndarray]:
    step = PANEL_WIDTH + GAP
    return [image[:, i * step : i * step + PANEL_WIDTH] for i in range(3)]


def fraction(image: np.ndarray, color, tolerance: float = 0.06) -> float:
    """Share of pixels with this hue, whatever the shade."""
    rgb = image.reshape(-1, 3).astype(float)
    unit = rgb / np.maximum(np.linalg.norm(rgb, axis=1, keepdims=True), 1)
    wanted = np.array(color, float) / np.linalg.norm(np.array(color, float))
    return float((np.abs(unit - wanted).max(axis=1) < tolerance).mean())


def test_each_panel_shows_its_own_colours(toy):
    colour, semantic, instances = panels(render_map(toy)[:-LEGEND])
    for color in ((20, 60, 220), (200, 30, 30), (30, 180, 30)):
        assert fraction(colour, color) > 0.005
        assert fraction(semantic, color) < 0.001
    for class_id in (FLOOR, CHAIR, TABLE):
        assert fraction(semantic, PALETTE[class_id]) > 0.005
    for color in instance_colors(np.array([4, 9])):
        assert fraction(instances, color) > 0.005
    assert fraction(instances, STUFF_COLOR, tolerance=0.01) > 0.2
    assert fraction(instances, PALETTE[FLOOR]) < 0.001


def test_things_appear_where_the_camera_says():
    axes = view_axes(azimuth=0.7, elevation=0.9)
    points = np.vstack([FLOOR_POINTS, CHAIR_POINTS])
    camera = fit_camera(points, axes, 300, 200, margin=10)
    pixels, _ = camera.project(points)
    assert pixels.min() >= 10 - 1e-6
    assert (pixels.max(axis=0) <= [290 + 1e-6, 190 + 1e-6]).all()
    assert np.isclose(pixels[:, 0].max() - pixels[:, 0].min(), 280) or np.isclose(np.ptp(pixels[:, 1]), 180)

    frame = splat(points, camera, 300, 200, cube(camera, VOXEL))
    top = len(FLOOR_POINTS) + np.flatnonzero(CHAIR_POINTS[:, 2] > 0.45)
    u, v = np.floor(pixels[top].mean(axis=0)).astype(int)
    assert frame.row[v, u] >= len(FLOOR_POINTS)  # the chair's top hides the floor under it
    assert frame.row[0, 0] == -1
    assert np.isinf(frame.depth[0, 0])


def test_camera_looks_down_with_up_upwards_and_no_mirror():
    axes = view_axes(azimuth=0.3, elevation=0.9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.isclose(np.linalg.det(axes), 1.0)  # right, down, forward: a right-handed camera
    assert axes[1] @ [0, 0, 1] < 0  # up in the map is up in the picture
    assert axes[2] @ [0, 0, 1] < 0  # it looks down
    assert axes[2] @ [np.cos(0.3), np.sin(0.3), 0] < 0  # from the side it stands on


def test_nearer_point_wins_in_any_order():
    camera = fit_camera(np.array([[0, 0, 0], [1, 1, 1]]), view_axes(0.0, np.pi / 2 - 1e-9), 40, 40, margin=2)
    stacked = np.array([[0.53, 0.53, 0.2], [0.53, 0.53, 0.9], [0.53, 0.53, 0.5]])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        frame = splat(stacked[order], camera, 40, 40, ball(camera, 0.1))
        assert set(np.unique(frame.row)) == {-1, order.index(1)}


def test_same_map_same_pixels(toy):
    np.testing.assert_array_equal(render_map(toy), render_map(toy))


def test_legend_lists_the_classes_present_and_no_others(toy):
    legend = render_map(toy)[-LEGEND:]
    shown = {i for i in range(len(CLASS_NAMES)) if (legend == PALETTE[i]).all(axis=2).sum() >= 100}
    assert shown == {FLOOR, CHAIR, TABLE}


def test_the_legend_names_classes_beyond_the_palette():
    names = tuple(f"class {i}" for i in range(25))
    labelled = replace(room_map([(FLOOR_POINTS, 22, -1, (9, 9, 9))]), class_names=names)
    legend = render_map(labelled)[-LEGEND:]
    assert (legend == semantic_colors(np.array([22]))).all(axis=2).sum() >= 100


def test_labels_stay_inside_the_picture():
    block = grid((0, 0.5), (0, 0.5), (0, 0.5))
    crowd = [(block + np.float32([0.01 * i, 0, 0]), CHAIR, 10_000 + i, (90, 90, 90)) for i in range(30)]
    instances = panels(render_map(room_map(crowd)))[2][TITLE_HEIGHT:-LEGEND]
    border = np.concatenate([instances[0], instances[-1], instances[:, 0], instances[:, -1]])
    assert (border == BACKGROUND).all()


def test_ceiling_and_the_near_wall_are_cut_away_but_not_the_far_one_or_objects():
    near, far = grid((4.0, 4.1), (0, 4), (0.05, 2.4)), grid((-0.1, 0), (0, 4), (0.05, 2.4))
    ceiling = grid((0, 4), (0, 4), (2.4, 2.45))
    by_the_wall = grid((3.95, 4.0), (1, 1.5), (0.05, 1.0))  # an object that touches the near wall
    parts = [FLOOR_POINTS, near, far, ceiling, by_the_wall]
    points = np.vstack(parts)
    kind = np.repeat(np.arange(5), [len(p) for p in parts])
    plan = make_plan(points, np.isin(kind, (1, 2)))
    visible = visible_rows(plan, azimuth=0.0, keep=kind == 4)  # the camera stands at +X
    low = points[:, 2] < 0.1
    assert not visible[kind == 3].any()
    assert not visible[(kind == 1) & (points[:, 2] > 0.3)].any()
    assert visible[(kind == 1) & low].all()
    assert visible[(kind == 2) & (points[:, 2] < 2.0)].all()
    assert visible[kind == 4].all()
    assert visible[kind == 0].all()


def test_a_wall_labelled_as_something_else_is_cut_all_the_same():
    near = grid((4.0, 4.1), (0, 4), (0.05, 2.0))
    points = np.vstack([FLOOR_POINTS, near])
    none = np.zeros(len(points), bool)
    visible = visible_rows(make_plan(points, none), azimuth=0.0, keep=none)
    assert not visible[len(FLOOR_POINTS) :][near[:, 2] > 0.3].any()


@pytest.mark.parametrize("count", [0, 1])
def test_tiny_maps_still_make_a_picture(count, tmp_path):
    labelled = room_map([(FLOOR_POINTS[:count], FLOOR, -1, (9, 9, 9))])
    image = render_map(labelled)
    assert image.dtype == np.uint8
    assert image.shape[1] == 3 * PANEL_WIDTH + 2 * GAP
    save_png(tmp_path / "a.png", image)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_pillow_that_is_too_old_is_named_with_the_remedy(toy, monkeypatch):
    def load_default():  # of Pillow before 10.1: one size
        raise AssertionError

    monkeypatch.setattr("PIL.ImageFont.load_default", load_default)
    with pytest.raises(SsenError, match="Pillow 10.1 or newer.*pip install 'pillow>=10.1'"):
        render_map(toy)


def test_any_panels_are_drawn_beside_each_other(toy):
    black, red = (np.full((len(toy), 3), color, np.uint8) for color in ((0, 0, 0), (255, 0, 0)))
    image = render(toy, [("black", black), ("red", red)], width=120)
    assert image.shape[1] == 2 * 120 + GAP
    assert fraction(image[:, :120], (255, 0, 0)) == 0 < fraction(image[:, 120 + GAP :], (255, 0, 0))
    plain = render(toy, [("", red)], width=120)
    assert plain.shape[0] == image.shape[0] - TITLE_HEIGHT, "without a title there is no line for one"


def test_the_other_palette_is_scannets(toy):
    semantic = panels(render_map(toy, "scannet")[:-LEGEND])[1]
    assert fraction(semantic, PALETTES["scannet"][FLOOR]) > 0.005 > fraction(semantic, PALETTE[FLOOR])


def test_labels_do_not_overlap():
    """Twelve objects in one place: those that find room have it for themselves."""
    block = grid((0, 0.5), (0, 0.5), (0, 0.5))
    crowd = [(block, CHAIR, 10 + i, (90, 90, 90)) for i in range(12)]
    crowd = room_map([(FLOOR_POINTS, FLOOR, -1, (9, 9, 9)), *crowd])
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    shot = take(crowd)
    placed = [place for _, _, place in label_places(draw, shot, crowd.instances)]
    assert len(placed) == 12
    for i, a in enumerate(placed):
        assert 0 <= a[0] and a[2] <= shot.size[0] and 0 <= a[1] and a[3] <= shot.size[1]
        for b in placed[:i]:
            assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


def test_the_ceiling_is_hidden_and_the_floor_below_the_map_is_drawn():
    ceiling = grid((0, 4), (0, 4), (1.8, 1.85))
    hole = (np.abs(FLOOR_POINTS[:, :2] - 2) < 0.3).all(axis=1)
    parts = [(FLOOR_POINTS[~hole], FLOOR, -1, (9, 200, 9)), (ceiling, CEILING, -1, (200, 9, 9))]
    shot = take(replace(room_map(parts), class_names=LABEL_NAMES))
    assert (shot.rows < (~hole).sum()).all(), "nothing of the ceiling"
    ground = shot.frame.row >= len(shot.rows)
    assert ground.any(), "through the hole one sees the ground"


def test_the_camera_looks_along_no_wall():
    turned = 0.6
    c, s = np.cos(turned), np.sin(turned)
    points = grid((0, 5), (0, 3), (0, 0.05)) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
    found = direction(make_plan(points, np.zeros(len(points), bool)))
    assert min(abs(found - turned), abs(found - turned + np.pi / 2)) < np.radians(3)


def test_the_ground_fills_its_columns_once():
    points = grid((0.3, 4.1), (-2.2, 1), (0, 0.05))
    plan = make_plan(points, np.zeros(len(points), bool))
    places = ground(plan, VOXEL)[:, :2]
    assert len(np.unique(np.round(places / VOXEL - 0.5), axis=0)) == len(places)
    assert len(places) == pytest.approx(3.8 * 3.2 / VOXEL**2, rel=0.1)
    np.testing.assert_allclose(places / VOXEL - 0.5, np.round(places / VOXEL - 0.5), atol=1e-3)


def test_a_stray_far_away_costs_no_memory():
    points = np.vstack([FLOOR_POINTS, np.float32([[20_000, 20_000, 0], [-20_000, 20_000, 0]])])
    assert len(ground(make_plan(points, np.zeros(len(points), bool)), VOXEL)) < 10_000
