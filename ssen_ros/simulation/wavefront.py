"""Wavefront OBJ as triangles of one colour each (paulbourke.net/dataformats/obj and mtl)."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np

_CORNERS = (
    (0.6, 0.2, 0.2),
    (0.2, 0.6, 0.2),
    (0.2, 0.2, 0.6),
    (1 / 3, 1 / 3, 1 / 3),
)  # where a face is sampled
_GRAIN = 64  # px a side that textures are reduced to, so that a sample is a mean of its surroundings


@dataclass
class _Paint:
    color: np.ndarray  # (3,) RGB in 0..1
    glass: float = 0.0  # share of the light that passes
    texture: np.ndarray | None = None  # (h, w, 3) RGB in 0..1, top row first


def read_obj(
    read: Callable[[str], bytes], path: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """An OBJ file in its own axes and unit; polygons become fans of triangles.

    A texture is baked: each triangle takes the mean of what the texture shows there. Glass (`d` below 1)
    loses depth as often as it lets light pass.

    Args:
        read: gives the content of a file, by a path relative to the same root as `path`; KeyError if absent.

    Returns vertices (n, 3) float32, faces (m, 3) int32, their colours (m, 3) uint8 and chances (m,) float32
    of losing depth. Raises ValueError or IndexError for a damaged file, or one without faces.
    """
    vertices: list[list[float]] = []
    spots: list[list[float]] = [[0.0, 0.0]]  # of the textures; the first is for corners without one
    faces: list[tuple[int, int, int]] = []
    spots_of_faces: list[tuple[int, int, int]] = []
    paint_of_face: list[int] = []
    names: list[str] = [""]
    known: dict[str, _Paint] = {}
    current = 0
    for line in _lines(read(path)):
        key, _, rest = line.partition(" ")
        if key == "v":
            vertices.append([float(word) for word in rest.split()[:3]])
        elif key == "vt":
            spots.append([float(word) for word in rest.split()[:2]])
        elif key == "f":
            corners = [_indices(word, len(vertices), len(spots)) for word in rest.split()]
            corner, spot = zip(*corners)
            faces += [(corner[0], b, c) for b, c in zip(corner[1:], corner[2:])]
            spots_of_faces += [(spot[0], b, c) for b, c in zip(spot[1:], spot[2:])]
            paint_of_face += [current] * (len(corners) - 2)
        elif key == "usemtl":
            if rest not in names:
                names.append(rest)
            current = names.index(rest)
        elif key == "mtllib":
            known |= _read_mtl(read, posixpath.join(posixpath.dirname(path), rest))
    triangles = np.array(faces, np.int32)
    if not faces or triangles.max() >= len(vertices):
        raise ValueError(f"{len(faces)} triangles over {len(vertices)} vertices")
    paints = [known.get(name, _Paint(np.full(3, 0.7))) for name in names]
    kind = np.array(paint_of_face)
    colors = np.array([paint.color for paint in paints])[kind]
    uv = np.array(spots, np.float32)[np.array(spots_of_faces)]
    for row, paint in enumerate(paints):
        if paint.texture is not None:
            of_it = np.flatnonzero(kind == row)
            colors[of_it] = _baked(paint.texture, uv[of_it])
    dropout = np.array([paint.glass for paint in paints], np.float32)[kind]
    return np.array(vertices, np.float32), triangles, (colors.clip(0, 1) * 255).astype(np.uint8), dropout


def _baked(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(m, 3) mean colours of triangles with (m, 3, 2) texture coordinates, v upwards."""
    height, width = texture.shape[:2]
    at = np.einsum("ac,mcd->amd", np.array(_CORNERS), uv) % 1.0
    column, row = (at[..., 0] * width).astype(int), ((1.0 - at[..., 1]) * height).astype(int)
    return texture[row.clip(0, height - 1), column.clip(0, width - 1)].mean(axis=0)


def _lines(content: bytes) -> list[str]:
    return [line.strip() for line in content.decode("utf-8", errors="replace").splitlines()]


def _indices(corner: str, vertices: int, spots: int) -> tuple[int, int]:
    """Of a corner such as 7, 7/3 or -1/-1/-1: from 1, or backwards from the last so far; no spot is 0."""
    vertex, *more = corner.split("/")
    index, spot = int(vertex), int(more[0]) if more and more[0] else 0
    spot = spot if spot >= 0 else spots + spot
    return index - 1 if index > 0 else vertices + index, spot if spot < spots else 0


def _read_mtl(read: Callable[[str], bytes], path: str) -> dict[str, _Paint]:
    try:
        lines = _lines(read(path))
    except KeyError:
        return {}
    paints: dict[str, _Paint] = {}
    paint = _Paint(np.full(3, 0.7))
    for line in lines:
        key, _, rest = line.partition(" ")
        if key == "newmtl":
            paint = paints[rest] = _Paint(np.full(3, 0.7))
        elif key == "Kd":
            paint.color = np.array([float(word) for word in rest.split()[:3]])
        elif key == "d":
            paint.glass = float(np.clip(1.0 - float(rest.split()[-1]), 0.0, 1.0))
        elif key == "map_Kd":
            paint.texture = _texture(read, posixpath.join(posixpath.dirname(path), rest))
    return paints


def _texture(read: Callable[[str], bytes], path: str) -> np.ndarray | None:
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(BytesIO(read(path))).convert("RGB")
    except (KeyError, UnidentifiedImageError, OSError):
        return None
    image = image.resize((min(image.width, _GRAIN), min(image.height, _GRAIN)), Image.Resampling.BOX)
    return np.asarray(image) / 255.0
