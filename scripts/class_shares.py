"""Writes the classes' shares of training rooms into a checkpoint: `scripts/class_shares.py CHECKPOINT ROOMS`.

`ssen train` does so by itself; this is for a network of before. `segmenter.prior` goes by them. ROOMS is the
folder of .npz samples that the network was trained on, or some of them. A .json of the checkpoint's name
beside it, where its metadata stand for people, is kept up with it.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from ssen_ros.labels import LABEL_NAMES
from ssen_ros.models import load_checkpoint, save_checkpoint
from ssen_ros.training.dataset import RoomDataset


def write_shares(path: Path, rooms: Path) -> dict[str, float]:
    """{class: share} of all rooms of the folder, over the network's classes."""
    checkpoint = load_checkpoint(path)
    dataset = RoomDataset(rooms, checkpoint.spec.voxel_size)
    counted = dict(zip(LABEL_NAMES, dataset.class_shares(len(dataset)).tolist()))
    known = {name: counted.get(name, 0.0) for name in checkpoint.spec.class_names}
    shares = {name: share / sum(known.values()) for name, share in known.items()}
    save_checkpoint(path, replace(checkpoint, provenance={**checkpoint.provenance, "class_shares": shares}))
    told = path.with_suffix(".json")
    if told.is_file():
        content = json.loads(told.read_text(encoding="utf-8"))
        content["training"]["class_shares"] = shares
        told.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return shares


if __name__ == "__main__":
    for name, share in write_shares(*map(Path, sys.argv[1:])).items():
        print(f"{name:16} {100 * share:6.2f} %")
