"""Models of the Sweet Home 3D collections among the parametric furniture; off unless a folder is named.

Debian's package `sweethome3d-furniture` holds them in .sh3f archives: OBJ models, and a catalogue with the
true size, the author and the licence of each. The front of a model is its +z, up is +y. Only the collections
under CC0 and CC BY that `model_classes.json` names are read; there, too, stands what class a name means.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from ssen_ros.datasets.splits import HELD_OUT_SEEDS
from ssen_ros.errors import DataError
from ssen_ros.io.samples import ATTRIBUTION
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.rotations import turn_z
from ssen_ros.simulation.layout import Placed
from ssen_ros.simulation.mesh import Mesh
from ssen_ros.simulation.rooms import Room
from ssen_ros.simulation.wavefront import read_obj

_SHARE = 0.5  # of the objects that some model could stand for
_STRETCH = 1.3  # most that a model is stretched or squeezed along an axis
_BUILT_IN = {"counter", "sink"}  # cut to fit what they touch
_CATALOGUE = "PluginFurnitureCatalog.properties"
_Y_UP_TO_Z_UP = np.array([(1, 0, 0), (0, 0, -1), (0, 1, 0)], np.float32)  # and the front to -y


@dataclass(frozen=True)
class Model:
    """One entry of a catalogue."""

    id: str  # Scopia#bed1
    name: str
    creator: str
    licence: str
    class_name: str  # a ScanNet class, or "" for unlabelled clutter
    size: tuple[float, float, float]  # m: width, depth, height
    rotation: tuple[float, ...]  # (9,) row by row, of the model before it is measured
    archive: Path
    path: str  # of the .obj in the archive


@dataclass(frozen=True)
class ModelLibrary:
    """The models of a folder, by class; meshes are read when they are first needed."""

    models: dict[str, tuple[Model, ...]]
    _meshes: dict[str, Mesh] = field(default_factory=dict, repr=False)  # by id, in the unit cube

    @classmethod
    def open(cls, folder: Path | str) -> "ModelLibrary":
        """Read the catalogues of a folder. Raises DataError where it holds none that may be used."""
        known = _classes()
        found = [
            model
            for archive in sorted(Path(folder).glob("*.sh3f"))
            for model in _read_catalogue(archive, known["licences"], known["classes"])
        ]
        if not found:
            raise DataError(
                f"{folder}: no .sh3f archive of {', '.join(known['licences'])}; expected those of Debian's "
                "package sweethome3d-furniture; install it and give /usr/share/sweethome3d/furniture"
            )
        by_class = defaultdict(list)
        for model in sorted(found, key=lambda m: m.id):
            by_class[model.class_name].append(model)
        return cls({name: tuple(models) for name, models in by_class.items()})

    def furnish(self, room: Room) -> tuple[Room, tuple[str, ...]]:
        """The room with some of its objects exchanged for models of their class, and the ids of those models.

        A model fills the box of what it stands for, so all stays where it was. Held-out rooms stay as they
        are: what a network is tested on has to be new to it. The same room always gets the same models.
        """
        if room.seed in HELD_OUT_SEEDS:
            return room, ()
        rng = np.random.default_rng((40, room.seed))
        built_in = _built_in(room.objects)
        objects, used = [], []
        for placed, fixed in zip(room.objects, built_in):
            options = [] if fixed else self._that_fit(placed)
            if options and rng.random() < _SHARE:
                model = options[rng.integers(len(options))]
                placed = replace(placed, mesh=_fill(self._mesh(model), placed.mesh))
                used.append(model.id)
            objects.append(placed)
        return replace(room, objects=tuple(objects)), tuple(sorted(set(used)))

    def _that_fit(self, placed: Placed) -> list[Model]:
        name = CLASS_NAMES[placed.class_id] if placed.class_id >= 0 else ""
        size = placed.mesh.size
        return [
            model
            for model in self.models.get(name, ())
            if (np.abs(np.log(np.maximum(size, 1e-3) / model.size)) <= np.log(_STRETCH)).all()
        ]

    def _mesh(self, model: Model) -> Mesh:
        if model.id not in self._meshes:
            self._meshes[model.id] = _read_mesh(model)
        return self._meshes[model.id]


def write_attribution(folder: Path, library: ModelLibrary) -> Path:
    """Name every model in the samples of a folder, with author and licence, in its ATTRIBUTION.txt."""
    used: set[str] = set()
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as data:
            used |= set(data["models"].tolist()) if "models" in data else set()
    by_id = {model.id: model for models in library.models.values() for model in models}
    lines = []
    for model_id in sorted(used):
        model = by_id.get(model_id)
        known = f"{model.name}, by {model.creator}; {model.licence}" if model else "of another folder"
        lines.append(f"{model_id}: {known}\n")
    path = folder / ATTRIBUTION
    path.write_text(_PREAMBLE + "".join(lines), encoding="utf-8")
    return path


_PREAMBLE = """\
These rooms, and networks trained on them, contain 3D models of the Sweet Home 3D collections
(http://www.sweethome3d.com/importModels.jsp). They were changed: scaled, textures reduced to a colour.
CC0 1.0: https://creativecommons.org/publicdomain/zero/1.0/
CC BY 3.0: https://creativecommons.org/licenses/by/3.0/
CC BY 3.0 US: https://creativecommons.org/licenses/by/3.0/us/

"""


@cache
def _classes() -> dict:
    """{"licences": {collection: licence}, "classes": {catalogue name: class}}."""
    content = json.loads(Path(__file__).with_name("model_classes.json").read_text(encoding="utf-8"))
    names = {name: class_name for class_name, listed in content["classes"].items() for name in listed}
    return {"licences": content["licences"], "classes": names}


def _read_catalogue(archive: Path, licences: dict[str, str], classes: dict[str, str]) -> Iterable[Model]:
    try:
        with ZipFile(archive) as files:
            text = files.read(_CATALOGUE).decode("latin-1")
    except (BadZipFile, KeyError, OSError) as error:
        raise DataError(
            f"{archive}: expected a zip archive with {_CATALOGUE} ({error}); install the package again"
        ) from error
    entries: dict[str, dict[str, str]] = defaultdict(dict)
    for key, number, value in re.findall(r"^(\w+)(?:#(\d+))?=(.*)$", text, re.MULTILINE):
        entries[number][key] = value.strip().encode("latin-1").decode("unicode_escape")  # \u20ac
    licence = licences.get(entries.pop("", {}).get("id", ""))
    if licence is None:
        return
    for entry in entries.values():
        class_name = classes.get(entry["name"])
        if class_name is not None:
            yield Model(
                id=entry["id"],
                name=entry["name"],
                creator=entry.get("creator", "unknown"),
                licence=licence,
                class_name=class_name,
                size=tuple(float(entry[key]) / 100.0 for key in ("width", "depth", "height")),
                rotation=tuple(float(v) for v in entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split()),
                archive=archive,
                path=entry["model"].lstrip("/"),
            )


def _read_mesh(model: Model) -> Mesh:
    """The model turned to our axes and scaled into the unit cube, 0 to 1."""
    try:
        with ZipFile(model.archive) as files:
            mesh = read_obj(files.read, model.path)
    except (BadZipFile, OSError, LookupError, ValueError) as error:
        raise DataError(
            f"{model.archive}: {model.path} is no readable OBJ model ({error}); install the package again"
        ) from error
    turn = _Y_UP_TO_Z_UP @ np.array(model.rotation, np.float32).reshape(3, 3)
    used, faces = np.unique(mesh.faces, return_inverse=True)
    vertices = mesh.vertices[used] @ turn.T
    lower = vertices.min(axis=0)
    extent = np.maximum(vertices.max(axis=0) - lower, 1e-6)
    return Mesh(
        (vertices - lower) / extent, faces.reshape(-1, 3).astype(np.int32), mesh.material, mesh.materials
    )


def _fill(unit: Mesh, other: Mesh) -> Mesh:
    """A mesh of the unit cube, scaled to the box of another."""
    vertices = (other.lower + unit.vertices * other.size).astype(np.float32)
    return Mesh(vertices, unit.faces, unit.material, unit.materials)


def _built_in(objects: tuple[Placed, ...]) -> np.ndarray:
    """(n,) bool: counters and sinks, and the labelled things whose boxes meet theirs."""
    corners = [p.mesh.vertices @ turn_z(p.yaw).T + p.position for p in objects]
    lower, upper = np.array([c.min(axis=0) for c in corners]), np.array([c.max(axis=0) for c in corners])
    meet = (np.minimum(upper[:, None], upper[None]) - np.maximum(lower[:, None], lower[None]) > 0.01).all(
        axis=2
    )
    is_part = np.array([p.class_id >= 0 and CLASS_NAMES[p.class_id] in _BUILT_IN for p in objects])
    is_thing = np.array([p.instance_id >= 1 for p in objects])
    others = meet & ~np.eye(len(objects), dtype=bool) & is_thing
    # A part is fixed where it meets any thing, a thing where it meets a part.
    return is_thing & np.where(is_part, others.any(axis=1), (others & is_part).any(axis=1))
