"""Wavefront OBJ as meshes: triangles, and one colour a material (paulbourke.net/dataformats/obj and mtl)."""

import posixpath
from collections.abc import Callable
from io import BytesIO

import numpy as np

from ssen_ros.simulation.materials import Material
from ssen_ros.simulation.mesh import Mesh

_GREY = Material((0.7, 0.7, 0.7))  # of faces whose material is not defined


def read_obj(read: Callable[[str], bytes], path: str) -> Mesh:
    """The mesh of an OBJ file in the file's own axes and unit; polygons become fans of triangles.

    A texture is reduced to its mean colour; glass (`d` below 1) loses depth as often as it lets light pass.

    Args:
        read: gives the content of a file, by a path relative to the same root as `path`; KeyError if absent.

    Raises ValueError or IndexError for a damaged file, or one without faces.
    """
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    material_of_face: list[int] = []
    names: list[str] = [""]
    known: dict[str, Material] = {}
    current = 0
    for line in _lines(read(path)):
        key, _, rest = line.partition(" ")
        if key == "v":
            vertices.append([float(word) for word in rest.split()[:3]])
        elif key == "f":
            corners = [_index(word, len(vertices)) for word in rest.split()]
            faces += [(corners[0], b, c) for b, c in zip(corners[1:], corners[2:])]
            material_of_face += [current] * (len(corners) - 2)
        elif key == "usemtl":
            if rest not in names:
                names.append(rest)
            current = names.index(rest)
        elif key == "mtllib":
            known |= _read_mtl(read, posixpath.join(posixpath.dirname(path), rest))
    triangles = np.array(faces, np.int32)
    if not faces or triangles.max() >= len(vertices):
        raise ValueError(f"{len(faces)} triangles over {len(vertices)} vertices")
    materials = tuple(known.get(name, _GREY) for name in names)
    return Mesh(np.array(vertices, np.float32), triangles, np.array(material_of_face, np.int32), materials)


def _lines(content: bytes) -> list[str]:
    return [line.strip() for line in content.decode("utf-8", errors="replace").splitlines()]


def _index(corner: str, count: int) -> int:
    """Of a corner such as 7, 7/3 or -1/-1/-1: from 1, or backwards from the last vertex so far."""
    index = int(corner.partition("/")[0])
    return index - 1 if index > 0 else count + index


def _read_mtl(read: Callable[[str], bytes], path: str) -> dict[str, Material]:
    try:
        lines = _lines(read(path))
    except KeyError:
        return {}
    colors: dict[str, tuple[float, ...]] = {}
    glass: dict[str, float] = {}
    name = ""
    for line in lines:
        key, _, rest = line.partition(" ")
        if key == "newmtl":
            name = rest
            colors[name] = _GREY.color
        elif key == "Kd":
            colors[name] = tuple(float(word) for word in rest.split()[:3])
        elif key == "d":
            glass[name] = 1.0 - float(rest.split()[-1])
        elif key == "map_Kd":
            colors[name] = _mean_color(read, posixpath.join(posixpath.dirname(path), rest), colors[name])
    materials = {}
    for name, color in colors.items():
        dropout = float(np.clip(glass.get(name, 0.0), 0.0, 1.0))
        materials[name] = Material(tuple(np.clip(color, 0.02, 0.98).tolist()), dropout=dropout)
    return materials


def _mean_color(read: Callable[[str], bytes], path: str, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(BytesIO(read(path))).convert("RGB")
    except (KeyError, UnidentifiedImageError, OSError):
        return otherwise
    return tuple((np.asarray(image).reshape(-1, 3).mean(axis=0) / 255.0).tolist())
