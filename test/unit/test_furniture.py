"""Every design: a sound mesh in one piece; what is held out stays out of training."""

import numpy as np
import pytest
from scipy.ndimage import label

from ssen_ros.datasets.splits import HARD_SEEDS, HELD_OUT_SEEDS, SMOKE_SEEDS, VALIDATION_SEEDS
from ssen_ros.labels import CLASS_NAMES, STUFF_NAMES
from ssen_ros.simulation import furniture
from ssen_ros.simulation.furniture import KINDS, Part, kitchen

SIZES = {
    "table": (1.5, 0.9, 0.75),
    "low table": (0.9, 0.6, 0.42),
    "meeting table": (2.6, 1.2, 0.74),
    "counter": (2.2, kitchen.single_sink(np.random.default_rng(0))),
    "wall cupboard": (1.4,),
    "door": (0.85, 2.0),
    "wide door": (1.5, 2.1),
    "window": (1.2, 1.2),
    "wide window": (3.0, 1.6),
    "curtain": (1.6, 2.1),
    "shower curtain": (1.6, 1.6),
    "bench desk": (1.4, 0.7, 0.74),
    "island": (1.6, None),
    "reception": (1.8, None),
    "sitting person": (0.45,),
    "partition": (1.4, 1.3),
}
DESIGNS = sorted(
    {(name, design) for name, kind in KINDS.items() for design in kind.training + kind.held_out + kind.hard},
    key=lambda pair: (pair[0], pair[1].__name__),
)


def drawn(kind, design, seed=0):
    made = design(np.random.default_rng(seed), *SIZES.get(kind, ()))
    return made if isinstance(made, tuple) else (Part(KINDS[kind].class_name, made),)


def pieces(mesh, voxel=0.02):
    """How many parts the surface falls into, voxelized; neighbours touch at faces, edges or corners."""
    points = mesh.surface(0.7 * voxel)
    occupied = np.zeros(np.ceil(mesh.size / voxel).astype(int) + 2, bool)
    occupied[tuple(((points - mesh.lower) / voxel).astype(int).T)] = True
    return label(occupied, np.ones((3, 3, 3)))[1]


@pytest.mark.parametrize(("kind", "design"), DESIGNS, ids=[f"{k}: {d.__name__}" for k, d in DESIGNS])
def test_a_design_is_one_piece_of_sensible_size(kind, design):
    parts = drawn(kind, design)
    assert KINDS[kind].class_name in {part.class_name for part in parts}
    for part in parts:
        mesh = part.mesh
        assert np.isfinite(mesh.vertices).all()
        assert (mesh.size < 3.6).all() and mesh.size.max() > 0.15
        assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
        assert mesh.material.max() < len(mesh.materials)
        assert pieces(mesh) == 1


def test_no_held_out_design_furnishes_a_training_room():
    training = {design for kind in KINDS.values() for design in kind.training}
    held_out = {design for kind in KINDS.values() for design in kind.held_out + kind.hard}
    assert not training & held_out
    for kind in KINDS.values():
        assert {kind.designs(seed) for seed in VALIDATION_SEEDS} == {kind.held_out}
        assert {kind.designs(seed) for seed in HARD_SEEDS} == {kind.held_out + kind.hard}
        assert {kind.designs(seed) for seed in (200, 1000, 123456)} == {kind.training}
    assert {*VALIDATION_SEEDS, *HARD_SEEDS} == set(HELD_OUT_SEEDS)


def test_every_class_has_designs_of_both_sorts():
    of_class = {kind.class_name for kind in KINDS.values() if kind.training and kind.held_out}
    assert of_class - {""} == set(CLASS_NAMES) - STUFF_NAMES


def test_a_seed_draws_from_its_own_split():
    rng = np.random.default_rng(0)
    picked = {furniture.pick(rng, "dining chair", seed) for seed in VALIDATION_SEEDS}
    assert picked == set(KINDS["dining chair"].held_out)
    assert set(SMOKE_SEEDS) <= set(VALIDATION_SEEDS)
