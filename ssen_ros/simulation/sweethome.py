"""Models of the Sweet Home 3D collections.

Debian's package `sweethome3d-furniture` holds them in .sh3f archives: OBJ models, and a catalogue with the
true size, the author and the licence of each. The front of a model is its +z, up is +y. Only the collections
under CC0 and CC BY that `model_classes.json` names are read; there, too, stands what class a name means.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from ssen_ros.errors import DataError
from ssen_ros.simulation.mesh import Mesh
from ssen_ros.simulation.model_files import Model, paletted
from ssen_ros.simulation.wavefront import read_obj

_CATALOGUE = "PluginFurnitureCatalog.properties"
_Y_UP_TO_Z_UP = np.array([(1, 0, 0), (0, 0, -1), (0, 1, 0)], np.float32)  # and the front to -y


def read_archives(folder: Path) -> list[Model]:
    """The models of the catalogues in a folder. Raises DataError where it holds none that may be used."""
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
    return found


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
            width, depth, height = (float(entry[key]) / 100.0 for key in ("width", "depth", "height"))
            size = width, depth, height
            rotation = tuple(float(v) for v in entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split())
            yield Model(
                id=entry["id"],
                name=entry["name"],
                creator=entry.get("creator", "unknown"),
                licence=licence,
                class_name=class_name,
                size=size,
                elevation=float(entry.get("elevation", 0.0)) / 100.0,
                read=partial(_read_mesh, archive, entry["model"].lstrip("/"), rotation, size),
            )


def _read_mesh(archive: Path, path: str, rotation: tuple[float, ...], size: tuple[float, ...]) -> Mesh:
    """The model turned to our axes and scaled to its size in m."""
    try:
        with ZipFile(archive) as files:
            vertices, faces, colors, dropout = read_obj(files.read, path)
    except (BadZipFile, OSError, LookupError, ValueError) as error:
        raise DataError(
            f"{archive}: {path} is no readable OBJ model ({error}); install the package again"
        ) from error
    vertices = vertices @ (_Y_UP_TO_Z_UP @ np.array(rotation, np.float32).reshape(3, 3)).T
    extent = np.maximum(np.ptp(vertices[faces.reshape(-1)], axis=0), 1e-6)
    scaled = (vertices * (np.array(size) / extent)).astype(np.float32)
    return paletted(scaled, faces, colors, dropout).grounded()
