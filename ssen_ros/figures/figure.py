"""What every figure is: a picture, its numbers, and where both come from."""

import json
import os
import platform
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ssen_ros import __version__
from ssen_ros.io.replacing import replace_text, replacing

_QUALITY = 82  # of WebP, 0 to 100
_FRAME_MS = 120  # of an animation


@dataclass(frozen=True)
class Figure:
    number: int  # of the paper's
    data: dict[str, Any]  # its numbers, for JSON
    image: np.ndarray  # (H, W, 3) uint8
    frames: tuple[np.ndarray, ...] = field(default=(), repr=False)  # (H, W, 3) uint8 of an animation; or none


def save_figure(figure: Figure, folder: Path, command: str) -> list[Path]:
    """Write figureN.webp, figureN_moving.webp where it moves, and last figureN.json: numbers and origin."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"figure{figure.number}"
    picture, moving, numbers = (folder / f"{name}{end}" for end in (".webp", "_moving.webp", ".json"))
    with replacing(picture) as temporary:
        Image.fromarray(figure.image).save(temporary, format="WEBP", quality=_QUALITY, method=6)
    if figure.frames:
        first, *others = map(Image.fromarray, figure.frames)
        with replacing(moving) as temporary:
            first.save(
                temporary, format="WEBP", quality=_QUALITY, method=4, save_all=True, append_images=others,
                duration=_FRAME_MS, loop=0,
            )  # fmt: skip
    replace_text(numbers, json.dumps(origin(command) | figure.data, indent=1) + "\n")
    return [picture, *([moving] if figure.frames else []), numbers]


def origin(command: str) -> dict[str, Any]:
    """How, when and on what machine something was made."""
    return {
        "command": command,
        "date": date.today().isoformat(),
        "version": __version__,
        "machine": machine(),
    }


def machine() -> str:
    """The processor, and how many cores of it there are."""
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
