"""Tileable textures and prints of folders with a manifest.json; docs/training.md has the format."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ssen_ros.errors import DataError
from ssen_ros.simulation.materials import Texture
from ssen_ros.simulation.model_files import read_manifest

USES = ("wall", "floor", "ceiling", "furniture", "fabric", "worktop", "box")  # what a texture may suit
_LARGEST = 256  # px a side; finer than any camera here sees


@dataclass(frozen=True)
class Picture:
    """One image file of a folder, not yet read."""

    kind: str  # texture or print
    path: Path
    name: str
    group: str  # such as Wood: its folder
    licence: str

    @property
    def credit(self) -> str:
        return f"{self.kind} {self.name}; {self.licence}"

    def read(self) -> Texture:
        return _read(self.path)


@cache
def _read(path: Path) -> Texture:
    try:
        image = Image.open(path).convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: {error}; expected an image; take it out, or put it there again") from error
    image.thumbnail((_LARGEST, _LARGEST))
    return Texture(path.stem, np.asarray(image))


def read_textures(folder: Path) -> dict[str, tuple[Picture, ...]]:
    """The textures of a folder for each of USES that it has any for. Raises DataError with what is wrong."""
    manifest = read_manifest(folder)
    manifest = manifest if isinstance(manifest, Mapping) else {}
    uses = manifest.get("suggested_use")
    if not isinstance(uses, Mapping) or not set(uses) & set(USES):
        raise DataError(
            f'{folder / "manifest.json"}: expected "suggested_use" with lists of subfolders for some of '
            f"{', '.join(USES)}; write it as docs/training.md shows"
        )
    unknown = sorted(set(uses) - set(USES))
    if unknown:
        raise DataError(
            f"{folder / 'manifest.json'}: suggested_use has {unknown}; expected {', '.join(USES)}"
        )
    found = _pictures(folder, "texture", str(manifest.get("licence") or ""))
    chosen = {use: tuple(p for p in found if p.group in groups) for use, groups in uses.items()}
    return {use: pictures for use, pictures in chosen.items() if pictures}


def read_prints(folder: Path) -> tuple[Picture, ...]:
    """The prints of a folder: every image in it. Raises DataError with what is wrong."""
    manifest = read_manifest(folder)
    return _pictures(
        folder, "print", str(manifest.get("licence") or "") if isinstance(manifest, Mapping) else ""
    )


def _pictures(folder: Path, kind: str, licence: str) -> tuple[Picture, ...]:
    if not licence:
        raise DataError(f"{folder / 'manifest.json'} lacks licence; expected that of the images, so add it")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise DataError(f"{folder} holds no .jpg or .png; expected {kind}s there")
    return tuple(Picture(kind, path, path.stem, path.parent.name, licence) for path in paths)
