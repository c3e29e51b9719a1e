"""3D models of a folder with a manifest.json, in the simulator's frame; docs/training.md has the format."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ssen_ros.errors import DAMAGED_NPZ, DataError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh

MODEL = "model"  # what a material of a model is: as its maker wanted it
_STEP = 1 / 2000  # m, of vertices kept as integers
_PALETTE = 96  # colours a model keeps
_MANY_FACES, _DETAIL = 6000, 0.005  # more faces than these lose what is finer than this many m


@dataclass(frozen=True)
class Model:
    """One model of a folder; `read` gives its mesh in m, +Z up, front to -Y, centred, standing on z = 0."""

    id: str
    name: str
    creator: str
    licence: str
    class_name: str  # a ScanNet class, or "" for a thing outside the twenty
    size: tuple[float, float, float]  # m: width, depth, height
    elevation: float  # m above the floor where it hangs; 0 stands
    read: Callable[[], Mesh]

    @property
    def credit(self) -> str:
        """What has to be said of whoever uses it."""
        return f"model {self.id}: {self.name}, by {self.creator}; {self.licence}"


def read_manifest(folder: Path) -> object:
    """The content of the folder's manifest.json. Raises DataError where it is missing or no JSON."""
    path = folder / "manifest.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: {error}; expected a JSON file that describes the folder, as docs/training.md shows"
        ) from error


def read_models(folder: Path) -> list[Model]:
    """The models that a folder's manifest names, meshes not yet read. Raises DataError with what is wrong."""
    entries = read_manifest(folder)
    if isinstance(entries, Mapping):
        entries = entries.get("models")
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{folder / 'manifest.json'}: expected a list of models; see docs/training.md")
    return [_model(folder, entry) for entry in entries if entry.get("scannet_class") is not None]


def _model(folder: Path, entry: Mapping) -> Model:
    where = f"{folder / 'manifest.json'}: model {entry.get('name') or entry.get('file')!r}"
    missing = [key for key in ("file", "licence", "size_m") if not entry.get(key)]
    if missing:
        raise DataError(f"{where} lacks {', '.join(missing)}; expected them for every model, so add them")
    class_name, size, path = entry["scannet_class"], entry["size_m"], folder / entry["file"]
    if class_name and class_name not in CLASS_NAMES:
        raise DataError(
            f'{where} has scannet_class {class_name!r}; expected one of {", ".join(CLASS_NAMES)}, or "" '
            "for a thing outside them, or null to leave it out"
        )
    if len(size) != 3 or not all(0.0 < s < 10.0 for s in size):
        raise DataError(f"{where} has size_m {size}; expected width, depth and height in m, each below 10")
    if not path.is_file():
        raise DataError(f"{where}: {path} does not exist; mend `file`, or leave the model out")
    creator = entry.get("creator") or entry.get("source")
    if not creator:
        raise DataError(f"{where} lacks creator; expected who made it: most licences want the name told")
    width, depth, height = map(float, size)
    return Model(
        id=path.stem,
        name=entry.get("name") or path.stem,
        creator=creator,
        licence=entry["licence"],
        class_name=class_name,
        size=(width, depth, height),
        elevation=float(entry.get("elevation_m") or 0.0),
        read=partial(_read_npz, path, (width, depth, height)),
    )


def _read_npz(path: Path, size: tuple[float, float, float]) -> Mesh:
    try:
        with np.load(path) as data:
            vertices, faces, colors = (data[name] for name in ("vertices", "faces", "colors"))
    except DAMAGED_NPZ as error:
        raise DataError(
            f"{path}: {error}; expected an .npz file with vertices (n, 3), faces (m, 3) and colors (m, 3); "
            "make it anew, or take it out of the manifest"
        ) from error
    if vertices.dtype.kind == "i":
        vertices = vertices * np.float32(_STEP)
    if len(faces) != len(colors) or not len(faces) or int(faces.max()) >= len(vertices):
        raise DataError(
            f"{path}: {len(vertices)} vertices, {len(faces)} faces, {len(colors)} colors; expected faces "
            "that index the vertices and a colour for each; make it anew, or take it out of the manifest"
        )
    extent = np.ptp(vertices, axis=0)
    if (np.abs(extent - size) > 0.05 + 0.2 * np.array(size)).any():
        raise DataError(
            f"{path}: the model measures {np.round(extent, 2).tolist()} m, its manifest says {list(size)}; "
            "expected the same, vertices in m or as integers in steps of 0.5 mm: mend one of them"
        )
    return paletted(vertices.astype(np.float32), faces.astype(np.int32), colors).grounded()


def paletted(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray, dropout=None) -> Mesh:
    """A mesh of (m, 3) uint8 face colours: they become its materials, a hundred at most.

    `dropout` (m,) is each face's chance of losing depth. Details that no camera here could see are merged.
    """
    dropout = np.zeros(len(faces), np.float32) if dropout is None else np.asarray(dropout, np.float32)
    if len(faces) > _MANY_FACES:
        cell = np.round(vertices / _DETAIL).astype(np.int32)
        _, first, row = np.unique(cell, axis=0, return_index=True, return_inverse=True)
        vertices, merged = vertices[first], row.reshape(-1).astype(np.int32)[faces]
        kept = (merged != np.roll(merged, 1, axis=1)).all(axis=1)
        if kept.any():
            faces, colors, dropout = merged[kept], colors[kept], dropout[kept]
    picture = Image.fromarray(np.ascontiguousarray(colors[None], np.uint8))
    palette = picture.quantize(_PALETTE, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    kind = np.column_stack([np.asarray(palette).reshape(-1), np.round(dropout * 10)])
    _, first, material = np.unique(kind, axis=0, return_index=True, return_inverse=True)
    material = material.reshape(-1).astype(np.int32)
    total = np.zeros((len(first), 3))
    np.add.at(total, material, colors)
    mean = total / np.bincount(material)[:, None] / 255.0
    materials = tuple(
        Material(tuple(np.clip(color, 0.02, 0.98).tolist()), dropout=float(dropout[row]), use=MODEL)
        for color, row in zip(mean, first)
    )
    used, faces = np.unique(faces, return_inverse=True)
    return Mesh(vertices[used], faces.reshape(-1, 3).astype(np.int32), material, materials)
