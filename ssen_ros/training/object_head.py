"""The object head: clusters of labelled rooms are collected, and it learns what they are.

The clusters are those of the whole method, so the head is trained after both networks, and anew for others;
on rooms that they have not seen, for there the votes are as right as they will be of a user's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ssen_ros import voxel_keys
from ssen_ros.config import SegmenterConfig
from ssen_ros.datasets.labelled_voxels import LabelledVoxels
from ssen_ros.errors import ConfigError
from ssen_ros.network_spec import chosen_weights
from ssen_ros.object_head import ObjectHead, cluster_features
from ssen_ros.pipeline import SsenPipeline
from ssen_ros.structures import StepResult
from ssen_ros.training.augmentation import AugmentationConfig
from ssen_ros.training.config import TASKS, TrainConfig
from ssen_ros.training.dataset import RoomDataset, class_weight
from ssen_ros.training.judge import objects_alone
from ssen_ros.training.teach import file_hash

WHOLE_IOU = 0.5  # with a true object, above which a cluster is one
# Maps are shown whole or in part, turned, sparser, and of another scale, as SLAM delivers them.
AUGMENTATION = AugmentationConfig(tilt_deg=1.0, max_tilt_deg=3.0, scale=0.12)

_LEAST_ANNOTATED = 0.5  # share of a cluster's voxels, of one that is learned from
_LEAST_SPREAD = 0.05  # of a feature
# Chosen on validation rooms, where a second try of each changed little; without balance unknown things win.
_HIDDEN, _STEPS, _RATE, _DECAY, _DROPPED, _BALANCE = 64, 500, 5e-3, 0.1, 0.2, 0.5
_MEMBERS = 5


@dataclass(frozen=True)
class ClusterTruth:
    """N clusters, and what they are in truth."""

    features: np.ndarray  # (N, F) float64, `cluster_features`
    shares: np.ndarray  # (N, C) float64, of the true classes in each; rows sum to 1
    whole: np.ndarray  # (N,) float64, 1: an object of the classes overlaps it by an IoU above WHOLE_IOU


def collect(pipeline: SsenPipeline, rooms: RoomDataset, draws: int, seed: int = 0) -> Iterator[ClusterTruth]:
    """What the method finds in each room, each shown in so many ways; one value a map."""
    config = TrainConfig(augmentation=AUGMENTATION, max_voxels=0)
    for draw in range(draws):
        for room in range(len(rooms)):
            voxels, _ = rooms.scene(np.random.default_rng([seed, draw, room]), config, room)
            result = pipeline.step(voxels.snapshot, stamp_ns=0)
            yield truth_of(result, voxels, pipeline.segmenter.class_names)


def truth_of(result: StepResult, voxels: LabelledVoxels, class_names: tuple[str, ...]) -> ClusterTruth:
    """The clusters of one map's update, and what they are by its labels."""
    snapshot, segmentation, clusters = result.snapshot, result.segmentation, result.clusters
    row = voxel_keys.find(voxels.snapshot.keys, snapshot.keys)
    objects = objects_alone(voxels, class_names).instance_label
    label, truth = voxels.semantic_label[row], objects[row]
    size = np.bincount(truth[truth >= 0], minlength=1)
    adopted = np.zeros(len(snapshot), bool)
    adopted[segmentation.thing_rows] = clusters.adopted
    floor = result.memory.floor.height if result.memory.floor else 0.0
    features, shares, whole = [], [], []
    for one in result.memory.described.detections if result.memory.described else ():  # of whatever score
        known = one.rows[label[one.rows] >= 0]
        if len(known) < _LEAST_ANNOTATED * len(one.rows):
            continue
        votes, strange = segmentation.log_probabilities, float(adopted[one.rows].mean())
        features.append(cluster_features(snapshot, votes, one.rows, one.box, floor, strange))
        shares.append(np.bincount(label[known], minlength=len(class_names)) / len(known))
        shared = np.bincount(truth[known][truth[known] >= 0], minlength=len(size))
        whole.append((shared / (len(known) + size - shared)).max() > WHOLE_IOU)
    return ClusterTruth(np.array(features), np.array(shares), np.array(whole, np.float64))


def joined(parts: Iterable[ClusterTruth]) -> ClusterTruth:
    """All clusters together. Raises ConfigError where there are none."""
    parts = [part for part in parts if len(part.whole)]
    if not parts:
        raise ConfigError("no annotated cluster was found; expected labelled rooms with things in them")
    return ClusterTruth(*(np.concatenate(arrays) for arrays in zip(*(vars(p).values() for p in parts))))


def fit(truth: ClusterTruth, class_names: tuple[str, ...], seed: int = 0, steps: int = _STEPS) -> ObjectHead:
    """The head that names these clusters best, by full batches; the same clusters give the same head.

    It begins as the mean votes, which it then corrects. A class weighs share^-_BALANCE, so that what lies
    about in the rooms by the hundred does not take the place of what stands there once. Several are learned
    and answer together, as one head of so many hidden units: their mean depends less on chance than each.
    """
    mean, scale = truth.features.mean(axis=0), np.maximum(truth.features.std(axis=0), _LEAST_SPREAD)
    weight = truth.shares @ class_weight(truth.shares.mean(axis=0), _BALANCE)
    features, votes, shares, whole, weight = (
        torch.tensor(a, dtype=torch.float32)
        for a in (
            (truth.features - mean) / scale,
            truth.features[:, : len(class_names)],
            truth.shares,
            truth.whole,
            weight,
        )
    )
    learned = []
    for member in range(_MEMBERS):
        torch.manual_seed(_MEMBERS * seed + member)
        hidden, out = nn.Linear(features.shape[1], _HIDDEN), nn.Linear(_HIDDEN, len(class_names) + 1)
        nn.init.zeros_(out.weight)
        nn.init.zeros_(out.bias)
        model = nn.Sequential(nn.Dropout(_DROPPED), hidden, nn.ReLU(), nn.Dropout(_DROPPED), out)
        optimizer = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=_DECAY)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            answer = model(features)
            named = nn.functional.cross_entropy(votes + answer[:, :-1], shares, reduction="none")
            loss = (weight * named).mean()
            loss = loss + nn.functional.binary_cross_entropy_with_logits(answer[:, -1], whole)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
        learned.append((_with_bias(hidden), _with_bias(out)))
    into, out_of = zip(*learned)
    rows = [one[:-1] for one in out_of] + [sum(one[-1:] for one in out_of)]
    return ObjectHead(
        tuple(class_names), mean, scale, np.concatenate(into, axis=1), np.concatenate(rows) / _MEMBERS
    )


def told(
    truth: ClusterTruth, rooms: Sequence[str], draws: int, seed: int, networks: SegmenterConfig
) -> dict[str, Any]:
    """How a head came to be, for its file: which rooms, and by which networks' clusters."""
    weights = {task: chosen_weights(networks, task) for task in TASKS}
    return {
        "rooms": f"{len(rooms)}, {rooms[0]} to {rooms[-1]}",
        "draws": draws,
        "seed": seed,
        "clusters": len(truth.whole),
        "steps": _STEPS,
        "members": _MEMBERS,
        "networks, SHA-256": {task: file_hash(Path(path)) for task, path in weights.items()},
    }


def _with_bias(layer: nn.Linear) -> np.ndarray:
    """(inputs + 1, outputs) float64."""
    weights = torch.cat([layer.weight, layer.bias[:, None]], dim=1)
    return weights.detach().T.double().numpy()
