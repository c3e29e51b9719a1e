"""Other people's models, textures and prints in simulated rooms; off unless folders are named.

One in five of each is held out by the hash of its name: rooms of HELD_OUT_SEEDS are made
with those, all others with the rest. What a room was made with is told with its makers and licences.
"""

import colorsys
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from ssen_ros.datasets.splits import HELD_OUT_SEEDS
from ssen_ros.io.replacing import replace_text
from ssen_ros.io.samples import ATTRIBUTION, made_with
from ssen_ros.labels import CEILING, CLASS_NAMES, UNKNOWN
from ssen_ros.simulation.furniture.parts import Part
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh, MeshBuilder
from ssen_ros.simulation.model_files import MODEL, Model, read_models
from ssen_ros.simulation.recipe import Recipe
from ssen_ros.simulation.sweethome import read_archives
from ssen_ros.simulation.textures import Picture, read_prints, read_textures


class _Labelled(Protocol):
    """A `Placed` of `layout`, which itself builds on this module."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def mesh(self) -> Mesh: ...

    @property
    def class_id(self) -> int: ...


_Object = TypeVar("_Object", bound=_Labelled)

_HELD_OUT = 5  # one in this many
_WALL, _FLOOR = CLASS_NAMES.index("wall"), CLASS_NAMES.index("floor")

_ROOMS_WITH_MODELS, _ROOMS_WITH_TEXTURES, _ROOMS_WITH_PRINTS = 0.45, 0.5, 0.6
_SHARE = 0.6  # of the furniture of such a room, where there is a choice of models
_CLUTTER_SHARE = 0.5
_ENOUGH = 6  # models to choose from; of fewer, each is shown no oftener than one of so many
_STRETCH = 1.35  # most that a model is stretched along an axis to a size that is asked for
_PAINTED, _PRINTED = 0.6, 0.75  # of the materials, of the pictures and boxes, in such rooms
_RECOLOURED, _COVERED = 0.35, 0.4  # of the models


@dataclass(frozen=True)
class _Fit:
    """Which models may stand in for a kind of `furniture.KINDS`: class, least and greatest size, name."""

    class_name: str
    least: tuple[float, float, float]  # m: width, depth, height
    most: tuple[float, float, float]
    name: str = ""  # a regular expression that the name matches, whatever its case
    hung: bool = False  # its back at y = 0

    def takes(self, model: Model) -> bool:
        within = all(a <= s <= b for a, s, b in zip(self.least, model.size, self.most))
        return within and re.search(self.name, model.name, re.IGNORECASE) is not None


_SEAT = r"^(?!.*(stool|bar |baby|child|bench|ryokan))"
_CASE = r"^(?!.*(upper|bedside|tv |television|glass door|wardrobe))"
_KITCHEN = r"stove|oven|cooker|washing|dish|dryer|furnace|freezer"
_OFFICE = r"cooler|copier|safe|dispenser"
_FITS = {
    "dining chair": _Fit("chair", (0.36, 0.38, 0.7), (0.72, 0.72, 1.2), _SEAT),
    "office chair": _Fit("chair", (0.5, 0.5, 0.75), (0.75, 0.75, 1.2), _SEAT),
    "armchair": _Fit("chair", (0.62, 0.55, 0.6), (1.25, 1.1, 1.15), _SEAT),
    "stool": _Fit("chair", (0.25, 0.25, 0.35), (0.56, 0.6, 1.15), r"stool|bar chair|piano bench"),
    "sofa": _Fit("sofa", (1.1, 0.6, 0.45), (3.2, 2.4, 1.3)),
    "bed": _Fit("bed", (0.55, 0.75, 0.1), (2.3, 2.6, 2.2)),
    "table": _Fit("table", (0.6, 0.5, 0.62), (2.6, 1.4, 0.85), r"^(?!.*bar)"),
    "low table": _Fit("table", (0.3, 0.3, 0.25), (1.6, 1.2, 0.62)),
    "meeting table": _Fit("table", (1.4, 0.8, 0.68), (4.0, 2.0, 0.85)),
    "desk": _Fit("desk", (0.8, 0.45, 0.6), (2.4, 1.9, 1.5)),
    "cabinet": _Fit("cabinet", (0.35, 0.3, 0.55), (2.3, 0.75, 2.4), _CASE),
    "media bench": _Fit("cabinet", (0.8, 0.3, 0.3), (2.0, 0.65, 0.85)),
    "night stand": _Fit("cabinet", (0.3, 0.28, 0.3), (0.65, 0.6, 0.75), r"bedside|night|drawer|filing"),
    "wall cupboard": _Fit("cabinet", (0.3, 0.25, 0.5), (1.3, 0.45, 0.95), r"upper|wall|glass door", True),
    "bookshelf": _Fit("bookshelf", (0.4, 0.2, 0.6), (3.1, 0.6, 2.4)),
    "refrigerator": _Fit("refrigerator", (0.5, 0.5, 1.1), (1.0, 1.0, 2.1)),
    "toilet": _Fit("toilet", (0.3, 0.4, 0.5), (0.7, 0.95, 1.2), r"^(?!.*bidet)"),
    "washbasin": _Fit("sink", (0.4, 0.3, 0.8), (0.8, 0.65, 1.0), "basin|lavatory|pedestal"),
    "bathtub": _Fit("bathtub", (1.4, 0.65, 0.4), (1.9, 1.65, 1.1)),
    "door": _Fit("door", (0.7, 0.02, 1.9), (1.2, 0.3, 2.3), hung=True),
    "window": _Fit("window", (0.4, 0.02, 0.6), (2.0, 0.4, 1.6), r"^(?!.*shutter)", hung=True),
    "radiator": _Fit("otherfurniture", (0.4, 0.03, 0.3), (2.0, 0.3, 0.9), "radiator", hung=True),
    "kitchen machine": _Fit("otherfurniture", (0.4, 0.4, 0.7), (1.1, 0.9, 1.3), _KITCHEN),
    "office machine": _Fit("otherfurniture", (0.25, 0.25, 0.4), (1.2, 0.9, 1.5), _OFFICE),
    "odd thing": _Fit("otherfurniture", (0.3, 0.2, 0.35), (2.2, 1.6, 2.3),
                      rf"^(?!.*({_KITCHEN}|{_OFFICE}|radiator|fireplace|shower))"),
}  # fmt: skip
_FITS |= {
    "bench desk": replace(_FITS["desk"], most=(2.0, 0.95, 0.85)),
    "desk drawers": _Fit("cabinet", (0.3, 0.3, 0.35), (0.55, 0.66, 0.66), r"drawer|filing|bedside"),
    "other furniture": _FITS["odd thing"],
}
# Kinds outside the twenty classes: where their models are put, and what they are called.
_THINGS = {
    "desk thing": (
        "top",
        "phone|lamp|keyboard|laptop|ibook|imac|tablet|printer|tray|book|calendar|stapler|pen|speaker|scissors|"
        "marker|ruler|mug|cup|clock|camera|tape|cactus|plant|box",
    ),
    "kitchen thing": (
        "top",
        "bottle|cup|mug|plate|pan|pot|kettle|coffee|toaster|mixer|blender|bread|bowl|glass|kni|fork|spoon|can|"
        "scale|fryer|maker|microwave|towel|spice|board|milk|box|jar|ycb_0[0-3]|fruit|apple|cake|tea",
    ),
    "plant": ("floor", "plant|ficus|yucca|bamboo|spathi|tree|palm"),
    "household thing": ("floor", ""),
    "workplace thing": ("floor", "box|can|bin|plant|ficus|suitcase|umbrella|ladder|board|extinguisher|bag"),
    "floor lamp": ("floor", "lamp"),
}
_WEARS = {name: "furniture" for name in ("cabinet", "table", "desk", "bookshelf", "chair", "door", "counter")}
_WEARS |= {"sofa": "fabric", "bed": "fabric", "curtain": "fabric", "otherfurniture": "furniture"}

# Where a thing outside the twenty classes is put: by its size and by whether it hangs.
_NO_CLUTTER = (
    r"chimney|column|railing|pallet|mower|urinal|class seat|ottoman|desk$|sink|piano bench|cooktop|cooker|"
    r"oven|barrel|wheelchair|water heater|hood|shower|ceiling fan|punching|logs|clothes horse|hanger|suit$|"
    r"smoke|cctv"
)
_RUG = r"rug|carpet|bathmat|doormat"


@dataclass(frozen=True)
class Assets:
    """What folders offer, by class and by use; meshes and images are read when they are first needed."""

    models: dict[str, tuple[Model, ...]] = field(default_factory=dict)
    textures: dict[str, tuple[Picture, ...]] = field(default_factory=dict)
    prints: tuple[Picture, ...] = ()
    _meshes: dict[str, Mesh] = field(default_factory=dict, repr=False)  # by id

    @classmethod
    def open(
        cls, models: Sequence[Path] = (), textures: Path | None = None, prints: Path | None = None
    ) -> "Assets":
        """Read what the folders say they hold. Raises DataError with what is wrong, and the remedy.

        A folder of `models` has a manifest.json, or .sh3f archives as Debian's sweethome3d-furniture has.
        """
        by_class: dict[str, list[Model]] = {}
        for folder in models:
            of_folder = read_archives if any(folder.glob("*.sh3f")) else read_models
            for model in of_folder(folder):
                by_class.setdefault(model.class_name, []).append(model)
        return cls(
            {name: tuple(sorted(found, key=lambda m: m.id)) for name, found in by_class.items()},
            read_textures(textures) if textures else {},
            read_prints(prints) if prints else (),
        )

    def for_room(self, seed: int) -> "RoomAssets":
        """What the room of this seed may be made with; nothing, where rooms stay as they always were."""
        if Recipe.of(seed) is Recipe.PLAIN:
            return NO_ASSETS
        held_out = seed in HELD_OUT_SEEDS
        share = Assets(
            {key: _share_of(models, held_out) for key, models in self.models.items()},
            {key: _share_of(pictures, held_out) for key, pictures in self.textures.items()},
            _share_of(self.prints, held_out),
            self._meshes,
        )
        return RoomAssets(share, seed)

    def mesh(self, model: Model) -> Mesh:
        if model.id not in self._meshes:
            self._meshes[model.id] = model.read()
        return self._meshes[model.id]


def _share_of(things: Iterable, held_out: bool) -> tuple:
    return tuple(t for t in things if (zlib.crc32(t.name.encode()) % _HELD_OUT == 0) == held_out)


class RoomAssets:
    """Draws for one room; the same seed and the same folders always give the same. Keeps what it gave."""

    def __init__(self, assets: Assets, seed: int):
        self._assets = assets
        self._rng = np.random.default_rng((40, seed))
        shares = (_ROOMS_WITH_MODELS, _ROOMS_WITH_TEXTURES, _ROOMS_WITH_PRINTS)
        self._with_models, self._with_textures, self._with_prints = self._rng.random(3) < shares
        self._credits: set[str] = set()
        self._places: dict[str, list[Model]] = defaultdict(list)
        for model in assets.models.get("", ()):
            self._places[_place_of(model)].append(model)

    @property
    def credits(self) -> tuple[str, ...]:
        """One line for each model, texture and print in the room."""
        return tuple(sorted(self._credits))

    # --- models ------------------------------------------------------------------------------------

    def stand_in(self, kind: str, sizes: tuple = ()) -> Any:  # Mesh or Parts, as the designs of the kind
        """A model instead of a design of this kind and, where given, these sizes (m); None: take the design.

        Doors and windows fill an opening of width and height `sizes`; washbasins are fixtures.
        """
        if kind in _THINGS:
            found = self._any(*_THINGS[kind])
            return found and found[0]
        fit, rng = _FITS.get(kind), self._rng
        if fit is None or not self._with_models or rng.random() > _SHARE:
            return None
        opening = kind in ("door", "window")
        options = [m for m in self._assets.models.get(fit.class_name, ()) if fit.takes(m)]
        if sizes:
            wanted = (sizes[0], None, sizes[1]) if opening else (*sizes, None, None)[:3]
            options = [m for m in options if _can_be(m, wanted)]
        if not options or rng.random() > len(options) / _ENOUGH:
            return None
        model = options[rng.integers(len(options))]
        size = np.array(model.size) * rng.uniform(0.93, 1.07) * np.exp(rng.normal(0.0, 0.025, 3))
        if sizes:
            size = np.array([s if w is None else w for s, w in zip(size, wanted)])
        if opening:
            size = size + (0.12, 0.0, 0.06)
            size[1] = min(size[1], 0.16)
        mesh = self._worn(_scaled(self._take(model), size), _WEARS.get(fit.class_name, ""))
        if opening:
            return _in_wall(mesh, glazed=kind == "window")
        if kind == "washbasin":
            return (Part("sink", mesh),)
        return _backed(mesh) if fit.hung else mesh

    def clutter(self, place: str) -> Mesh | None:
        """A thing outside the classes for a `place`: top, floor, rug, ceiling; None: take another."""
        found = self._any(place)
        return found and found[0]

    def hanging(self) -> tuple[Mesh, float] | None:
        """A thing on a wall, its back at y = 0, and the height of its lower edge, m."""
        found = self._any("wall")
        return found and (_backed(found[0]), found[1].elevation * float(self._rng.uniform(0.9, 1.1)))

    def _any(self, place: str, name: str = "") -> tuple[Mesh, Model] | None:
        """A thing whose name matches a regular expression, and what it is made of."""
        rng = self._rng
        options = [m for m in self._places[place] if re.search(name, m.name, re.IGNORECASE)]
        if not options or not self._with_models or rng.random() > _CLUTTER_SHARE:
            return None
        model = options[rng.integers(len(options))]
        size = np.array(model.size) * rng.uniform(0.85, 1.2)
        return self._worn(_scaled(self._take(model), size), ""), model

    def _take(self, model: Model) -> Mesh:
        self._credits.add(model.credit)
        mesh = self._assets.mesh(model)
        return mesh.mirrored() if self._rng.random() < 0.5 else mesh

    def _worn(self, mesh: Mesh, use: str) -> Mesh:
        """Sometimes in other colours, its largest plain part perhaps ready for a texture."""
        rng, materials = self._rng, list(mesh.materials)
        if rng.random() < _RECOLOURED:
            turn, tint = rng.uniform(), np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0, 0.6), 1.0))
            level = rng.uniform(0.6, 1.3)
            materials = [_recoloured(m, turn, tint * level) for m in materials]
        if use and rng.random() < _COVERED:
            main = np.bincount(mesh.material, _areas(mesh), len(materials)).argmax()
            materials[main] = replace(materials[main], use=use)
        return replace(mesh, materials=tuple(materials))

    # --- textures and prints -----------------------------------------------------------------------

    def dress(self, objects: Sequence[_Object]) -> tuple[_Object, ...]:
        """The same objects, some of their materials covered with textures and prints."""
        if not (self._with_textures and self._assets.textures or self._with_prints and self._assets.prints):
            return tuple(objects)
        self._chosen: dict[Material, Material] = {}  # one wallpaper for all walls of one material
        dressed: dict[int, Mesh] = {}  # chairs of one mesh stay alike
        for o in objects:
            if id(o.mesh) not in dressed:
                dressed[id(o.mesh)] = self._dressed(o.mesh, o.class_id)
        return tuple(replace(o, mesh=dressed[id(o.mesh)]) for o in objects)

    def _dressed(self, mesh: Mesh, class_id: int) -> Mesh:
        materials = list(mesh.materials)
        for row, material in enumerate(materials):
            faces = mesh.material == row
            if not faces.any() or material.use == MODEL or material.dropout > 0.4:
                continue
            corners = mesh.vertices[mesh.faces[faces]].reshape(-1, 3)
            lower, size = corners.min(axis=0), np.ptp(corners, axis=0)
            use = material.use or _guess(material, class_id, int(np.count_nonzero(faces)), size)
            if use == "print" and size[2] < 0.05 and min(size[:2]) > 0.45:
                use = "fabric"  # a rug
            if use in ("print", "screen", "cover", "box", "spines"):
                materials[row] = self._printed(material, use, lower, size)
            elif use:
                materials[row] = self._covered(material, use)
        return replace(mesh, materials=tuple(materials))

    def _covered(self, material: Material, use: str) -> Material:
        if material in self._chosen:
            return self._chosen[material]
        rng, options = self._rng, self._assets.textures.get(use, ()) if self._with_textures else ()
        covered = material
        if options and rng.random() < _PAINTED:
            groups = sorted({picture.group for picture in options})
            group = groups[rng.integers(len(groups))]
            alike = [p for p in options if p.group == group]
            picture = alike[rng.integers(len(alike))]
            self._credits.add(picture.credit)
            texture = picture.read()
            # In its own colours, or in those that the surface would have had.
            mean = texture.pixels.mean(axis=(0, 1)) / 255.0 + 0.02
            gloomy = use == "wall" and mean.mean() < 0.35
            own = rng.random() < (0.1 if gloomy else 0.5)
            color = np.full(3, rng.uniform(0.85, 1.15)) if own else material.color / mean
            side = rng.uniform(0.6, 1.4) * (1.0 if use in ("wall", "floor", "ceiling") else 0.6)
            covered = replace(
                material,
                texture=texture,
                color=tuple(np.minimum(color, 2.5).tolist()),
                repeat=(side, side, side * texture.pixels.shape[0] / texture.pixels.shape[1]),
                turned=bool(use not in ("wall", "ceiling") and rng.random() < 0.5),
            )
        self._chosen[material] = covered
        return covered

    def _printed(self, material: Material, use: str, lower: np.ndarray, size: np.ndarray) -> Material:
        rng, prints = self._rng, self._assets.prints if self._with_prints else ()
        boxes = self._assets.textures.get("box", ()) if self._with_textures else ()
        if use == "box" and boxes and rng.random() < 0.35:
            return self._covered(material, "box")
        if not prints or rng.random() > (_PRINTED if use in ("print", "screen") else _PRINTED / 2):
            return material
        picture = prints[rng.integers(len(prints))]
        self._credits.add(picture.credit)
        bright = rng.uniform(0.7, 1.1) * np.ones(3)
        tint = bright if rng.random() < 0.7 else np.array(material.color) / max(material.color) * bright
        repeat = np.full(3, rng.uniform(0.15, 0.4)) if use == "spines" else size * 1.002 + 1e-4
        return replace(
            material, texture=picture.read(), color=tuple(tint.tolist()),
            corner=tuple((lower - 5e-5).tolist()), repeat=tuple(repeat.tolist()),
        )  # fmt: skip


NO_ASSETS = RoomAssets(Assets(), 0)  # gives nothing, whatever the room


def _guess(material: Material, class_id: int, faces: int, size: np.ndarray) -> str:
    """What a material of no declared use covers: structure; boxes, screens and covers among the clutter."""
    if class_id == CEILING:
        return "ceiling"
    if class_id in (_WALL, _FLOOR):
        return CLASS_NAMES[class_id] if max(size) > 1.0 and np.sort(size)[1] > 0.5 else ""  # no skirting
    if class_id >= 0 and class_id == CLASS_NAMES.index("bookshelf") and material.dropout == 0.0:
        return "spines"
    thin, middle, long = np.sort(size)
    if class_id != UNKNOWN or faces != 12 or middle < 0.1 or thin < 0.002:
        return ""
    if long > 0.75:
        upright_dark = size[2] > 0.3 and size[1] < 0.08 and max(material.color) < 0.25
        return "screen" if upright_dark else ""
    return "box" if thin > 0.05 else "cover"


def _place_of(model: Model) -> str:
    w, d, h = model.size
    if re.search(_NO_CLUTTER, model.name, re.IGNORECASE) or max(model.size) < 0.06 or max(model.size) > 1.9:
        return ""
    if re.search(_RUG, model.name, re.IGNORECASE):
        return "rug"
    if model.elevation > 1.5 and d > 0.25:
        return "ceiling" if re.search("lamp|light|chandelier", model.name, re.IGNORECASE) else ""
    if model.elevation > 0.1:
        return "wall" if d < 0.5 and max(w, h) > 0.12 else ""
    small = max(w, d) < 0.6 and h < 0.62 or re.match("tv ?", model.name, re.IGNORECASE)
    return "top" if small else "floor"


def _can_be(model: Model, wanted: Sequence[float | None]) -> bool:
    return all(w is None or 1 / _STRETCH <= w / s <= _STRETCH for s, w in zip(model.size, wanted))


def _scaled(mesh: Mesh, size: np.ndarray) -> Mesh:
    return replace(mesh, vertices=(mesh.vertices * (size / np.maximum(mesh.size, 1e-3))).astype(np.float32))


def _backed(mesh: Mesh) -> Mesh:
    """With its back at y = 0."""
    return replace(mesh, vertices=mesh.vertices - np.array((0, mesh.upper[1], 0), np.float32))


def _in_wall(mesh: Mesh, glazed: bool) -> Mesh:
    """A little proud of the wall's face y = 0, its lower edge a little below an opening's where glazed."""
    shift = np.array((0, 0.025 + mesh.lower[1], 0.03 if glazed else 0), np.float32)
    b = MeshBuilder()
    b.add(replace(mesh, vertices=mesh.vertices - shift))
    if glazed:
        pane = b.material(Material((0.6, 0.65, 0.7), dropout=0.8, use=MODEL))
        w, _, h = mesh.size - 0.06
        b.box((0, 0.06, h / 2), (w, 0.006, h), pane)
    return b.build()


def _areas(mesh: Mesh) -> np.ndarray:
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def _recoloured(material: Material, turn: float, tint: np.ndarray) -> Material:
    """Colours turned round the colour circle, greys tinted."""
    hue, saturation, value = colorsys.rgb_to_hsv(*material.color)
    turned = np.array(colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value))
    color = turned * (tint if saturation < 0.25 else tint.max())
    return replace(material, color=tuple(np.clip(color, 0.02, 0.98).tolist()))


def write_attribution(folder: Path) -> Path:
    """Name all that the samples of a folder were made with, makers and licences, in its ATTRIBUTION.txt."""
    credits = {line for path in folder.glob("*.npz") for line in made_with(path)}
    path = folder / ATTRIBUTION
    replace_text(path, _PREAMBLE + "".join(f"{line}\n" for line in sorted(credits)))
    return path


_PREAMBLE = """\
These rooms, and networks trained on them, contain the works of others that are listed here. They were
changed: scaled, recoloured, the textures of models reduced to colours of their faces.
CC0 1.0: https://creativecommons.org/publicdomain/zero/1.0/
CC BY 3.0: https://creativecommons.org/licenses/by/3.0/
CC BY 3.0 US: https://creativecommons.org/licenses/by/3.0/us/
CC BY 4.0: https://creativecommons.org/licenses/by/4.0/

"""
