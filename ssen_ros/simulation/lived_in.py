"""Rooms as people leave them: the recipes of `Recipe.VARIED`."""

from collections.abc import Callable

from ssen_ros.simulation import groups
from ssen_ros.simulation.dressing import litter_floor
from ssen_ros.simulation.habits import (
    leave_at_home,
    leave_at_work,
    loose_chair,
    other_furniture,
    plant,
    row_of_chairs,
    rows_of_chairs,
    stand_about,
)
from ssen_ros.simulation.layout import Layout
from ssen_ros.simulation.places import (
    desk_place,
    desk_rows,
    dining_place,
    island,
    kitchen_run,
    loaded_shelf,
    meeting_place,
    partitioned_place,
    printer_place,
    reception,
    seating,
    side_table,
    sleeping_place,
    work_table,
)

Furnish = Callable[[Layout], object]


def _chance(layout: Layout, *options: tuple[Furnish, float]) -> None:
    for furnish, chance in options:
        if layout.rng.random() < chance:
            furnish(layout)


def _living(layout: Layout) -> None:
    seating(layout)
    _chance(layout, (seating, 0.5), (groups.television, 0.8), (groups.bookshelf, 0.6), (loaded_shelf, 0.25))
    _chance(layout, (groups.cabinet, 0.6), (other_furniture, 0.5), (desk_place, 0.25), (dining_place, 0.5))
    groups.armchairs(layout, 3)
    _chance(layout, (groups.rug, 0.6), (side_table, 0.6), (plant, 0.5), (island, 0.1))
    stand_about(layout, int(layout.rng.random() < 0.3))


def _bedroom(layout: Layout) -> None:
    sleeping_place(layout)
    _chance(layout, (sleeping_place, 0.4), (groups.cabinet, 0.9), (other_furniture, 0.6), (desk_place, 0.4))
    _chance(layout, (groups.cabinet, 0.5), (groups.bookshelf, 0.4), (groups.rug, 0.5), (side_table, 0.3))
    groups.armchairs(layout, 1)


def _kitchen(layout: Layout) -> None:
    kitchen_run(layout)
    _chance(layout, (kitchen_run, 0.45), (island, 0.4), (groups.refrigerator, 0.3), (groups.cabinet, 0.5))
    _chance(layout, (dining_place, 0.8), (groups.kitchen_machine, 0.3))
    stand_about(layout, int(layout.rng.random() < 0.4))


def _bathroom(layout: Layout) -> None:
    if layout.rng.random() < 0.9:
        groups.tub(layout)
    groups.insist(layout, "toilet", clearance=0.2)
    groups.washplace(layout)
    _chance(layout, (groups.shower, 0.5), (groups.washplace, 0.3), (groups.cabinet, 0.4), (groups.rug, 0.5))
    _chance(layout, (groups.kitchen_machine, 0.2))


def _office(layout: Layout) -> None:
    rng = layout.rng
    _chance(layout, (desk_rows, 0.75), (desk_rows, 0.45), (partitioned_place, 0.3), (reception, 0.12))
    for _ in range(int(rng.integers(2, 6))):
        desk_place(layout)
    _chance(layout, (loaded_shelf, 0.7), (printer_place, 0.6), (groups.bookshelf, 0.5), (groups.cabinet, 0.8))
    _chance(layout, (groups.office_machine, 0.35), (dining_place, 0.2), (seating, 0.15), (plant, 0.5))
    if rng.random() < 0.5:
        stand_about(layout, 3)


def _dining(layout: Layout) -> None:
    dining_place(layout)
    _chance(layout, (groups.cabinet, 0.9), (groups.bookshelf, 0.4), (kitchen_run, 0.4), (island, 0.3))
    _chance(layout, (groups.rug, 0.4), (other_furniture, 0.4), (dining_place, 0.4), (plant, 0.5))
    stand_about(layout, int(layout.rng.random() < 0.3))


def _meeting(layout: Layout) -> None:
    rng = layout.rng
    _chance(layout, (meeting_place, 0.8), (groups.circle_of_chairs, 0.2), (rows_of_chairs, 0.4))
    _chance(layout, (row_of_chairs, 0.5), (groups.cabinet, 0.6), (loaded_shelf, 0.3), (plant, 0.5))
    _chance(layout, (groups.bookshelf, 0.3), (seating, 0.2), (groups.counter_here, 0.3))
    if rng.random() < 0.5:
        stand_about(layout, 3)


def _storage(layout: Layout) -> None:
    rng = layout.rng
    for _ in range(int(rng.integers(3, 8))):
        _chance(layout, (loaded_shelf, 0.55), (groups.cabinet, 0.35), (other_furniture, 0.25))
    _chance(
        layout, (work_table, 0.8), (groups.refrigerator, 0.4), (desk_place, 0.2), (groups.counter_here, 0.3)
    )
    leave_at_work(layout, int(rng.integers(5, 18)))


def _lounge(layout: Layout) -> None:
    rng = layout.rng
    for _ in range(int(rng.integers(1, 4))):
        seating(layout)
    _chance(
        layout, (reception, 0.5), (groups.circle_of_chairs, 0.3), (row_of_chairs, 0.8), (kitchen_run, 0.35)
    )
    _chance(
        layout,
        (groups.refrigerator, 0.2),
        (groups.bookshelf, 0.5),
        (groups.office_machine, 0.3),
        (plant, 0.7),
    )
    groups.armchairs(layout, 3)
    if rng.random() < 0.5:
        stand_about(layout, 4)


_HOME = (loose_chair, loose_chair, groups.cabinet, groups.bookshelf, other_furniture, side_table, plant)
_WORK = (
    loose_chair,
    loose_chair,
    desk_place,
    groups.cabinet,
    loaded_shelf,
    work_table,
    printer_place,
    row_of_chairs,
)

# kind of room: what furnishes it, what gathers there over the years, what lies on its floor
RECIPES: dict[str, tuple[Furnish, tuple[Furnish, ...], Callable[[Layout, int], None]]] = {
    "living": (_living, (*_HOME, seating), leave_at_home),
    "bedroom": (_bedroom, _HOME, leave_at_home),
    "kitchen": (_kitchen, (loose_chair, loose_chair, groups.cabinet, groups.kitchen_machine, side_table,
                           groups.counter_here, island), leave_at_home),
    "bathroom": (_bathroom, (groups.cabinet, groups.washplace, other_furniture), litter_floor),
    "office": (_office, (*_WORK, desk_place), leave_at_work),
    "dining": (_dining, (*_HOME, groups.counter_here), leave_at_home),
    "meeting": (_meeting, (loose_chair, groups.cabinet, loaded_shelf, work_table, row_of_chairs, plant),
                leave_at_work),
    "storage": (_storage, (loaded_shelf, work_table, groups.cabinet, other_furniture), leave_at_work),
    "lounge": (_lounge, (loose_chair, loose_chair, side_table, plant, groups.cabinet, row_of_chairs),
               leave_at_work),
}  # fmt: skip
