from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssen_ros.datasets.labelled_voxels import majority

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(-2, 1 << 40) | st.integers(0, 3)), max_size=60)


@given(pairs)
def test_majority_equals_counting(rows):
    votes: dict[int, Counter] = {}
    for group, value in rows:
        votes.setdefault(group, Counter())[value] += 1
    expected = [max(votes[g], key=lambda v, g=g: (votes[g][v], v)) for g in sorted(votes)]
    table = np.array(rows, np.int64).reshape(-1, 2)
    assert majority(table[:, 0], table[:, 1]).tolist() == expected
