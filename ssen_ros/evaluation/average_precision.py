"""Average precision of instances, number for number as ScanNet's benchmark script computes it.

Source: github.com/ScanNet/ScanNet, BenchmarkScripts/3d_evaluation/evaluate_semantic_instance.py. Where it
departs from the textbook:

- Regions under 100 vertices: predictions are dropped; truth is not counted, and what a prediction shares with
  such truth of its own class is ignored like void.
- Void is every vertex of no annotated thing: walls, floor, the unannotated. A prediction that matches nothing
  is held against the method only if at most `threshold` of it is ignored, so that at 0.9 nearly all are.
- Truth takes its predictions in the order in which they were given, not by score. Of several that match one
  truth the highest score counts as the match, each lower one as a false positive; only the first is used up.
- Precision and recall are taken at each distinct score, joined to (1, 0), and integrated by central
  differences; precision is not made monotone.
- A class without truth has no value (NaN), one with truth and without predictions has 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssen_ros.labels import NUM_CLASSES, is_thing, of_the_twenty

MIN_REGION = 100  # vertices
# IoU thresholds that AP averages. The script's range ends before 0.95; the paper (Sec. IV) names 0.95 too.
PROTOCOLS = {"scannet": np.arange(0.5, 0.95, 0.05), "paper": np.arange(0.5, 1.0, 0.05)}

_SIZE_EDGES = (MIN_REGION, 300, 1000, 3000, 10_000)  # vertices


@dataclass(frozen=True)
class Prediction:
    """One predicted instance of a scene."""

    class_id: int  # index into CLASS_NAMES
    score: float
    rows: np.ndarray  # (n,) int, its vertices, each once


@dataclass(frozen=True)
class SceneMatches:
    """What the predictions and the truth of one scene share: all that average precision is made of.

    G truth instances of any size, ascending by class and instance; P predictions of MIN_REGION vertices and
    more, in the order given.
    """

    truth_class: np.ndarray  # (G,) int64
    truth_size: np.ndarray  # (G,) int64, vertices
    class_id: np.ndarray  # (P,) int64
    size: np.ndarray  # (P,) int64, vertices
    score: np.ndarray  # (P,) float64
    void: np.ndarray  # (P,) int64, vertices of no annotated thing
    shared: np.ndarray  # (G, P) int64, vertices in both; 0 where the classes differ

    @property
    def counts(self) -> np.ndarray:
        """(G,) bool: truth that is large enough to be asked for."""
        return self.truth_size >= MIN_REGION

    def matches(self, threshold: float) -> np.ndarray:
        """(G, P) bool: same class, and an IoU strictly above the threshold."""
        return self.shared / (self.truth_size[:, None] + self.size - self.shared) > threshold

    def ignored(self) -> np.ndarray:
        """(P,) share of each prediction that lies on void and on truth too small to count."""
        return (self.void + self.shared[~self.counts].sum(0)) / self.size


def match_scene(
    semantic_label: np.ndarray, instance_label: np.ndarray, predictions: Sequence[Prediction]
) -> SceneMatches:
    """Compare the predictions with the truth of a scene's N vertices.

    Args:
        semantic_label: (N,) indices into LABEL_NAMES, negative where not annotated.
        instance_label: (N,) instance numbers, negative where of none.

    An instance is a pair of class and number, as in the benchmark's files. Predictions of a class that is no
    thing are dropped.
    """
    thing = is_thing()
    annotated = of_the_twenty(semantic_label) & (instance_label >= 0)
    annotated[annotated] = thing[semantic_label[annotated]]
    pair = semantic_label[annotated].astype(np.int64) << 32 | instance_label[annotated].astype(np.int64)
    pairs, truth = np.unique(pair, return_inverse=True)
    truth_of_vertex = np.full(len(annotated), len(pairs))  # the last: void
    truth_of_vertex[annotated] = truth
    truth_class = pairs >> 32
    kept = [p for p in predictions if len(p.rows) >= MIN_REGION and p.class_id >= 0 and thing[p.class_id]]
    overlaps = [np.bincount(truth_of_vertex[p.rows], minlength=len(pairs) + 1) for p in kept]
    overlap = np.array(overlaps, np.int64).reshape(len(kept), len(pairs) + 1).T
    class_id = np.array([p.class_id for p in kept], np.int64)
    return SceneMatches(
        truth_class=truth_class,
        truth_size=np.bincount(truth, minlength=len(pairs)),
        class_id=class_id,
        size=np.array([len(p.rows) for p in kept], np.int64),
        score=np.array([p.score for p in kept], np.float64),
        void=overlap[-1],
        shared=np.where(truth_class[:, None] == class_id, overlap[:-1], 0),
    )


def average_precisions(scenes: Sequence[SceneMatches], protocol: str = "scannet") -> dict[str, np.ndarray]:
    """{"ap", "ap50", "ap25"}: (C,) of each class, NaN for stuff and for classes without truth.

    "ap" is the mean over the thresholds of the protocol, a key of PROTOCOLS.
    """
    over_thresholds = [class_average_precision(scenes, threshold) for threshold in PROTOCOLS[protocol]]
    return {
        "ap": np.mean(over_thresholds, axis=0),
        "ap50": over_thresholds[0],
        "ap25": class_average_precision(scenes, 0.25),
    }


def class_average_precision(scenes: Sequence[SceneMatches], threshold: float) -> np.ndarray:
    """(C,) average precision of each class over all scenes at one IoU threshold."""
    outcomes = [row for scene in scenes for row in _outcomes(scene, threshold)]
    table = np.array(outcomes, np.float64).reshape(-1, 3)
    truth = np.sum([np.bincount(s.truth_class[s.counts], minlength=NUM_CLASSES) for s in scenes], axis=0)
    of_class = [table[table[:, 0] == c] for c in range(NUM_CLASSES)]
    return np.array(
        [average_precision(rows[:, 1], rows[:, 2] > 0, n) for rows, n in zip(of_class, truth)], np.float64
    )


def _outcomes(scene: SceneMatches, threshold: float) -> list[tuple[int, float, bool]]:
    """(class, score, correct) of every prediction that counts; some are counted twice, see the module."""
    outcomes = []
    matches = scene.matches(threshold)
    used = np.zeros(len(scene.size), bool)
    for g in np.flatnonzero(scene.counts):
        candidates = [p for p in np.flatnonzero(matches[g]) if not used[p]]
        if not candidates:
            continue
        used[candidates[0]] = True
        best, *lower = np.sort(scene.score[candidates])[::-1]
        outcomes.append((scene.truth_class[g], best, True))
        outcomes += [(scene.truth_class[g], score, False) for score in lower]
    unmatched = ~matches.any(0) & (scene.ignored() <= threshold)
    outcomes += [(scene.class_id[p], scene.score[p], False) for p in np.flatnonzero(unmatched)]
    return outcomes


def average_precision(score: np.ndarray, correct: np.ndarray, num_truth: int) -> float:
    """The script's integral of precision over recall; NaN without truth.

    Args:
        score: (K,) of each counted prediction.
        correct: (K,) bool, whether it is the match of a truth instance.
        num_truth: instances there are to find.
    """
    if num_truth == 0:
        return float("nan")
    if len(score) == 0:  # nothing predicted, or all of it ignored, where the script fails
        return 0.0
    order = np.argsort(score, kind="stable")
    _, first = np.unique(score[order], return_index=True)  # where each distinct score begins
    hits = correct.sum() - np.cumsum([0, *correct[order]])[first]  # with that score and higher ones
    precision = np.append(hits / (len(score) - first), 1.0)
    recall = np.append(hits / num_truth, 0.0)
    ends = np.concatenate([recall[:1], recall, [0.0]])
    return float(precision @ (ends[:-2] - ends[2:]) / 2)


def precision_recall_by_size(scenes: Sequence[SceneMatches], threshold: float = 0.5) -> list[dict]:
    """Rows of `vertices_from`, `vertices_to` (None: no limit), `truth`, `recall`, `predictions`, `precision`.

    Recall by the size of the truth, precision by that of the prediction, over all classes and scores; matched
    and ignored as for average precision; None where there is nothing to share out.
    """
    truth_size, found, size, right = [np.concatenate(column) for column in zip(*_by_size(scenes, threshold))]
    rows = []
    for low, high in zip(_SIZE_EDGES, (*_SIZE_EDGES[1:], None)):
        truth = (truth_size >= low) & (truth_size < (high or np.inf))
        predicted = (size >= low) & (size < (high or np.inf))
        rows.append(
            {
                "vertices_from": low,
                "vertices_to": high,
                "truth": int(truth.sum()),
                "recall": float(found[truth].mean()) if truth.any() else None,
                "predictions": int(predicted.sum()),
                "precision": float(right[predicted].mean()) if predicted.any() else None,
            }
        )
    return rows


def _by_size(scenes: Sequence[SceneMatches], threshold: float):
    for scene in scenes:
        matches, counts = scene.matches(threshold), scene.counts
        right = np.asarray(matches[counts].any(0))
        judged = right | ~(matches.any(0) | (scene.ignored() > threshold))
        yield scene.truth_size[counts], matches[counts].any(1), scene.size[judged], right[judged]
