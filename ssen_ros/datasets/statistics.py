"""What a folder of samples holds: shares of the classes, instances, sizes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssen_ros.io.samples import load_sample, made_with
from ssen_ros.labels import CLASS_NAMES, NUM_CLASSES, is_thing, of_the_twenty

MIN_EVALUATED = 100  # points: ScanNet's benchmark does not count smaller instances

# % of ScanNet v2's annotated training vertices, in the order of CLASS_NAMES. From the class weights that
# mmdetection3d publishes for PointNet++ (configs/pointnet2/pointnet2_ssg_2xb16-cosine-200e_scannet-seg.py),
# which are 1 / ln(1.2 + share): the shares that they give back add up to 1.
SCANNET_VOXEL_PERCENT = np.array((
    31.96, 24.40, 4.32, 2.88, 7.65, 2.60, 3.76, 4.81, 4.15, 2.52,
    0.52, 0.51, 2.04, 2.30, 0.55, 0.33, 0.33, 0.27, 0.36, 3.73,
))  # fmt: skip
# Mean points of an instance: class_numpoint_mean of SoftGroup (configs/softgroup/softgroup_scannet.yaml).
_SCANNET_INSTANCE_POINTS = np.array((
    np.inf, np.inf, 3917, 12056, 2303, 8331, 3948, 3166, 5629, 11719,
    1003, 3317, 4912, 10221, 3889, 4136, 2120, 945, 3967, 2589,
))  # fmt: skip
# % of ScanNet v2's training instances: share of the vertices over vertices an instance.
SCANNET_INSTANCE_PERCENT = SCANNET_VOXEL_PERCENT / _SCANNET_INSTANCE_POINTS
SCANNET_INSTANCE_PERCENT *= 100.0 / SCANNET_INSTANCE_PERCENT.sum()


@dataclass(frozen=True)
class RoomCounts:
    """One sample, counted. `instances` and `evaluated` are 0 for wall and floor."""

    voxels: np.ndarray  # (20,) int64, annotated voxels of each class
    instances: np.ndarray  # (20,) int64
    evaluated: np.ndarray  # (20,) int64, instances of MIN_EVALUATED points and more
    total_voxels: int
    file_bytes: int
    credits: tuple[str, ...]  # of the models, textures and prints of others in it


def count_room(path: Path) -> RoomCounts:
    """Raises CloudError for a file that is no sample."""
    sample = load_sample(path)
    label = sample.semantic_label.astype(np.int64)
    annotated = of_the_twenty(label)
    things = annotated & (sample.instance_label >= 0)
    things[things] = is_thing()[label[things]]
    _, first, points = np.unique(sample.instance_label[things], return_index=True, return_counts=True)
    class_of = label[things][first]
    return RoomCounts(
        voxels=np.bincount(label[annotated], minlength=NUM_CLASSES),
        instances=np.bincount(class_of, minlength=NUM_CLASSES),
        evaluated=np.bincount(class_of[points >= MIN_EVALUATED], minlength=NUM_CLASSES),
        total_voxels=len(sample),
        file_bytes=path.stat().st_size,
        credits=made_with(path),
    )


def statistics(rooms: Sequence[RoomCounts]) -> dict:
    """The figures of one room and more together, as `ssen statistics --json` prints them.

    Percentages are of the annotated voxels and of all instances; None where a class has no instances.
    """
    voxels = np.sum([room.voxels for room in rooms], axis=0)
    instances = np.sum([room.instances for room in rooms], axis=0)
    evaluated = np.sum([room.evaluated for room in rooms], axis=0)
    total = sum(room.total_voxels for room in rooms)
    columns = {
        "voxels_percent": _percent(voxels),
        "scannet_voxels_percent": SCANNET_VOXEL_PERCENT,
        "instances": instances,
        "evaluated_instances": evaluated,
        "instances_percent": _percent(instances),
        "scannet_instances_percent": SCANNET_INSTANCE_PERCENT,
    }
    rows = []
    for class_id, (name, thing) in enumerate(zip(CLASS_NAMES, is_thing())):
        values = {key: column[class_id].item() for key, column in columns.items()}
        rows.append({"class": name} | {k: v if thing or "voxels" in k else None for k, v in values.items()})
    return {
        "rooms": len(rooms),
        "voxels_per_room": total / len(rooms),
        "annotated_percent": 100.0 * int(voxels.sum()) / max(total, 1),
        "bytes_per_voxel": sum(room.file_bytes for room in rooms) / max(total, 1),
        "instances_per_room": int(instances.sum()) / len(rooms),
        "evaluated_instances_per_room": int(evaluated.sum()) / len(rooms),
        **{
            f"{kind}s_of_others": len({c for room in rooms for c in room.credits if c.startswith(kind)})
            for kind in ("model", "texture", "print")
        },
        "rows": rows,
    }


def _percent(counts: np.ndarray) -> np.ndarray:
    return 100.0 * counts / max(counts.sum(), 1)
