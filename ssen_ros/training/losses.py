"""The paper's discriminative loss (Sec. III-A). Pure functions that return named terms.

De Brabandere et al. (2017), where the idea comes from, call the paper's `inter` the variance term and its
`intra` the distance term; the names here are the SSEN paper's.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ssen_ros.labels import IGNORE_INDEX


@dataclass(frozen=True)
class EmbeddingLoss:
    """Scalar tensors; `total` is Eq. 1."""

    total: Tensor
    inter: Tensor  # Eq. 3: pulls the embeddings of an instance to their mean
    intra: Tensor  # Eq. 2: pushes the means of different instances apart
    scenes: int  # scenes with an instance, which these are means over


def embedding_loss(
    embeddings: Tensor,
    instance_label: Tensor,
    scene: Tensor | None = None,
    *,
    p: float = 1.0,
    gamma_intra: float = 10.0,
    delta_inter: float = 0.1,
    delta_intra: float = 0.5,
    intra_pairs: str = "present",
) -> EmbeddingLoss:
    """L = L_inter + γ_intra · L_intra (Eq. 1), averaged over the scenes of a batch.

    Args:
        embeddings: (N, d).
        instance_label: (N,) integers; negative rows belong to no instance and are left out.
        scene: (N,) integers, the scene of each row; None: all of one scene. Instances of different
            scenes never meet: neither term compares them.
        p: 0..1, weight of an instance by |E_i|^p (Eq. 3): 0 counts instances alike, 1 counts points alike.
        intra_pairs: what Eq. 2 divides by. "present": the ordered pairs of the scene's instances;
            "largest_id": twice those of all numbers from 1 to the largest, as the released code does.

    Scenes without any instance are left out; with none left, all terms are zero and keep their graph.

    Raises:
        ValueError: p outside 0..1, or lengths that differ.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p = {p!r}: expected a value in [0, 1] (Eq. 3)")
    if len(instance_label) != len(embeddings) or (scene is not None and len(scene) != len(embeddings)):
        raise ValueError(f"{len(embeddings)} embeddings for {len(instance_label)} labels; expected as many")
    scene = torch.zeros_like(instance_label) if scene is None else scene
    inter, intra = [], []
    for s in torch.unique(scene[instance_label >= 0]):
        rows = (scene == s) & (instance_label >= 0)
        number, instance = torch.unique(instance_label[rows], return_inverse=True)
        means = instance_means(embeddings[rows], instance)
        inter.append(inter_loss(embeddings[rows], instance, means, p, delta_inter))
        n = int(number[-1])
        intra.append(intra_loss(means, delta_intra, 2 * n * (n - 1) if intra_pairs == "largest_id" else None))
    zero = embeddings.sum() * 0.0
    inter_term = torch.stack(inter).mean() if inter else zero
    intra_term = torch.stack(intra).mean() if intra else zero
    return EmbeddingLoss(inter_term + gamma_intra * intra_term, inter_term, intra_term, len(inter))


def instance_means(embeddings: Tensor, instance: Tensor) -> Tensor:
    """(I, d) mean embedding of each instance 0..I-1: the µ_i of Eq. 2 and 4."""
    count = torch.bincount(instance)
    sums = embeddings.new_zeros(len(count), embeddings.shape[1]).index_add(0, instance, embeddings)
    return sums / count[:, None]


def inter_loss(embeddings: Tensor, instance: Tensor, means: Tensor, p: float, delta_inter: float) -> Tensor:
    """Eq. 3 over Eq. 4: the weighted mean over instances of how far their points stray beyond δ_inter."""
    excess = F.relu(torch.linalg.vector_norm(embeddings - means[instance], dim=1) - delta_inter)
    count = torch.bincount(instance).to(embeddings.dtype)
    mean_excess = embeddings.new_zeros(len(count)).index_add(0, instance, excess) / count
    weight = count**p
    return (weight * mean_excess).sum() / weight.sum()


def intra_loss(means: Tensor, delta_intra: float, pairs: int | None = None) -> Tensor:
    """Eq. 2: the mean over ordered pairs of instances of how much closer than 2·δ_intra their means lie.

    `pairs` divides instead of their number.
    """
    count = len(means)
    if count < 2:
        return means.sum() * 0.0
    first, second = torch.triu_indices(count, count, offset=1, device=means.device)
    distance = torch.linalg.vector_norm(means[first] - means[second], dim=1)
    return F.relu(2 * delta_intra - distance).sum() * 2 / (pairs or count * (count - 1))


def semantic_loss(logits: Tensor, semantic_label: Tensor, class_weight: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the annotated voxels: (N, C) logits, (N,) labels, IGNORE_INDEX left out.

    With a (C,) class_weight the mean is weighted by it.
    """
    if not (semantic_label != IGNORE_INDEX).any():
        return logits.sum() * 0.0
    return F.cross_entropy(logits, semantic_label, class_weight, ignore_index=IGNORE_INDEX)


def object_loss(
    logits: Tensor, semantic_label: Tensor, instance_label: Tensor, scene: Tensor, least: int = 8
) -> Tensor:
    """Mean cross-entropy over the objects, each named by all of its voxels together, as published ones are.

    (N, C) logits; (N,) labels, IGNORE_INDEX and negative instances left out; (N,) scene of each row. Every
    object counts alike, however large; those of fewer than `least` voxels do not. Zero without any.
    """
    rows = torch.nonzero((instance_label >= 0) & (semantic_label != IGNORE_INDEX)).flatten()
    classes = logits.shape[1]
    instance = scene[rows] * (instance_label.max() + 1) + instance_label[rows]
    key = instance * classes + semantic_label[rows]
    key, of_object, count = torch.unique(key, return_inverse=True, return_counts=True)
    large = count >= least
    if not large.any():
        return logits.sum() * 0.0
    votes = logits.new_zeros(len(count), classes, dtype=torch.float32)
    votes = votes.index_add(0, of_object, F.log_softmax(logits[rows].float(), dim=1)) / count[:, None]
    return F.cross_entropy(votes[large], key[large] % classes)


def corrected_loss(
    logits: Tensor,
    before: Tensor,
    label: Tensor,
    absent: Tensor,
    most: float = 0.3,
    class_weight: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy of (n, C) logits with (n,) labels that correct some of the classes, not all.

    What the (n, c) logits `before` gave the (C,) bool `absent` classes, which no label names, they keep, up
    to `most` of the whole. C - c are further classes. With a (C,) class_weight the mean is weighted by it.
    Zero without any row.
    """
    if not len(label):
        return logits.sum() * 0.0
    kept = torch.zeros_like(logits, dtype=torch.float32)
    kept[:, : before.shape[1]] = before.float().softmax(1) * absent[: before.shape[1]]
    kept *= (most / kept.sum(1, keepdim=True).clamp(min=1e-9)).clamp(max=1.0)
    target = kept.scatter_add(1, label[:, None], 1.0 - kept.sum(1, keepdim=True))
    each = -(target * logits.float().log_softmax(1)).sum(1)
    weight = torch.ones_like(each) if class_weight is None else class_weight[label]
    return (weight * each).sum() / weight.sum()


def divergence(before: Tensor, now: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence, nats, from (n, C) logits to (n, C + further classes) ones.

    Zero without any row.
    """
    if not len(before):
        return now.sum() * 0.0
    old = F.log_softmax(before.float(), dim=1)
    return (old.exp() * (old - F.log_softmax(now.float(), dim=1)[:, : before.shape[1]])).sum(1).mean()


def consistency_loss(logits: Tensor, twins: Tensor) -> Tensor:
    """Mean symmetric Kullback-Leibler divergence, nats, between the answers for the same place.

    (N, C) logits; (P, 2) rows that should have the same answer. Zero without any (R-Drop, Liang et al.,
    NeurIPS 2021, of two drop-outs; here of two augmentations).
    """
    if not len(twins):
        return logits.sum() * 0.0
    one, other = (F.log_softmax(logits[rows].float(), dim=1) for rows in twins.T)
    return ((one.exp() - other.exp()) * (one - other)).sum(dim=1).mean() / 2
