"""Votes within groups."""

import numpy as np


def majority(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The most frequent of the (n,) integer values of each group, in the order of the (n,) group numbers.

    Of equally frequent values, the largest.
    """
    order = np.lexsort((value, group))
    group, value = group[order], value[order]
    is_new = np.ones(len(group), bool)
    is_new[1:] = (group[1:] != group[:-1]) | (value[1:] != value[:-1])
    first = np.flatnonzero(is_new)
    count = np.diff(first, append=len(group))
    group, value = group[first], value[first]
    order = np.lexsort((count, group))
    is_last = np.append(group[1:] != group[:-1], True)[: len(group)]
    return value[order][is_last]
