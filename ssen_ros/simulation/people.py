"""People of rounded parts in many clothes, standing and sitting; they look to -y."""

from dataclasses import dataclass

import numpy as np

from ssen_ros.simulation import materials as mat
from ssen_ros.simulation.furniture.parts import pick
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder


@dataclass(frozen=True)
class _Dress:
    """Material numbers of what a body wears."""

    shirt: int
    trousers: int
    shoe: int
    skin: int
    hair: int
    bare_arms: bool


def _dress(b: MeshBuilder, rng: np.random.Generator) -> _Dress:
    skin = mat.hsv(rng.uniform(0.04, 0.08), rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.9))
    hair = mat.hsv(
        rng.uniform(0.05, 0.12), rng.uniform(0.1, 0.6), pick(rng, (0.12, 0.3, 0.6), [0.5, 0.3, 0.2])
    )
    dark = Material(pick(rng, (mat.black_color, mat.grey_color, mat.muted_color))(rng), "fabric")
    jeans = Material(mat.hsv(0.61, rng.uniform(0.3, 0.6), rng.uniform(0.15, 0.5)), "fabric")
    return _Dress(
        b.material(mat.fabric(rng)),
        b.material(pick(rng, (dark, jeans, mat.fabric(rng)), [0.45, 0.35, 0.2])),
        b.material(Material(pick(rng, (mat.black_color, mat.white_color, mat.muted_color))(rng))),
        b.material(Material(skin)),
        b.material(Material(hair)),
        rng.random() < 0.4,
    )


def limb(b: MeshBuilder, start, end, radii: tuple[float, float], material: int) -> None:
    """A tapering limb with round ends between two points, m; `radii` at its start and its end."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    along = (end - start) / np.linalg.norm(end - start)
    side = np.cross(along, (0.0, 1.0, 0.0) if abs(along[1]) < 0.9 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    angle = np.linspace(0.0, 2.0 * np.pi, 9)
    ring = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(along, side)
    first, last = radii
    rings = [start - 0.8 * first * along + 0 * ring, start - 0.4 * first * along + 0.8 * first * ring]
    rings += [start + first * ring, end + last * ring]
    rings += [end + 0.4 * last * along + 0.8 * last * ring, end + 0.8 * last * along + 0 * ring]
    b.grid(np.stack(rings), material)


def _head(b: MeshBuilder, rng: np.random.Generator, at, k: float, dress: _Dress) -> None:
    """Neck, face and hair; `at` is the middle of the shoulders, m, `k` the size of the person."""
    x, y, z = at
    limb(b, (x, y, z - 0.03 * k), (x, y - 0.01 * k, z + 0.1 * k), (0.055 * k, 0.05 * k), dress.skin)
    b.cushion((x, y - 0.02 * k, z + 0.2 * k), (0.16 * k, 0.2 * k, 0.24 * k), dress.skin, squareness=2.2)
    hair = (x, y + 0.015 * k, z + 0.235 * k)
    b.cushion(hair, (0.18 * k, 0.2 * k, 0.2 * k), dress.hair, squareness=2.2)
    if rng.random() < 0.35:  # long hair
        b.cushion((x, y + 0.07 * k, z + 0.1 * k), (0.19 * k, 0.1 * k, 0.36 * k), dress.hair, squareness=2.5)


def _trunk(b: MeshBuilder, rng: np.random.Generator, hips, shoulders, k: float, dress: _Dress) -> None:
    wide, deep = rng.uniform(0.34, 0.42) * k, rng.uniform(0.2, 0.28) * k
    low, high = np.asarray(hips, float), np.asarray(shoulders, float)
    height = high[2] - low[2]
    lean = (high[:2] - low[:2]) / height
    b.loft(
        [(0.0, -0.06), (0.75, -0.04), (0.9, 0.05), (0.82, 0.45 * height), (1.0, 0.85 * height),
         (0.6, height), (0.0, height + 0.03)],
        low, dress.shirt, (wide / 2, deep / 2), squareness=2.6, lean=tuple(lean),
    )  # fmt: skip


def _arm(b: MeshBuilder, shoulder, elbow, hand, k: float, dress: _Dress) -> None:
    limb(b, shoulder, elbow, (0.06 * k, 0.048 * k), dress.shirt)
    limb(b, elbow, hand, (0.045 * k, 0.035 * k), dress.skin if dress.bare_arms else dress.shirt)
    b.cushion(hand, (0.08 * k, 0.1 * k, 0.08 * k), dress.skin, squareness=2.2)


def _foot(b: MeshBuilder, x: float, y: float, k: float, dress: _Dress) -> None:
    b.cushion((x, y - 0.06 * k, 0.045 * k), (0.095 * k, 0.26 * k, 0.09 * k), dress.shoe, squareness=2.8)


def _size(rng: np.random.Generator) -> float:
    """1 is a person of 1.75 m."""
    return rng.uniform(0.88, 1.08) if rng.random() < 0.92 else rng.uniform(0.6, 0.85)


# --- standing --------------------------------------------------------------------------------------


def _standing(rng: np.random.Generator, arms: tuple, stride: float = 0.0, coat: float = 0.0) -> Mesh:
    """`arms` are (elbow, hand) of the left arm and of the right, relative to the shoulders, in sizes."""
    b, k = MeshBuilder(), _size(rng)
    dress = _dress(b, rng)
    hips, shoulders = np.array((0, 0, 0.9)) * k, np.array((0, -0.02 * (stride > 0), 1.42)) * k
    for side in (-1, 1):
        foot = np.array((side * rng.uniform(0.08, 0.13), side * stride + rng.normal(0, 0.02), 0.07)) * k
        knee = np.array((side * 0.1 * k, foot[1] * 0.5 - 0.03 * k, 0.48 * k))
        limb(b, (side * 0.09 * k, 0, 0.9 * k), knee, (0.09 * k, 0.065 * k), dress.trousers)
        limb(b, knee, foot, (0.065 * k, 0.05 * k), dress.trousers)
        _foot(b, foot[0], foot[1], k, dress)
    _trunk(b, rng, hips, shoulders, k, dress)
    if coat:
        profile = [(0.85, 1.0 * k), (1.0, 0.85 * k), (1.15, (0.9 - coat) * k)]
        b.loft(profile, (0, 0, 0), dress.shirt, (0.2 * k, 0.14 * k), squareness=2.4)
    for side, (elbow, hand) in zip((-1, 1), arms):
        shoulder = shoulders + np.array((side * 0.19, 0.0, -0.06)) * k
        flip = np.array((side, 1.0, 1.0))
        _arm(b, shoulder, shoulder + flip * elbow * k, shoulder + flip * hand * k, k, dress)
    _head(b, rng, shoulders, k, dress)
    return b.build().grounded()


_DOWN = (np.array((0.05, 0.02, -0.28)), np.array((0.06, -0.04, -0.54)))
_HIP = (np.array((0.17, 0.05, -0.24)), np.array((-0.02, -0.08, -0.42)))
_FORWARD = (np.array((0.04, -0.05, -0.28)), np.array((-0.04, -0.3, -0.22)))
_CROSSED = (np.array((0.05, -0.06, -0.27)), np.array((-0.2, -0.2, -0.24)))
_RAISED = (np.array((0.1, -0.12, 0.2)), np.array((0.02, -0.2, 0.42)))
_PHONE = (np.array((0.07, -0.08, -0.27)), np.array((-0.06, -0.13, 0.06)))


def waiting_person(rng: np.random.Generator) -> Mesh:
    """Arms hanging, on the hips, or one of them forward."""
    return _standing(rng, (pick(rng, (_DOWN, _HIP)), pick(rng, (_DOWN, _HIP, _FORWARD))))


def walking_person(rng: np.random.Generator) -> Mesh:
    swing = np.array((0.0, 0.12, 0.0))
    arms = (_DOWN[0] - swing, _DOWN[1] - 2 * swing), (_DOWN[0] + swing, _DOWN[1] + 1.5 * swing)
    return _standing(rng, arms, stride=rng.uniform(0.1, 0.28))


def talking_person(rng: np.random.Generator) -> Mesh:
    """Arms crossed, or a cup or a telephone in one hand."""
    if rng.random() < 0.4:
        return _standing(rng, (_CROSSED, _CROSSED))
    return _standing(rng, (_DOWN, pick(rng, (_PHONE, _FORWARD))))


def coated_person(rng: np.random.Generator) -> Mesh:
    """In a long coat or a skirt."""
    return _standing(rng, (_DOWN, pick(rng, (_DOWN, _FORWARD))), coat=rng.uniform(0.2, 0.6))


def reaching_person(rng: np.random.Generator) -> Mesh:
    """One arm up, as before a shelf or a board."""
    return _standing(rng, (_DOWN, _RAISED), stride=rng.uniform(0.0, 0.1))


# --- sitting ---------------------------------------------------------------------------------------


def _sitting(rng: np.random.Generator, seat: float, lean: float, hands, crossed: bool = False) -> Mesh:
    """`seat` m is where the body rests; `lean` m by which the shoulders are behind the hips."""
    b, k = MeshBuilder(), rng.uniform(0.9, 1.05)
    dress = _dress(b, rng)
    hips = np.array((0.0, 0.0, seat + 0.06 * k))
    shoulders = hips + np.array((0.0, lean, rng.uniform(0.5, 0.55))) * k
    reach = 0.42 * k
    for side in (-1, 1):
        lift = 0.1 * k if crossed and side > 0 else 0.0
        knee = np.array((side * rng.uniform(0.09, 0.15) * k, -reach, max(seat, 0.36) + (0.07 + lift) * k))
        foot = np.array(
            (knee[0] - (0.14 * k if lift else 0.0), knee[1] - rng.uniform(-0.12, 0.08), 0.07 * k + lift)
        )
        limb(b, hips + (side * 0.09 * k, 0.02, 0.02 * k), knee, (0.08 * k, 0.065 * k), dress.trousers)
        limb(b, knee, foot, (0.06 * k, 0.048 * k), dress.trousers)
        b.cushion(
            (foot[0], foot[1] - 0.06 * k, foot[2] - 0.025 * k),
            (0.095 * k, 0.26 * k, 0.09 * k), dress.shoe, squareness=2.8,
        )  # fmt: skip
    _trunk(b, rng, hips, shoulders, k, dress)
    for side in (-1, 1):
        shoulder = shoulders + np.array((side * 0.18, 0.0, -0.06)) * k
        elbow, hand = (np.array((side, 1, 1)) * point * k for point in hands)
        _arm(b, shoulder, shoulder + elbow, shoulder + hand, k, dress)
    _head(b, rng, shoulders, k, dress)
    return b.build()


def resting_sitter(rng: np.random.Generator, seat: float) -> Mesh:
    """Leaning back, hands on the thighs."""
    hands = np.array((0.03, -0.06, -0.27)), np.array((-0.06, -0.3, -0.3))
    return _sitting(rng, seat, rng.uniform(0.02, 0.1), hands, crossed=rng.random() < 0.25)


def working_sitter(rng: np.random.Generator, seat: float) -> Mesh:
    """Upright or bent forward, lower arms ahead as on a desk."""
    hands = np.array((0.04, -0.1, -0.25)), np.array((-0.05, -0.36, -0.19))
    return _sitting(rng, seat, rng.uniform(-0.12, 0.02), hands)


def reading_sitter(rng: np.random.Generator, seat: float) -> Mesh:
    """Something held before the chest."""
    hands = np.array((0.04, -0.08, -0.26)), np.array((-0.1, -0.26, -0.08))
    return _sitting(rng, seat, rng.uniform(-0.03, 0.08), hands, crossed=rng.random() < 0.2)
