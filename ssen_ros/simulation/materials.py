"""Surface colours: palettes to draw from and procedural patterns evaluated where a ray hits.

A pattern is a function of the position in the object's own frame (m), so no texture coordinates
are needed and a moved object keeps its grain.
"""

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, wraps

import numpy as np
from scipy.ndimage import gaussian_filter

Color = tuple[float, float, float]  # linear RGB in 0..1

PATTERNS = ("plain", "wood", "planks", "tiles", "print", "stripes", "speckle", "fabric")

_NOISE_CELLS = 64  # the noise volume repeats after this many cells
_DARK_GROUT = 0.62


@dataclass(frozen=True, eq=False)
class Texture:
    """An image that covers surfaces."""

    name: str
    pixels: np.ndarray  # (h, w, 3) uint8 RGB, top row first


@dataclass(frozen=True)
class Material:
    """How a surface looks to the colour camera and how badly the depth camera sees it."""

    color: Color
    pattern: str = "plain"
    second: Color = (0.5, 0.5, 0.5)  # the other colour of two-coloured patterns
    scale: float = 0.2  # m: width of a plank, tile, stripe; size of the largest blot of a print
    axis: int = 0  # 0, 1, 2: direction of wood grain and planks; 2 turns tiles upright for walls
    dropout: float = 0.0  # chance that the depth camera gets nothing back (glass, mirror, chrome)
    use: str = ""  # what it covers, for whoever looks for a texture: wall, floor, fabric, print ...
    texture: Texture | None = None  # instead of the pattern, multiplied by the colour
    corner: Color = (0.0, 0.0, 0.0)  # m, object frame: where the texture begins
    repeat: Color = (1.0, 1.0, 1.0)  # m along x, y, z after which it begins anew
    turned: bool = False  # by a quarter
    clear: float = 0.0  # share of rays that go on to what stands behind (glass)
    mirror: float = 0.0  # share that is thrown back: the depth of what is reflected, as if it stood behind


class MaterialTable:
    """The materials of a room as arrays, to colour many hits at once."""

    def __init__(self, materials: Sequence[Material]):
        self._color = np.array([m.color for m in materials], np.float32)
        self._second = np.array([m.second for m in materials], np.float32)
        self._scale = np.array([m.scale for m in materials], np.float32)
        self._axis = np.array([m.axis for m in materials], np.int64)
        self._pattern = np.array([PATTERNS.index(m.pattern) for m in materials], np.int64)
        self.dropout = np.array([m.dropout for m in materials], np.float32)
        self._atlas = _Atlas(materials)
        self.clear = np.array([m.clear for m in materials], np.float32)
        self.mirror = np.array([m.mirror for m in materials], np.float32)

    def colors(self, material: np.ndarray, position: np.ndarray, facing: np.ndarray) -> np.ndarray:
        """(n, 3) float32 albedo in 0..1 of (n,) material indices at (n, 3) object-frame positions in m.

        `facing` (n,) is the axis, 0 to 2, that the surface looks along most.
        """
        albedo = self._color[material]
        textured = self._atlas.has[material]
        rows = np.flatnonzero(textured)
        albedo[rows] *= self._atlas.texels(material[rows], position[rows], facing[rows])
        pattern = np.where(textured, -1, self._pattern[material])
        for index in np.unique(pattern[~textured]):
            rows = np.flatnonzero(pattern == index)
            kind = material[rows]
            albedo[rows] = _PAINTERS[index](
                position[rows], self._color[kind], self._second[kind], self._scale[kind], self._axis[kind]
            )
        return np.clip(albedo, 0.0, 1.0)


class _Atlas:
    """The textures of a room's materials, one after the other in one array."""

    def __init__(self, materials: Sequence[Material]):
        self.has = np.array([m.texture is not None for m in materials], bool)
        images = {id(m.texture): m.texture.pixels for m in materials if m.texture}
        sizes = [len(image) * image.shape[1] for image in images.values()]
        start = dict(zip(images, np.cumsum([0, *sizes])))
        self._texels = np.concatenate([np.zeros((1, 3)), *(i.reshape(-1, 3) for i in images.values())])[1:]
        self._texels = (self._texels / 255.0).astype(np.float32)
        self._start = np.array([start.get(id(m.texture), 0) for m in materials], np.int64)
        self._shape = np.array([m.texture.pixels.shape[:2] if m.texture else (1, 1) for m in materials])
        self._corner = np.array([m.corner for m in materials], np.float32)
        self._repeat = np.array([m.repeat for m in materials], np.float32)
        self._turned = np.array([m.turned for m in materials], bool)

    def texels(self, material: np.ndarray, position: np.ndarray, facing: np.ndarray) -> np.ndarray:
        """(n, 3) float32: a texture lies flat on what faces an axis, upright on what is upright."""
        at = (position - self._corner[material]) / self._repeat[material]
        rows = np.arange(len(at))
        across, up = at[rows, np.where(facing == 0, 1, 0)], at[rows, np.where(facing == 2, 1, 2)]
        turned = self._turned[material]
        across, up = np.where(turned, up, across), np.where(turned, across, up)
        height, width = self._shape[material].T
        column = ((across - np.floor(across)) * width).astype(np.int64).clip(0, width - 1)
        row = height - 1 - ((up - np.floor(up)) * height).astype(np.int64).clip(0, height - 1)
        return self._texels[self._start[material] + row * width + column]


@cache
def _noise_volume() -> np.ndarray:
    """(64, 64, 64, 3) float32 smooth periodic noise, zero mean, unit deviation."""
    white = np.random.default_rng(20).normal(size=(_NOISE_CELLS,) * 3 + (3,))
    smooth = gaussian_filter(white, sigma=(1.5, 1.5, 1.5, 0), mode="wrap")
    return (smooth / smooth.std()).astype(np.float32)


def _noise(position: np.ndarray, cell: np.ndarray | float) -> np.ndarray:
    """(n, 3) noise at (n, 3) positions; features are a few `cell` (m) wide."""
    index = np.floor(position / cell).astype(np.int64) % _NOISE_CELLS
    return _noise_volume()[index[:, 0], index[:, 1], index[:, 2]]


def _hash(*integers: np.ndarray) -> np.ndarray:
    """(n,) float32 in 0..1, a fixed pseudo-random value for each tuple of integers."""
    mixed = np.zeros(len(integers[0]), np.uint64)
    for k, value in enumerate(integers):
        mixed = (mixed ^ value.astype(np.int64).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15 + 2 * k)
        mixed ^= mixed >> np.uint64(29)
    return ((mixed >> np.uint64(40)).astype(np.float32)) / np.float32(1 << 24)


def _paint_plain(position, color, second, scale, axis):
    return color * (1.0 + 0.02 * _noise(position, 0.05)[:, :1])


def _paint_fabric(position, color, second, scale, axis):
    return color * (1.0 + 0.05 * _noise(position, 0.012)[:, :1] + 0.05 * _noise(position, 0.06)[:, 1:2])


def _paint_wood(position, color, second, scale, axis):
    stretch = np.full((len(position), 3), 0.006, np.float32)
    stretch[np.arange(len(position)), axis] = 0.09
    grain = _noise(position, stretch)[:, :1] + 0.6 * _noise(position, 0.08)[:, 1:2]
    return color * (1.0 + 0.085 * grain)


def _paint_planks(position, color, second, scale, axis):
    rows = np.arange(len(position))
    along, across = position[rows, axis], position[rows, 1 - axis]
    plank = np.floor(across / scale)
    length = 8.0 * scale
    piece = np.floor(along / length + 0.37 * plank)
    shade = 0.86 + 0.28 * _hash(plank, piece)
    gap = (across / scale - plank) < 0.05
    wood = _paint_wood(position, color, second, scale, axis)
    return wood * (shade * np.where(gap, 0.7, 1.0))[:, None]


def _paint_tiles(position, color, second, scale, axis):
    upright = axis == 2
    u = np.where(upright, position[:, 0] + position[:, 1], position[:, 0]) / scale
    v = np.where(upright, position[:, 2], position[:, 1]) / scale
    column, row = np.floor(u), np.floor(v)
    grout = (u - column < 0.05) | (v - row < 0.05)
    checker = ((column + row) % 2 == 0)[:, None]
    tile = np.where(checker, color, second) * (0.96 + 0.08 * _hash(column, row))[:, None]
    return np.where(grout[:, None], tile * _DARK_GROUT + 0.1, tile)


def _paint_print(position, color, second, scale, axis):
    cell = (scale / 4.0)[:, None]
    coarse = _noise(position, cell)
    fine = _noise(position, cell / 3.0)
    mix = 1.0 / (1.0 + np.exp(-6.0 * (coarse[:, :1] + 0.4 * fine[:, :1])))
    return (color * mix + second * (1.0 - mix)) * (
        1.0 + 0.15 * coarse[:, 1:] @ np.eye(2, 3, dtype=np.float32)
    )


def _paint_stripes(position, color, second, scale, axis):
    u = position[np.arange(len(position)), axis] / scale
    return np.where((np.floor(u) % 2 == 0)[:, None], color, second) * (
        1.0 + 0.04 * _noise(position, 0.02)[:, :1]
    )


def _paint_speckle(position, color, second, scale, axis):
    grains = _noise(position, 0.008)[:, :1]
    return np.where(grains > 0.7, second, color) * (1.0 + 0.04 * _noise(position, 0.05)[:, 1:2])


_PAINTERS = (
    _paint_plain,
    _paint_wood,
    _paint_planks,
    _paint_tiles,
    _paint_print,
    _paint_stripes,
    _paint_speckle,
    _paint_fabric,
)


def _covers(use: str):
    """Of functions that draw a material: it is known what it covers."""

    def marked(draw: Callable[..., Material]) -> Callable[..., Material]:
        return wraps(draw)(lambda *args, **options: replace(draw(*args, **options), use=use))

    return marked


def hsv(hue: float, saturation: float, value: float) -> Color:
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)


def wood_color(rng: np.random.Generator) -> Color:
    return hsv(
        rng.uniform(0.045, 0.105),
        rng.uniform(0.3, 0.7),
        rng.choice([rng.uniform(0.24, 0.45), rng.uniform(0.4, 0.85)]),
    )


def white_color(rng: np.random.Generator) -> Color:
    return hsv(rng.uniform(0.05, 0.2), rng.uniform(0.0, 0.09), rng.uniform(0.75, 0.97))


def grey_color(rng: np.random.Generator) -> Color:
    return hsv(rng.uniform(), rng.uniform(0.0, 0.1), rng.uniform(0.12, 0.75))


def black_color(rng: np.random.Generator) -> Color:
    return hsv(rng.uniform(), rng.uniform(0.0, 0.2), rng.uniform(0.06, 0.2))


def metal_color(rng: np.random.Generator) -> Color:
    return hsv(0.6, rng.uniform(0.0, 0.06), rng.uniform(0.5, 0.78))


def bright_color(rng: np.random.Generator) -> Color:
    return hsv(rng.uniform(), rng.uniform(0.35, 0.85), rng.uniform(0.3, 0.85))


def muted_color(rng: np.random.Generator) -> Color:
    return hsv(rng.uniform(), rng.uniform(0.05, 0.4), rng.uniform(0.2, 0.8))


@_covers("furniture")
def wood(rng: np.random.Generator, axis: int = 0) -> Material:
    return Material(wood_color(rng), "wood", axis=axis)


@_covers("furniture")
def painted(rng: np.random.Generator) -> Material:
    """Lacquer of furniture: mostly whites and greys, sometimes a bold colour."""
    palette = rng.choice(4, p=[0.4, 0.17, 0.2, 0.23])
    return Material((white_color, grey_color, muted_color, bright_color)[palette](rng))


def wood_or_paint(rng: np.random.Generator, wood_share: float = 0.55, axis: int = 0) -> Material:
    return wood(rng, axis) if rng.random() < wood_share else painted(rng)


def metal(rng: np.random.Generator) -> Material:
    return Material(metal_color(rng) if rng.random() < 0.7 else black_color(rng), dropout=0.12)


def ceramic(rng: np.random.Generator) -> Material:
    color = white_color(rng) if rng.random() < 0.9 else muted_color(rng)
    return Material(color, dropout=0.04)


@_covers("fabric")
def fabric(rng: np.random.Generator) -> Material:
    pick = rng.choice(6, p=[0.3, 0.2, 0.15, 0.15, 0.12, 0.08])
    if pick == 5:
        return Material(muted_color(rng), "stripes", second=white_color(rng), scale=rng.uniform(0.03, 0.12))
    if pick == 4:
        return Material(muted_color(rng), "print", second=muted_color(rng), scale=rng.uniform(0.08, 0.4))
    return Material((muted_color, grey_color, bright_color, white_color)[pick](rng), "fabric")


@_covers("fabric")
def linen(rng: np.random.Generator) -> Material:
    """Sheets and covers: white or pale, now and then dark, striped or printed."""
    pick = rng.choice(5, p=[0.4, 0.2, 0.15, 0.1, 0.15])
    pale = hsv(rng.uniform(), rng.uniform(0.05, 0.25), rng.uniform(0.65, 0.92))
    if pick == 3:
        return Material(pale, "stripes", second=white_color(rng), scale=rng.uniform(0.02, 0.1))
    if pick == 4:
        return Material(pale, "print", second=muted_color(rng), scale=rng.uniform(0.06, 0.3))
    return Material((white_color(rng), pale, muted_color(rng))[pick], "fabric")


@_covers("fabric")
def curtain_cloth(rng: np.random.Generator) -> Material:
    """Mostly pale and plain, sometimes bold, seldom printed."""
    pick = rng.choice(4, p=[0.45, 0.25, 0.15, 0.15])
    if pick == 3:
        return Material(white_color(rng), "print", second=muted_color(rng), scale=rng.uniform(0.08, 0.4))
    beige = hsv(rng.uniform(0.06, 0.14), rng.uniform(0.05, 0.35), rng.uniform(0.45, 0.9))
    return Material(
        (beige, grey_color(rng), muted_color(rng))[pick], "fabric", dropout=rng.choice([0.0, 0.15])
    )


@_covers("fabric")
def shower_cloth(rng: np.random.Generator) -> Material:
    if rng.random() < 0.45:
        return Material(white_color(rng), "print", second=muted_color(rng), scale=rng.uniform(0.08, 0.35))
    return Material(white_color(rng) if rng.random() < 0.6 else muted_color(rng), dropout=0.08)


@_covers("furniture")
def laminate(rng: np.random.Generator) -> Material:
    """Coated board of offices: white, greys, beech."""
    pick = rng.choice(3, p=[0.35, 0.3, 0.35])
    beech = hsv(rng.uniform(0.08, 0.11), rng.uniform(0.25, 0.45), rng.uniform(0.6, 0.85))
    return Material((white_color(rng), grey_color(rng), beech)[pick], "wood" if pick == 2 else "plain")


@_covers("worktop")
def worktop(rng: np.random.Generator) -> Material:
    return (stone, wood, laminate, stone)[rng.integers(4)](rng)


def appliance(rng: np.random.Generator) -> Material:
    """Enamel or steel."""
    pick = rng.choice(4, p=[0.55, 0.32, 0.08, 0.05])
    return Material((white_color, metal_color, black_color, muted_color)[pick](rng), dropout=0.05)


@_covers("furniture")
def door_finish(rng: np.random.Generator) -> Material:
    """White lacquer or veneer, seldom a colour."""
    pick = rng.choice(4, p=[0.48, 0.36, 0.1, 0.06])
    if pick == 1:
        return wood(rng, axis=2)
    return Material((white_color, white_color, grey_color, muted_color)[pick](rng))


def pane(rng: np.random.Generator) -> Material:
    """Glass in furniture: dark where one looks through, and hardly ever measured."""
    return Material(hsv(rng.uniform(0.4, 0.6), rng.uniform(0.0, 0.15), rng.uniform(0.2, 0.5)), dropout=0.75)


def leather(rng: np.random.Generator) -> Material:
    palette = (black_color, wood_color, white_color)[rng.choice(3, p=[0.5, 0.35, 0.15])]
    return Material(palette(rng), dropout=0.03)


def upholstery(rng: np.random.Generator) -> Material:
    return fabric(rng) if rng.random() < 0.75 else leather(rng)


@_covers("worktop")
def stone(rng: np.random.Generator) -> Material:
    return Material(grey_color(rng), "speckle", second=grey_color(rng))


@_covers("print")
def artwork(rng: np.random.Generator) -> Material:
    return Material(bright_color(rng), "print", second=muted_color(rng), scale=rng.uniform(0.15, 0.8))


def glass(rng: np.random.Generator) -> Material:
    sky = hsv(rng.uniform(0.5, 0.65), rng.uniform(0.05, 0.35), rng.uniform(0.25, 0.95))
    return Material(sky, dropout=rng.uniform(0.6, 0.95))


@_covers("floor")
def floor_material(rng: np.random.Generator, wet: bool) -> Material:
    """`wet` rooms (kitchen, bathroom) are tiled more often."""
    pick = rng.choice(3, p=[0.2, 0.7, 0.1] if wet else [0.55, 0.12, 0.33])
    if pick == 0:
        return Material(wood_color(rng), "planks", scale=rng.uniform(0.07, 0.2), axis=int(rng.integers(2)))
    if pick == 1:
        light = grey_color(rng) if rng.random() < 0.5 else white_color(rng)
        dark = grey_color(rng) if rng.random() < 0.25 else light
        return Material(light, "tiles", second=dark, scale=rng.uniform(0.15, 0.6))
    return Material(muted_color(rng) if rng.random() < 0.5 else grey_color(rng), "fabric")


@_covers("wall")
def wall_material(rng: np.random.Generator, wet: bool) -> Material:
    if wet and rng.random() < 0.45:
        light = white_color(rng) if rng.random() < 0.7 else muted_color(rng)
        return Material(light, "tiles", second=light, scale=rng.uniform(0.1, 0.35), axis=2)
    pick = rng.choice(4, p=[0.5, 0.27, 0.15, 0.08])
    if pick == 0:
        return Material(white_color(rng))
    if pick == 1:
        return Material(hsv(rng.uniform(), rng.uniform(0.05, 0.3), rng.uniform(0.6, 0.92)))
    if pick == 2:
        return Material(muted_color(rng))
    return Material(white_color(rng), "print", second=muted_color(rng), scale=rng.uniform(0.15, 0.5))
