"""Figure 3: the time of the whole pipeline a scan and a stage, beside what others have published."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ssen_ros.figures.figure import Figure, machine

SCANS = 312  # of ScanNet's validation split, of which the published times are

_OURS_IN_PAPER_S = 5 * 60.0  # "our method only took 5 minutes to obtain results from ScanNet validation set"
_THEIR_MACHINE = "Titan X, one thread of an i7"
_SSEN_MACHINE = "RTX 2080, one thread of an i7"
_THEIRS = "#b8bcc4"
_COLORS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677")  # P. Tol's, told apart by the colour-blind


@dataclass(frozen=True)
class Published:
    """What the SSEN paper says of a method, for all SCANS."""

    method: str
    seconds: float
    machine: str
    sign: str = ""  # "≥" where it gives a bound, "≈" where it says "about"


# As far as the paper's text goes (Sec. IV, caption of Fig. 3, footnote 2): it draws the times that others
# published as bars, and says of them in words only how many times longer than SSEN they took.
PUBLISHED = (
    Published("SSEN with mean shift", 24 * 3600.0, _SSEN_MACHINE),  # "took one day"
    Published("ASIS", 50 * _OURS_IN_PAPER_S, _THEIR_MACHINE, "≈"),  # "about 50 times faster"
    Published("3D-BoNet", 2 * _OURS_IN_PAPER_S, _THEIR_MACHINE, "≥"),  # "at least two times faster"
    Published("SSEN (paper)", _OURS_IN_PAPER_S, _SSEN_MACHINE),
)


def figure_3(ours: dict[str, Any]) -> Figure:
    """`ours` is what `benchmarks.scans.time_scans` returns."""
    published = [
        {
            "method": one.method,
            "seconds_a_scan": round(one.seconds / SCANS, 2),
            "sign": one.sign,
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
    rows = [(f"{one['method']}\n{one['machine']}", one["seconds_a_scan"], one["sign"], _THEIRS)
            for one in data["published"]]  # fmt: skip
    rows.append((f"ours\n{here}", ours["seconds_a_scan"], "", _COLORS[0]))
    drawing = Drawing(figsize=(12, 1.2 + 0.5 * len(rows)), layout="constrained", dpi=110)
    canvas = FigureCanvasAgg(drawing)
    left, right = drawing.subplots(1, 2, width_ratios=(3, 2))
    place = np.arange(len(rows))[::-1]
    left.barh(place, [seconds for _, seconds, _, _ in rows], color=[color for *_, color in rows], height=0.62)
    left.set(xscale="log", xlabel="seconds a scan", title="the whole pipeline")
    left.set_yticks(place, [label for label, *_ in rows], fontsize=8)
    left.set_xlim(left=0.1, right=4 * max(seconds for _, seconds, _, _ in rows))
    for y, (_, seconds, sign, _) in zip(place, rows):
        left.text(1.1 * seconds, y, f"{sign} {seconds:.3g} s".strip(), va="center", fontsize=9)
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
