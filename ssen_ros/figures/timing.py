"""Figure 3: the time of the whole pipeline a scan and a stage, beside what others have published."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssen_ros.figures.figure import Figure, machine

SCANS = 312  # of ScanNet's validation split, of which the published times are

_THEIR_MACHINE = "Titan X, one thread of an i7"
_THEIRS = "#b8bcc4"
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


def figure_3(ours: dict[str, Any]) -> Figure:
    """`ours` is what `benchmarks.scans.time_scans` returns."""
    published = [
        {
            "method": one.method,
            "seconds_a_scan": round(one.seconds / SCANS, 2),
            "at_most": one.at_most,
            "machine": one.machine,
        }
        for one in PUBLISHED
    ]
    stages = {stage: round(seconds, 4) for stage, seconds in ours["stages"].items()}
    told = {**ours, "stages": stages, "seconds_a_scan": round(sum(stages.values()), 3)}
    data = {"published": published, "ours": told}
    return Figure(3, data, _draw(data))


def _draw(data: dict[str, Any]) -> np.ndarray:
    """(H, W, 3) uint8: all methods on an axis of powers of ten, and the stages of ours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # late: optional, and slow to import
    from matplotlib.figure import Figure as Drawing

    ours = data["ours"]
    here = f"{machine()}, {ours['threads']} thread{'s' * (ours['threads'] > 1)}"
    rows = [(f"{one['method']}\n{one['machine']}", one["seconds_a_scan"], one["at_most"], _THEIRS)
            for one in data["published"]]  # fmt: skip
    rows.append((f"ours\n{here}", ours["seconds_a_scan"], False, _COLORS[0]))
    drawing = Drawing(figsize=(12, 1.2 + 0.5 * len(rows)), layout="constrained", dpi=110)
    canvas = FigureCanvasAgg(drawing)
    left, right = drawing.subplots(1, 2, width_ratios=(3, 2))
    place = np.arange(len(rows))[::-1]
    left.barh(place, [seconds for _, seconds, _, _ in rows], color=[color for *_, color in rows], height=0.62)
    left.set(xscale="log", xlabel="seconds a scan", title="the whole pipeline")
    left.set_yticks(place, [label for label, *_ in rows], fontsize=8)
    left.set_xlim(left=0.1, right=4 * max(seconds for _, seconds, _, _ in rows))
    for y, (_, seconds, at_most, _) in zip(place, rows):
        left.text(1.1 * seconds, y, f"{'≤ ' if at_most else ''}{seconds:.3g} s", va="center", fontsize=9)
    stages = ours["stages"]
    place = np.arange(len(stages))[::-1]
    right.barh(place, list(stages.values()), color=_COLORS[: len(stages)], height=0.62)
    right.set(xlabel="seconds a scan", title="the stages of ours")
    right.set_yticks(place, list(stages))
    right.set_xlim(right=1.2 * max(stages.values()))
    for y, seconds in zip(place, stages.values()):
        right.text(seconds, y, f" {seconds:.3g} s", va="center", fontsize=9)
    for plot in (left, right):
        plot.spines[["top", "right"]].set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
