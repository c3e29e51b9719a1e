"""Which designs furnish which rooms: the table of all kinds, and what is held out of training.

A *kind* is what a recipe of `rooms` asks for, such as a dining chair; a *design* is one function that
draws a model of that kind, such as `spindle_chair`. Designs under `held_out` furnish the rooms of
`HELD_OUT_SEEDS` and no others: a network that does well there knows chairs, not our chairs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssen_ros.datasets.splits import HARD_SEEDS, HELD_OUT_SEEDS
from ssen_ros.simulation import people
from ssen_ros.simulation.belongings import desks, floors, kitchens, standing
from ssen_ros.simulation.furniture import bath, kitchen, lounge, others, seating, storage, tables, walls

Design = Callable[..., Any]  # (rng, sizes of this kind) -> Mesh, or Parts for fixtures


@dataclass(frozen=True)
class Kind:
    """The designs of one kind; those of one kind take the same arguments."""

    class_name: str  # the ScanNet class of a model, or of its main part
    training: tuple[Design, ...]
    held_out: tuple[Design, ...]
    hard: tuple[Design, ...] = ()  # held out as well, beside the others, for HARD_SEEDS alone

    def designs(self, seed: int) -> tuple[Design, ...]:
        """What the room of this seed may be furnished with."""
        if seed in HARD_SEEDS:
            return self.held_out + self.hard
        return self.held_out if seed in HELD_OUT_SEEDS else self.training


KINDS = {
    "dining chair": Kind(
        "chair",
        (seating.slat_chair, seating.ladder_chair, seating.panel_chair, seating.shell_chair,
         seating.parsons_chair, seating.cantilever_chair, seating.stacking_chair, seating.folding_chair),
        (seating.spindle_chair, seating.tub_chair, seating.cross_chair),
    ),
    "office chair": Kind(
        "chair",
        (seating.task_chair, seating.executive_chair, seating.conference_chair),
        (seating.mesh_chair, seating.drafting_chair),
    ),
    "armchair": Kind(
        "chair",
        (lounge.box_armchair, seating.club_chair, seating.lounge_chair, seating.recliner),
        (seating.wing_chair, seating.swivel_chair),
    ),
    "stool": Kind(
        "chair", (seating.round_stool, seating.square_stool, seating.bar_chair), (seating.pedestal_stool,)
    ),
    "sofa": Kind(
        "sofa",
        (lounge.box_sofa, lounge.box_sofa, lounge.chaise_sofa, lounge.modular_sofa, lounge.tufted_sofa,
         lounge.futon),
        (lounge.rolled_sofa, lounge.slim_sofa),
    ),
    "bed": Kind(
        "bed",
        (lounge.platform_bed, lounge.legged_bed, lounge.metal_bed, lounge.upholstered_bed, lounge.bunk_bed,
         lounge.floor_mattress),
        (lounge.sleigh_bed, lounge.four_poster_bed, lounge.day_bed),
    ),
    "table": Kind(
        "table",
        (tables.four_legged, tables.four_legged, tables.splay_legged, tables.trestle, tables.round_table,
         tables.cross_legged, tables.frame_table, tables.plain_table, tables.tulip_table, tables.cafe_table),
        (tables.slab_table, tables.drop_leaf_table),
        hard=(tables.side_board_table,),
    ),
    "low table": Kind(
        "table",
        (tables.four_legged, tables.splay_legged, tables.round_table, tables.shelf_table, tables.glass_table,
         tables.block_table, tables.frame_table, tables.plain_table, tables.tulip_table),
        (tables.slab_table, tables.nesting_tables, tables.hourglass_table),
    ),
    "meeting table": Kind(
        "table",
        (tables.four_legged, tables.frame_table, tables.trestle, tables.boat_table, tables.joined_tables),
        (tables.racetrack_table,),
    ),
    "desk": Kind(
        "desk",
        (tables.panel_desk, tables.pedestal_desk, tables.legged_desk, tables.lift_desk, tables.corner_desk,
         tables.hutch_desk),
        (tables.secretary_desk, tables.trestle_desk),
    ),
    "cabinet": Kind(
        "cabinet",
        (storage.sideboard, storage.chest_of_drawers, storage.cupboard, storage.legged_sideboard,
         storage.file_cabinet, storage.lockers, storage.display_cabinet),
        (storage.hutch, storage.apothecary, storage.roller_cabinet),
    ),
    "media bench": Kind("cabinet", (storage.media_bench, storage.legged_sideboard), (storage.apothecary,)),
    "night stand": Kind("cabinet", (storage.drawer_stand, storage.open_stand), (storage.legged_stand,)),
    "wall cupboard": Kind(
        "cabinet", (storage.wall_cupboard, storage.open_wall_cupboard), (storage.flap_cupboard,)
    ),
    "bookshelf": Kind(
        "bookshelf",
        (storage.full_bookshelf, storage.low_bookshelf, storage.library, storage.cube_shelf,
         storage.ladder_shelf, storage.metal_rack),
        (storage.staggered_shelf, storage.etagere),
    ),
    "counter": Kind(
        "counter",
        (kitchen.straight_counter, kitchen.straight_counter, kitchen.open_counter),
        (kitchen.panelled_counter, kitchen.bar_counter),
    ),
    "kitchen sink": Kind(
        "sink",
        (kitchen.single_sink, kitchen.double_sink, kitchen.drainer_sink),
        (kitchen.butler_sink, kitchen.round_sink),
    ),
    "refrigerator": Kind(
        "refrigerator",
        (kitchen.single_fridge, kitchen.two_door_fridge, kitchen.side_by_side_fridge),
        (kitchen.french_door_fridge, kitchen.round_fridge),
    ),
    "washbasin": Kind(
        "sink",
        (bath.pedestal_sink, bath.wall_sink, bath.vanity, bath.vessel_vanity, bath.counter_vanity,
         bath.counter_vanity),
        (bath.console_sink, bath.trough_sink),
        hard=(bath.floating_counter,),
    ),
    "toilet": Kind(
        "toilet",
        (bath.close_coupled_toilet, bath.wall_hung_toilet, bath.standing_toilet),
        (bath.square_toilet, bath.high_tank_toilet),
    ),
    "bathtub": Kind(
        "bathtub", (bath.built_in_tub, bath.oval_tub, bath.ledge_tub), (bath.slipper_tub, bath.corner_tub)
    ),
    "shower curtain": Kind(
        "shower curtain",
        (walls.drawn_shower_curtain, walls.gathered_shower_curtain),
        (walls.curved_shower_curtain,),
    ),
    "door": Kind(
        "door",
        (walls.flush_door, walls.panelled_door, walls.glazed_door, walls.sliding_door, walls.bare_door,
         walls.bare_door, walls.open_door, walls.open_door, walls.glass_door),
        (walls.louvred_door, walls.double_door, walls.folding_door),
        (walls.slit_door,),
    ),
    "wide door": Kind(
        "door", (walls.pair_of_doors, walls.pair_of_doors, walls.glass_door, walls.sliding_door),
        (walls.double_door,)
    ),
    "window": Kind(
        "window",
        (walls.plain_window, walls.casement_window, walls.transom_window, walls.sash_window,
         walls.frameless_window, walls.ribbon_window),
        (walls.muntin_window, walls.shuttered_window),
    ),
    "wide window": Kind(
        "window",
        (walls.ribbon_window, walls.ribbon_window, walls.balcony_window, walls.casement_window,
         walls.frameless_window),
        (walls.spandrel_window,),
    ),
    "curtain": Kind(
        "curtain",
        (walls.paired_curtain, walls.single_curtain, walls.closed_curtain, walls.aside_curtain,
         walls.aside_curtain, walls.net_curtain),
        (walls.tied_curtain, walls.cafe_curtain),
        (walls.panel_curtain,),
    ),
    "picture": Kind(
        "picture",
        (walls.framed_picture, walls.matted_picture, walls.canvas, walls.poster),
        (walls.oval_picture, walls.triptych),
    ),
    "radiator": Kind("otherfurniture", (walls.ribbed_radiator,), (walls.panel_radiator,)),
    "odd thing": Kind(
        "otherfurniture",
        (others.wardrobe, others.ottoman, others.coat_rack, others.fan, others.bench, others.piano,
         others.shoe_rack, others.washing_machine, others.exercise_bike),
        (others.drying_rack, others.folding_screen, others.lectern),
    ),
    # For rooms of `Recipe.VARIED` alone.
    "bench desk": Kind("desk", (tables.bench_desk, tables.cheek_desk), (), hard=(tables.column_desk,)),
    "desk drawers": Kind(
        "cabinet", (storage.rolling_drawers, storage.low_drawers), (), hard=(storage.caddy,)
    ),
    "loading shelf": Kind(
        "bookshelf", (storage.steel_shelf, storage.office_shelf), (), hard=(storage.plank_shelf,)
    ),
    "island": Kind("counter", (kitchen.island, kitchen.peninsula), (), hard=(kitchen.waterfall_island,)),
    "reception": Kind("counter", (kitchen.reception,), (), hard=(kitchen.round_reception,)),
    "other furniture": Kind(
        "otherfurniture",
        (others.wardrobe, others.ottoman, others.bench, others.piano, others.shoe_rack,
         others.washing_machine, others.storage_chest),
        (),
        hard=(others.folding_screen, others.lectern, others.laundry_hamper),
    ),
    "oven": Kind("otherfurniture", (others.stove, others.tall_oven), (), hard=(others.dishwasher,)),
    "standing person": Kind(
        "",
        (people.waiting_person, people.walking_person, people.talking_person, people.coated_person),
        (),
        hard=(people.reaching_person,),
    ),
    "sitting person": Kind(
        "", (people.resting_sitter, people.working_sitter), (), hard=(people.reading_sitter,)
    ),
    "desk thing": Kind(
        "",
        (desks.telephone, desks.pen_cup, desks.letter_tray, desks.binders,
         desks.paper_stack, desks.paper_stack, desks.cables, desks.speaker,
         floors.backpack, desks.desk_lamp),
        (),
        hard=(desks.desk_fan, desks.headphones),
    ),
    "kitchen thing": Kind(
        "",
        (kitchens.dish_rack, kitchens.kettle, kitchens.microwave, kitchens.coffee_machine,
         kitchens.pot, kitchens.cutting_board, kitchens.kitchen_roll, kitchens.jars),
        (),
        hard=(kitchens.toaster, kitchens.knife_block, kitchens.fruit_bowl),
    ),
    "household thing": Kind(  # on floors at home
        "",
        (floors.bicycle, floors.suitcase, floors.backpack, floors.ironing_board,
         floors.laundry_rack, floors.vacuum_cleaner, floors.toys, floors.carton_stack,
         floors.open_carton, standing.standing_fan, floors.coat_stand, floors.broom,
         floors.cat_tree, floors.pet_bed, floors.teddy, floors.trash_bags),
        (),
        hard=(floors.guitar, floors.pram, floors.dumbbells, floors.trolley),
    ),
    "workplace thing": Kind(  # on floors where people work or wait
        "",
        (floors.carton_stack, floors.carton_stack, floors.open_carton, floors.backpack,
         floors.suitcase, desks.cables, standing.standing_fan, floors.coat_stand,
         floors.bottle_crates, desks.tower, floors.bicycle, floors.trash_bags),
        (),
        hard=(floors.stepladder, floors.trolley),
    ),
    "plant": Kind(
        "",
        (standing.bushy_tree, standing.snake_plant, standing.hanging_plant),
        (),
        hard=(standing.palm,),
    ),
    "floor lamp": Kind(
        "", (standing.arc_lamp, standing.reading_lamp), (), hard=(standing.tripod_lamp,)
    ),
    "partition": Kind(
        "",
        (standing.screen_partition, standing.glazed_partition),
        (),
        hard=(standing.acoustic_partition,),
    ),
    "office machine": Kind("otherfurniture", (others.copier,), (others.water_dispenser,)),
    "kitchen machine": Kind("otherfurniture", (others.stove, others.washing_machine), (others.dishwasher,)),
}  # fmt: skip


def pick(rng: np.random.Generator, kind: str, seed: int) -> Design:
    """A design of this kind that the room of this seed may use."""
    designs = KINDS[kind].designs(seed)
    return designs[rng.integers(len(designs))]
