"""Figure 3: the time of the whole pipeline a scan and a stage, beside what others have published."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssen_ros.figures.figure import Figure

SCANS = 312  # of ScanNet's validation split, of which the published times are

_THEIR_MACHINE = "Titan X, one thread of an i7"
_COLORS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677")  # P. Tol's, told apart by the colour-blind


@dataclass(frozen=True)
class Published:
    """What a publication says of a method, for all SCANS."""

    method: str
    seconds: float
    machine: str
    at_most: bool = False  # it says no more than this bound


# Those that SSEN's authors excerpt in their Fig. 3, by the table of 3D-BoNet (arXiv 1906.01140). Of SSEN
# itself the text gives no number but "at least two times faster than BoNet".
PUBLISHED = (
    Published("ASIS", 56757, _THEIR_MACHINE),
    Published("SGPN", 49433, _THEIR_MACHINE),
    Published("3D-SIS", 38841, _THEIR_MACHINE),
    Published("GSPN", 3963, _THEIR_MACHINE),
    Published("3D-BoNet", 2871, _THEIR_MACHINE),
    Published("SSEN (paper)", 2871 / 2, "RTX 2080, one thread of an i7", at_most=True),
)


def figure_3(ours: dict[str, dict[str, Any]]) -> Figure:
    """`ours` are {name: what `time_scans` returns, and "machine"}."""
    data = {
        "published": [
            {
                "method": one.method,
                "seconds_a_scan": round(one.seconds / SCANS, 2),
                "at_most": one.at_most,
                "machine": one.machine,
            }
            for one in PUBLISHED
        ],
        "ours": {
            name: told
            | {
                "stages": {stage: round(seconds, 4) for stage, seconds in told["stages"].items()},
                "seconds_a_scan": round(sum(told["stages"].values()), 3),
            }
            for name, told in ours.items()
        },
    }
    return Figure(3, data, _draw(data))


def _draw(data: dict[str, Any]) -> np.ndarray:
    """(H, W, 3) uint8: all methods on an axis of powers of ten, and the stages of ours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # late: optional, and slow to import
    from matplotlib.figure import Figure as Drawing

    ours = data["ours"]
    rows = [(one["method"] + "\n" + one["machine"], one["seconds_a_scan"], one["at_most"], "#b8bcc4")
            for one in data["published"]]  # fmt: skip
    rows += [
        (f"{name}\n{told['machine']}", told["seconds_a_scan"], False, _COLORS[0])
        for name, told in ours.items()
    ]
    drawing = Drawing(figsize=(12, 1.2 + 0.48 * len(rows)), layout="constrained")
    canvas = FigureCanvasAgg(drawing)
    left, right = drawing.subplots(1, 2, width_ratios=(3, 2))
    place = np.arange(len(rows))[::-1]
    left.barh(place, [seconds for _, seconds, _, _ in rows], color=[color for *_, color in rows], height=0.62)
    left.set(xscale="log", xlabel="seconds a scan", title="the whole pipeline")
    left.set_yticks(place, [label for label, *_ in rows], fontsize=8)
    left.set_xlim(right=4 * max(seconds for _, seconds, _, _ in rows))
    for y, (_, seconds, at_most, _) in zip(place, rows):
        left.text(1.1 * seconds, y, f"{'≤ ' if at_most else ''}{seconds:.3g} s", va="center", fontsize=9)
    bottom = np.zeros(len(ours))
    for stage, color in zip(next(iter(ours.values()))["stages"], _COLORS, strict=True):
        share = [100 * told["stages"][stage] / told["seconds_a_scan"] for told in ours.values()]
        right.bar(list(ours), share, bottom=bottom, color=color, label=stage, width=0.55)
        bottom += share
    right.set(ylabel="% of the time", title="the stages of ours")
    right.tick_params(axis="x", labelsize=8)
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, reverse=True)
    for plot in (left, right):
        plot.spines[["top", "right"]].set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
