"""Furnished rooms and flats: each kind a short recipe over `Layout`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ssen_ros.datasets.splits import HARD_SEEDS
from ssen_ros.labels import IGNORE_INDEX
from ssen_ros.simulation import fittings, groups, lived_in, shell
from ssen_ros.simulation.assets import NO_ASSETS, RoomAssets
from ssen_ros.simulation.dressing import hang_pictures, hang_things, hang_varied_pictures, litter_floor
from ssen_ros.simulation.layout import WALL_THICKNESS, Layout, Obstacle, Placed, footprint
from ssen_ros.simulation.recipe import Recipe

_GOLDEN = 0.6180339887498949
_WALL_GAP = WALL_THICKNESS + 0.01  # m between neighbouring rooms: no two wall faces in one plane


@dataclass(frozen=True)
class Room:
    """A furnished room, or a flat of several, before anybody has looked at it.

    Room frame: m, +Z up, floor at z = 0, all of it within 0..size.
    """

    seed: int
    kind: str
    size: tuple[float, float, float]  # m: width (x), depth (y), height
    objects: tuple[Placed, ...]
    obstacles: tuple[Obstacle, ...]  # what a walking camera must avoid
    floors: tuple[np.ndarray, ...]  # (4, 2) m each: rectangles one may walk in, doorways included


@dataclass(frozen=True)
class _Recipe:
    share: float  # of all rooms
    width: tuple[float, float]  # m
    depth: tuple[float, float]  # m
    wet: bool  # tiles
    furnish: Callable[[Layout], None]
    windows: tuple[int, int]  # least, most
    pictures: int  # most
    fillings: tuple[Callable[[Layout], None], ...]  # what gathers there over the years


def build_room(seed: int, assets: RoomAssets = NO_ASSETS) -> Room:
    """The room of this seed: the same seed, and the same assets, always give the same room."""
    rng = np.random.default_rng((20, seed))
    kind = kind_of(seed)
    if kind == "flat":
        return _flat(seed, rng, assets)
    layout = _planned(seed, rng, kind, assets)
    shell.add_doors(layout, 1 + (rng.random() < 0.35 and min(layout.width, layout.depth) > 2.6))
    _furnish(layout, kind)
    size = (layout.width, layout.depth, layout.height)
    floor = footprint((size[0] / 2, size[1] / 2), 0.0, size[0], size[1])
    return Room(seed, kind, size, assets.dress(layout.objects), tuple(layout.obstacles), (floor,))


def kind_of(seed: int) -> str:
    """What the room of this seed is; steps of the golden ratio give any run of seeds the kinds' shares."""
    return list(_SHARES)[int(np.searchsorted(np.cumsum(list(_SHARES.values())), seed * _GOLDEN % 1.0))]


def _planned(
    seed: int,
    rng: np.random.Generator,
    kind: str,
    assets: RoomAssets,
    height: float | None = None,
    may_bend: bool = True,
) -> Layout:
    recipe = _RECIPES[kind]
    size = (rng.uniform(*recipe.width), rng.uniform(*recipe.depth))
    if Recipe.of(seed) is Recipe.VARIED:
        if may_bend and not recipe.wet and rng.random() < 0.15:
            size = tuple(np.array(size) * rng.uniform(1.0, 1.5, 2))
        materials = shell.varied_wall_materials(rng, recipe.wet)
        height = height or (rng.uniform(2.3, 2.9) if rng.random() < 0.65 else rng.uniform(2.8, 3.25))
    else:
        materials = shell.wall_materials(rng, recipe.wet)
    return Layout(seed, rng, size, height or rng.uniform(2.3, 2.9), materials, may_bend, assets)


def _furnish(layout: Layout, kind: str) -> None:
    """Everything but the doors."""
    recipe, rng = _RECIPES[kind], layout.rng
    area = layout.width * layout.depth
    if layout.recipe is Recipe.VARIED:
        return _furnish_varied(layout, kind)
    shell.add_windows(layout, int(rng.integers(recipe.windows[0], recipe.windows[1] + 1)))
    recipe.furnish(layout)
    for _ in range(round(area * rng.uniform(0.15, 0.45))):
        recipe.fillings[rng.integers(len(recipe.fillings))](layout)
    shell.add_radiators(layout)
    hang_pictures(layout, int(rng.integers(0, recipe.pictures + 1)))
    hang_things(layout, int(rng.integers(1, int(3 + area / 4))))
    litter_floor(layout, int(rng.integers(1, int(4 + area / 2))))
    shell.build_shell(layout, recipe.wet, kind)


def _furnish_varied(layout: Layout, kind: str) -> None:
    """As others build and live: walls bare or full, boards, partitions, columns; many things, or few."""
    recipe, rng = _RECIPES[kind], layout.rng
    area = layout.width * layout.depth
    furnish, fillings, litter = lived_in.RECIPES[kind]
    fittings.clear_walls(layout)
    fittings.build_in(layout, kind)
    shell.add_windows(layout, int(rng.integers(recipe.windows[0], recipe.windows[1] + 1)))
    furnish(layout)
    for _ in range(round(area * rng.choice([rng.uniform(0.0, 0.12), rng.uniform(0.15, 0.45)], p=[0.3, 0.7]))):
        fillings[rng.integers(len(fillings))](layout)
    fittings.fit_out(layout, kind)
    shell.add_radiators(layout)
    if layout.seed not in HARD_SEEDS and rng.random() < 0.75:  # those stay as networks were judged on them
        hang_varied_pictures(layout, int(rng.integers(0, 2 * recipe.pictures + 1)))
    if rng.random() < 0.6:
        if layout.seed in HARD_SEEDS:
            hang_pictures(layout, int(rng.integers(0, recipe.pictures + 1)))
        hang_things(layout, int(rng.integers(0, int(3 + area / 4))))
    litter(layout, int(rng.integers(0, int(4 + area / 2))))
    shell.build_shell(layout, recipe.wet, kind)


# --- flats -----------------------------------------------------------------------------------------


def _flat(seed: int, rng: np.random.Generator, assets: RoomAssets) -> Room:
    """Two or three rooms one beside the other, or two and one behind the first, joined by doorways."""
    height = rng.uniform(2.3, 2.8)
    kinds = [_FLAT_ROOMS[k] for k in rng.permutation(len(_FLAT_ROOMS))[: rng.integers(2, 4)]]
    if rng.random() < 0.5 and "bathroom" not in kinds:
        kinds[-1] = "bathroom"
    layouts = [_planned(seed, rng, kind, assets, height, may_bend=False) for kind in kinds]
    first, offsets = layouts[0], [np.zeros(3)]
    for k, layout in enumerate(layouts[1:], start=1):
        fits_behind = layout.width <= first.width or layouts[1].depth <= first.depth
        if k == 2 and fits_behind and rng.random() < 0.6:
            host, sides, step = first, (2, 0), (0.0, first.depth + _WALL_GAP, 0.0)
            offsets.append(offsets[0] + step)
        else:
            host, sides = layouts[k - 1], (1, 3)
            offsets.append(offsets[k - 1] + (host.width + _WALL_GAP, 0.0, 0.0))
        w, h = rng.uniform(0.8, 1.3), rng.uniform(1.98, 2.1)
        shared = min(host.walls[sides[0]].length, layout.walls[sides[1]].length)
        along = rng.uniform(w / 2 + 0.15, shared - w / 2 - 0.15)
        _doorway(host, sides[0], along, w, h, closable=True)
        _doorway(layout, sides[1], along, w, h, closable=False)
    shell.add_doors(first, 1)
    return _joined(seed, layouts, offsets, kinds)


def _doorway(layout: Layout, side: int, along: float, w: float, h: float, closable: bool) -> None:
    """An opening through one wall at x or y = `along`, sometimes with a door; nothing may stand before it."""
    wall = layout.walls[side]
    t = along if side < 2 else wall.length - along  # walls run round the room, counter-clockwise
    layout.on_wall_at(wall, t, w + 0.3, 0.0, h + 0.1)
    layout.reserve(footprint(wall.point(t, 0.4), wall.yaw, w, 0.9))
    if closable and layout.rng.random() < 0.6:
        shell.add_door(layout, wall, t, w, h)
    else:
        wall.openings.append((t - w / 2, t + w / 2, 0.0, h))


def _joined(seed: int, layouts: list[Layout], offsets: list[np.ndarray], kinds: list[str]) -> Room:
    objects, obstacles, floors, count = [], [], [], 0
    for layout, offset, kind in zip(layouts, offsets, kinds):
        _furnish(layout, kind)
        for o in layout.objects:
            identity = o.instance_id + count if o.instance_id != IGNORE_INDEX else IGNORE_INDEX
            objects.append(Placed(o.mesh, o.class_id, identity, o.position + offset, o.yaw))
        count += max((o.instance_id for o in layout.objects), default=0)
        obstacles += [Obstacle(o.outline + offset[:2], o.top) for o in layout.obstacles]
        size = np.array([layout.width, layout.depth])
        floors.append(footprint(offset[:2] + size / 2, 0.0, *size))
        for wall in layout.walls:
            for t0, t1, z0, _ in wall.openings:
                if z0 == 0.0:
                    middle = wall.point((t0 + t1) / 2, -_WALL_GAP / 2) + offset[:2]
                    floors.append(footprint(middle, wall.yaw, t1 - t0, _WALL_GAP + 0.1))
    extent = np.concatenate(floors).max(axis=0)
    objects = layouts[0].assets.dress(objects)
    return Room(seed, "flat", (*extent, layouts[0].height), objects, tuple(obstacles), tuple(floors))


# --- recipes ---------------------------------------------------------------------------------------


def _chance(layout: Layout, *options: tuple[Callable[[Layout], None], float]) -> None:
    for furnish, chance in options:
        if layout.rng.random() < chance:
            furnish(layout)


def _living(layout: Layout) -> None:
    groups.seating(layout)
    _chance(layout, (groups.seating, 0.5), (groups.television, 0.8), (groups.bookshelf, 0.75))
    _chance(layout, (groups.cabinet, 0.6), (groups.odd_thing, 0.5), (groups.desk_place, 0.3))
    _chance(layout, (groups.dining_place, 0.5))
    groups.armchairs(layout, 3)
    _chance(layout, (groups.rug, 0.6))


def _bedroom(layout: Layout) -> None:
    groups.sleeping_place(layout)
    _chance(layout, (groups.sleeping_place, 0.3), (groups.cabinet, 0.9), (groups.odd_thing, 0.7))
    _chance(layout, (groups.desk_place, 0.55), (groups.cabinet, 0.5), (groups.bookshelf, 0.45))
    groups.armchairs(layout, 1)
    _chance(layout, (groups.rug, 0.5))


def _kitchen(layout: Layout) -> None:
    rng = layout.rng
    groups.counter(layout, rng.uniform(1.4, 3.2), with_sink=True)
    _chance(layout, (groups.refrigerator, 0.95), (groups.kitchen_machine, 0.8))
    if rng.random() < 0.7:
        groups.counter(layout, rng.uniform(0.7, 2.2), with_sink=rng.random() < 0.15)
    _chance(layout, (groups.cabinet, 0.5), (groups.dining_place, 0.85), (groups.kitchen_machine, 0.4))


def _bathroom(layout: Layout) -> None:
    rng = layout.rng
    if rng.random() < 0.95:
        groups.tub(layout)
    groups.insist(layout, "toilet", clearance=0.2)
    groups.washplace(layout)
    _chance(layout, (groups.shower, 0.5), (groups.washplace, 0.3), (groups.cabinet, 0.4))
    _chance(layout, (groups.odd_thing, 0.3), (groups.rug, 0.5))


def _office(layout: Layout) -> None:
    rng = layout.rng
    _chance(layout, (groups.desk_island, 0.45))
    for _ in range(int(rng.integers(2, 6))):
        groups.desk_place(layout)
    _chance(layout, (groups.bookshelf, 0.8), (groups.cabinet, 0.9), (groups.cabinet, 0.5))
    _chance(layout, (groups.bookshelf, 0.4), (groups.office_machine, 0.35), (groups.dining_place, 0.3))
    _chance(layout, (groups.seating, 0.2), (groups.refrigerator, 0.1))


def _dining(layout: Layout) -> None:
    groups.dining_place(layout)
    _chance(layout, (groups.cabinet, 0.9), (groups.bookshelf, 0.5), (groups.cabinet, 0.6))
    if layout.rng.random() < 0.5:
        groups.counter(layout, layout.rng.uniform(1.2, 2.4), with_sink=layout.rng.random() < 0.5)
    _chance(layout, (groups.rug, 0.4), (groups.odd_thing, 0.5), (groups.dining_place, 0.4))
    _chance(layout, (groups.refrigerator, 0.3))


def _meeting(layout: Layout) -> None:
    _chance(layout, (groups.meeting_place, 0.75), (groups.circle_of_chairs, 0.25))
    _chance(layout, (groups.rows_of_chairs, 0.4), (groups.row_of_chairs, 0.6), (groups.cabinet, 0.6))
    _chance(layout, (groups.bookshelf, 0.4), (groups.seating, 0.25), (groups.refrigerator, 0.1))


def _storage(layout: Layout) -> None:
    for _ in range(int(layout.rng.integers(3, 8))):
        _chance(layout, (groups.bookshelf, 0.5), (groups.cabinet, 0.4), (groups.odd_thing, 0.3))
    _chance(layout, (groups.work_table, 0.7), (groups.refrigerator, 0.4), (groups.desk_place, 0.2))
    litter_floor(layout, int(layout.rng.integers(5, 16)))


def _lounge(layout: Layout) -> None:
    """A waiting room, a common room."""
    rng = layout.rng
    for _ in range(int(rng.integers(1, 4))):
        groups.seating(layout)
    _chance(layout, (groups.circle_of_chairs, 0.5), (groups.row_of_chairs, 0.9), (groups.row_of_chairs, 0.5))
    if rng.random() < 0.4:
        groups.counter(layout, rng.uniform(1.2, 2.4), with_sink=rng.random() < 0.6)
    _chance(layout, (groups.refrigerator, 0.3), (groups.bookshelf, 0.5), (groups.office_machine, 0.3))
    groups.armchairs(layout, 3)


_ANYWHERE = (groups.loose_chair, groups.loose_chair, groups.cabinet, groups.bookshelf, groups.odd_thing,
             groups.side_table, groups.row_of_chairs)  # fmt: skip

_RECIPES = {
    "living": _Recipe(0.12, (3.3, 6.0), (3.5, 6.5), False, _living, (0, 3), 5, (*_ANYWHERE, groups.seating)),
    "bedroom": _Recipe(0.16, (2.8, 4.8), (2.9, 5.0), False, _bedroom, (0, 2), 4, _ANYWHERE),
    "kitchen": _Recipe(0.15, (2.5, 4.8), (2.8, 5.6), True, _kitchen, (0, 2), 2,
                       (groups.loose_chair, groups.cabinet, groups.kitchen_machine, groups.side_table,
                        groups.work_table)),
    "bathroom": _Recipe(0.18, (1.8, 3.0), (2.0, 3.4), True, _bathroom, (0, 1), 1,
                        (groups.cabinet, groups.odd_thing, groups.washplace)),
    "office": _Recipe(0.09, (3.0, 6.0), (3.0, 6.5), False, _office, (0, 3), 4,
                      (groups.loose_chair, groups.desk_place, groups.desk_place, groups.cabinet,
                       groups.bookshelf, groups.work_table, groups.row_of_chairs)),
    "dining": _Recipe(0.04, (2.9, 5.0), (3.0, 5.5), False, _dining, (0, 2), 4, _ANYWHERE),
    "meeting": _Recipe(0.05, (3.5, 6.5), (4.0, 7.0), False, _meeting, (0, 3), 2, _ANYWHERE),
    "storage": _Recipe(0.04, (2.2, 4.2), (2.4, 4.5), False, _storage, (0, 1), 1, _ANYWHERE),
    "lounge": _Recipe(0.04, (3.5, 6.0), (3.5, 6.5), False, _lounge, (0, 3), 4, _ANYWHERE),
}  # fmt: skip

_SHARES = {**{kind: recipe.share for kind, recipe in _RECIPES.items()}, "flat": 0.13}
_FLAT_ROOMS = ("living", "bedroom", "bedroom", "kitchen", "kitchen", "bathroom", "dining", "office")
