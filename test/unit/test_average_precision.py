"""ScanNet's instance protocol: every rule with numbers worked out by hand, and what holds for any data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssen_ros.evaluation.average_precision import (
    MIN_REGION,
    PROTOCOLS,
    Prediction,
    average_precision,
    average_precisions,
    class_average_precision,
    match_scene,
    precision_recall_by_size,
)
from ssen_ros.labels import CLASS_NAMES, is_thing

WALL, CHAIR, TABLE, SOFA = (CLASS_NAMES.index(n) for n in ("wall", "chair", "table", "sofa"))


def scene(parts, predictions):
    """Parts: (class, instance, vertices), one after the other. Predictions: (class, score, first, last)."""
    semantic = np.concatenate([np.full(n, c) for c, _, n in parts])
    instance = np.concatenate([np.full(n, i) for _, i, n in parts])
    return match_scene(semantic, instance, [Prediction(c, s, np.arange(a, b)) for c, s, a, b in predictions])


def chair_ap(parts, predictions, threshold=0.5):
    return class_average_precision([scene(parts, predictions)], threshold)[CHAIR]


ONE_CHAIR = [(CHAIR, 1, 200), (WALL, -1, 1000)]
TWO_CHAIRS = [(CHAIR, 1, 200), (CHAIR, 2, 200), (WALL, -1, 1000)]


def test_nine_thresholds_or_the_papers_ten():
    nine = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9]
    np.testing.assert_allclose(PROTOCOLS["scannet"], nine)
    np.testing.assert_allclose(PROTOCOLS["paper"], [*nine, 0.95])
    matches = [scene(ONE_CHAIR, [(CHAIR, 1.0, 0, 184)])]  # IoU 0.92
    assert average_precisions(matches)["ap"][CHAIR] == 1.0
    assert average_precisions(matches, "paper")["ap"][CHAIR] == pytest.approx(0.9)


def test_ap_is_the_mean_over_thresholds_and_ap50_and_ap25_are_its_own():
    scores = average_precisions([scene(ONE_CHAIR, [(CHAIR, 1.0, 0, 126)])])  # IoU 0.63: above 3 of 9
    assert scores["ap"][CHAIR] == pytest.approx(3 / 9)
    assert scores["ap50"][CHAIR] == scores["ap25"][CHAIR] == 1.0
    scores = average_precisions([scene([(CHAIR, 1, 400)], [(CHAIR, 1.0, 0, 120)])])  # IoU 0.3
    assert (scores["ap"][CHAIR], scores["ap50"][CHAIR], scores["ap25"][CHAIR]) == (0.0, 0.0, 1.0)


def test_the_iou_must_exceed_the_threshold_and_the_class_agree():
    assert chair_ap([(CHAIR, 1, 400)], [(CHAIR, 0.9, 0, 200)]) == 0.0  # IoU is exactly 0.5
    assert chair_ap([(CHAIR, 1, 400)], [(CHAIR, 0.9, 0, 201)]) == 1.0
    assert chair_ap(ONE_CHAIR, [(TABLE, 0.9, 0, 200)]) == 0.0


def test_predictions_under_100_vertices_are_dropped():
    missed = [(CHAIR, 1, 200), (TABLE, 1, 200)]
    good = (CHAIR, 0.5, 0, 200)
    assert chair_ap(missed, [good, (CHAIR, 0.9, 200, 200 + MIN_REGION - 1)]) == 1.0
    # 1 of 2 right at the lower score: precision 1/2, recall 1; at the higher 0, 0; then 1, 0.
    # Steps of recall: (1 - 0)/2, (1 - 0)/2, 0.
    assert chair_ap(missed, [good, (CHAIR, 0.9, 200, 200 + MIN_REGION)]) == pytest.approx(0.25)


def test_small_truth_is_not_asked_for_and_what_lies_on_it_is_ignored():
    parts = [(CHAIR, 1, 200), (CHAIR, 2, 99), (TABLE, 1, 200)]
    good = (CHAIR, 0.5, 0, 200)
    assert chair_ap(parts, [good]) == 1.0
    assert chair_ap(parts, [good, (CHAIR, 0.9, 200, 300)]) == 1.0  # its match is too small: neither way
    # 99 of 180 on the small chair, no match (IoU 0.55 > 0.5 would be one): 99 of 199 are 0.497 <= 0.5
    assert chair_ap(parts, [good, (CHAIR, 0.9, 200, 399)]) == pytest.approx(0.25)
    assert chair_ap(parts, [good, (CHAIR, 0.9, 200, 397)]) == 1.0  # 99 of 197 are more than half
    # Small truth of another class is neither a match nor void.
    assert chair_ap([(CHAIR, 1, 200), (TABLE, 1, 99), (SOFA, 1, 9)], [good, (CHAIR, 0.9, 200, 308)]) == 0.25
    # With nothing else there is no chair to find.
    assert np.isnan(chair_ap([(CHAIR, 2, 99), (TABLE, 1, 200)], [good]))


@pytest.mark.parametrize("stuff", [(WALL, -1, 1000), (-1, -1, 1000), (-1, 5, 1000), (CHAIR, -1, 1000)])
def test_walls_and_the_unannotated_are_void_up_to_the_threshold(stuff):
    parts = [(CHAIR, 1, 200), (TABLE, 1, 200), stuff]
    good = (CHAIR, 0.5, 0, 200)
    assert chair_ap(parts, [good, (CHAIR, 0.9, 400, 600)]) == 1.0
    half = (CHAIR, 0.9, 300, 500)  # exactly half on void
    assert chair_ap(parts, [good, half]) == pytest.approx(0.25)  # not more than the threshold: counted
    assert chair_ap(parts, [good, half], 0.25) == 1.0
    most = (CHAIR, 0.9, 385, 485)  # 85 % on void
    assert chair_ap(parts, [good, most], 0.8) == 1.0
    assert chair_ap(parts, [good, most], 0.9) == pytest.approx(0.25)


def test_a_second_match_is_a_false_positive_at_the_lower_score():
    # Match at 0.9, false positive at 0.4, whichever comes first. Precision 1/2, 1, 1 at recall 1, 1, 0.
    first, second = (CHAIR, 0.4, 0, 200), (CHAIR, 0.9, 0, 190)
    expected = 0.5 * (1 - 1) / 2 + 1.0 * (1 - 0) / 2 + 1.0 * (1 - 0) / 2
    for predictions in ([first, second], [second, first]):
        assert chair_ap(ONE_CHAIR, predictions) == pytest.approx(expected)
    # A third at 0.9 again: scores 0.4, 0.9, 0.9, of which one right: precision 1/3, 1/2, 1 at recall 1, 1, 0.
    three = [first, second, (CHAIR, 0.9, 0, 180)]
    assert chair_ap(ONE_CHAIR, three) == pytest.approx(0.5 * 0.5 + 0.5 * 1.0)


def test_truth_takes_predictions_in_their_order_and_uses_up_the_first_alone():
    """At 0.25 a prediction over both chairs matches both; whether it is used up depends on the order."""
    both, left = (CHAIR, 0.9, 0, 400), (CHAIR, 0.8, 0, 200)
    # `both` first: the left chair uses it up, `left` is a duplicate (0.8, wrong), the right chair is missed.
    # 0.8: 1 of 2 right, recall 1/2; 0.9: 1 of 1, 1/2; (1, 0).
    first = 0.5 * (0.5 - 0.5) / 2 + 1.0 * (0.5 - 0) / 2 + 1.0 * (0.5 - 0) / 2
    assert chair_ap(TWO_CHAIRS, [both, left], 0.25) == pytest.approx(first)
    # `left` first: the left chair uses up `left`, counts the higher 0.9 as its match and 0.8 as wrong; `both`
    # is free for the right chair. 0.8: 2 of 3, recall 1; 0.9: 2 of 2, recall 1; (1, 0).
    assert chair_ap(TWO_CHAIRS, [left, both], 0.25) == pytest.approx(2 / 3 * 0 + 1.0 * 0.5 + 1.0 * 0.5)


def test_the_integral_is_of_central_differences_without_envelope():
    # right 0.9, wrong 0.8, right 0.7 of three: precision 2/3, 1/2, 1, 1 at recall 2/3, 1/3, 1/3, 0
    value = average_precision(np.array([0.7, 0.9, 0.8]), np.array([True, True, False]), 3)
    recall = [2 / 3, 2 / 3, 1 / 3, 1 / 3, 0, 0]
    steps = [(recall[i] - recall[i + 2]) / 2 for i in range(4)]
    assert value == pytest.approx(np.dot([2 / 3, 1 / 2, 1, 1], steps))
    envelope = 1 / 3 * 1 + 1 / 3 * 2 / 3
    assert value != pytest.approx(envelope)


def test_equal_scores_are_one_point_of_the_curve():
    # precision 1/2 at recall 1; then (1, 0): 1/2 * 1/2 + 1 * 1/2, in whatever order
    for correct in ([True, False], [False, True]):
        assert average_precision(np.array([0.5, 0.5]), np.array(correct), 1) == pytest.approx(0.75)


def test_without_predictions_0_and_without_truth_no_value():
    assert chair_ap(ONE_CHAIR, []) == 0.0
    assert np.isnan(class_average_precision([scene(ONE_CHAIR, [(TABLE, 0.5, 200, 400)])], 0.5)[TABLE])
    scores = average_precisions([scene(ONE_CHAIR, [])])["ap"]
    assert np.nanmean(scores) == 0.0 and np.isfinite(scores).sum() == 1


def test_all_predictions_ignored_while_truth_is_missed_is_0():
    """The official script fails here, on the last of an empty sum."""
    assert chair_ap(ONE_CHAIR, [(CHAIR, 0.9, 300, 500)]) == 0.0


def test_truth_of_one_number_and_two_classes_are_two_instances():
    matches = scene([(CHAIR, 1, 200), (TABLE, 1, 200)], [(CHAIR, 0.9, 0, 200), (TABLE, 0.9, 200, 400)])
    assert matches.truth_class.tolist() == [CHAIR, TABLE]
    ap = class_average_precision([matches], 0.5)
    assert ap[CHAIR] == ap[TABLE] == 1.0


def test_stuff_and_unknown_classes_are_never_instances():
    matches = scene([(WALL, 1, 200), (CHAIR, 1, 200)], [(WALL, 0.9, 0, 200), (-1, 0.9, 0, 200)])
    assert matches.truth_class.tolist() == [CHAIR] and len(matches.class_id) == 0
    assert np.isnan(class_average_precision([matches], 0.5)[~is_thing()]).all()


def test_scenes_are_pooled_before_the_curve():
    """Means of scenes would give 3/4: one curve over both has precision 2/3, 1, 1 at recall 1, 1/2, 0."""
    right = scene(ONE_CHAIR, [(CHAIR, 0.9, 0, 200)])
    half = scene([*ONE_CHAIR, (TABLE, 1, 200)], [(CHAIR, 0.5, 0, 200), (CHAIR, 0.5, 1200, 1400)])
    pooled = class_average_precision([right, half], 0.5)[CHAIR]
    assert pooled == pytest.approx(2 / 3 * (1 - 0.5) / 2 + 1.0 * (1 - 0) / 2 + 1.0 * (0.5 - 0) / 2)


def test_the_official_scripts_numbers():
    """Two scenes with everything at once; what ScanNet's script, brought to Python 3, says of these masks."""
    parts_0 = [
        (4, 0, 160), (4, 1, 100), (5, 2, 100), (6, 3, 100), (4, 4, 400), (0, -1, 160), (4, 6, 240),
        (6, 7, 99), (6, 8, 240), (4, 9, 70), (4, 10, 70), (5, 11, 400),
    ]  # fmt: skip
    predictions_0 = [
        (4, 0.6, 1637, 1771), (4, 0.1, 1623, 1645), (4, 0.3, 1044, 1276), (4, 0.2, 1575, 1693),
        (4, 0.4, 1685, 1715), (4, 0.6, 884, 996), (4, 0.2, 836, 1028), (6, 0.2, 852, 1044),
        (6, 0.6, 876, 1020), (5, 0.6, 244, 376), (4, 0.6, 1583, 1669), (6, 0.2, 1044, 1284),
        (4, 0.3, 16, 144), (6, 0.5, 860, 988), (4, 0.6, 24, 184), (4, 0.6, 444, 892),
    ]  # fmt: skip
    parts_1 = [
        (0, -1, 99), (6, 1, 100), (0, -1, 100), (0, -1, 160), (0, -1, 400), (4, 5, 160), (5, 6, 160),
        (4, 7, 160), (-1, -1, 99), (4, 9, 100), (4, 10, 400), (0, -1, 400),
    ]  # fmt: skip
    predictions_1 = [
        (6, 0.1, 115, 231), (4, 0.1, 1211, 1331), (6, 0.2, 191, 307), (6, 0.1, 223, 267),
        (4, 0.1, 1930, 2338), (6, 0.1, 1035, 1171), (4, 0.3, 883, 1019), (4, 0.2, 123, 231),
        (4, 0.2, 1211, 1339), (4, 0.5, 1454, 1570), (4, 0.5, 1371, 1454), (6, 0.1, 223, 283),
        (4, 0.5, 1355, 1470), (6, 0.1, 1347, 1438), (6, 0.3, 467, 843), (4, 0.1, 231, 331),
    ]  # fmt: skip
    matches = [scene(parts_0, predictions_0), scene(parts_1, predictions_1)]
    scores = average_precisions(matches)
    official = {
        CHAIR: (0.40676807760141087, 0.703125, 0.7098214285714286),
        SOFA: (0.2222222222222222, 0.3333333333333333, 0.3333333333333333),
        TABLE: (0.018518518518518517, 0.05555555555555555, 0.05555555555555555),
    }
    for c, expected in official.items():
        assert [values[c] for values in scores.values()] == pytest.approx(expected, abs=1e-12)


def test_precision_and_recall_by_size():
    parts = [(CHAIR, 1, 150), (CHAIR, 2, 250), (TABLE, 1, 2000), (SOFA, 1, 50), (WALL, -1, 5000)]
    predictions = [
        (CHAIR, 0.9, 0, 150),  # right
        (CHAIR, 0.8, 150, 270),  # 120 of chair 2: IoU 0.48, wrong
        (TABLE, 0.9, 400, 1900),  # right
        (SOFA, 0.9, 2400, 2550),  # void and small truth: ignored
    ]
    rows = precision_recall_by_size([scene(parts, predictions)])
    assert list(rows[0].values()) == [100, 300, 2, 0.5, 2, 0.5]
    assert (rows[2]["truth"], rows[2]["recall"], rows[2]["precision"]) == (1, 1.0, 1.0)
    assert rows[1]["recall"] is None and rows[-1]["vertices_to"] is None
    assert sum(r["truth"] for r in rows) == 3 and sum(r["predictions"] for r in rows) == 3
    rows = precision_recall_by_size([scene([(CHAIR, 1, 300)], [(CHAIR, 0.9, 0, 300)])])
    assert [(r["truth"], r["predictions"]) for r in rows] == [(0, 0), (1, 1), (0, 0), (0, 0), (0, 0)]


# --- what holds for any data -------------------------------------------------------------------


@st.composite
def random_scenes(draw):
    """Scenes of a few parts around the size limit, with predictions that overlap each other and the truth."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scenes = []
    for _ in range(draw(st.integers(1, 3))):
        classes = rng.choice([-1, WALL, CHAIR, CHAIR, TABLE], rng.integers(1, 8))
        parts = [(c, i if c > WALL else -1, int(rng.integers(60, 300))) for i, c in enumerate(classes)]
        total = sum(n for _, _, n in parts)
        starts = rng.integers(0, total, rng.integers(0, 12))
        predictions = [
            (
                int(rng.choice([CHAIR, TABLE])),
                int(rng.integers(1, 6)),
                a,
                min(total, a + rng.integers(80, 400)),
            )
            for a in starts
        ]
        scenes.append((parts, predictions))
    return scenes


def all_scores(scenes):
    return np.concatenate(list(average_precisions([scene(*s) for s in scenes]).values()))


@settings(max_examples=25)
@given(random_scenes())
def test_truth_against_itself_is_1(scenes):
    for parts, predictions in scenes:
        ends = np.cumsum([n for _, _, n in parts])
        predictions[:] = [
            (c, float(i), end - n, end) for (c, i, n), end in zip(parts, ends) if c > WALL and n >= MIN_REGION
        ]
    scores = all_scores(scenes)
    assert np.allclose(scores[np.isfinite(scores)], 1.0)


@settings(max_examples=25)
@given(random_scenes(), st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5, unique=True))
def test_only_the_order_of_the_scores_matters(scenes, values):
    values = sorted(values)
    mapped = [(parts, [(c, values[s - 1], a, b) for c, s, a, b in p]) for parts, p in scenes]
    np.testing.assert_array_equal(all_scores(mapped), all_scores(scenes))


@settings(max_examples=25)
@given(random_scenes(), st.randoms())
def test_the_order_of_the_scenes_does_not_matter(scenes, random):
    shuffled = random.sample(scenes, len(scenes))
    np.testing.assert_array_equal(all_scores(shuffled), all_scores(scenes))


@settings(max_examples=25)
@given(random_scenes())
def test_scores_lie_between_0_and_1(scenes):
    scores = all_scores(scenes)
    assert ((scores[np.isfinite(scores)] >= 0) & (scores[np.isfinite(scores)] <= 1 + 1e-12)).all()
