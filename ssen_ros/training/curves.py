"""Training curves as a picture."""

from collections.abc import Sequence
from pathlib import Path

from ssen_ros.errors import SsenError
from ssen_ros.io.replacing import replacing
from ssen_ros.training.run_folder import read_log

_NO_CURVE = {"step", "minutes", "rooms"}


def draw_curves(runs: Sequence[Path | str], out: Path | str) -> Path:
    """Draw what the logs of these run folders hold against the step, one plot a quantity; returns `out`.

    Raises SsenError where matplotlib or a log is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # late: optional, and slow to import
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SsenError(f"curves need matplotlib ({error}); pip install 'ssen-ros[training]'") from error

    logs = {Path(run): _log(Path(run)) for run in runs}
    quantities = list(
        dict.fromkeys(name for log in logs.values() for line in log for name in line if name not in _NO_CURVE)
    )
    figure = Figure(figsize=(4.5 * len(quantities), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    for plot, name in zip(figure.subplots(1, len(quantities), squeeze=False)[0], quantities):
        for run, log in logs.items():
            lines = [line for line in log if name in line]
            plot.plot([line["step"] for line in lines], [line[name] for line in lines], label=run.name)
        plot.set(title=name, xlabel="step")
        plot.grid(alpha=0.3)
    plot.legend()
    out = Path(out)
    with replacing(out) as temporary:
        figure.savefig(temporary, dpi=110, format=out.suffix[1:] or "png")
    return out


def _log(run: Path) -> list[dict[str, float]]:
    remedy = "expected a folder that `ssen train` writes, with some steps done"
    try:
        lines = read_log(run)
    except FileNotFoundError as error:
        raise SsenError(f"{run}: no log.jsonl; {remedy}") from error
    if not lines:
        raise SsenError(f"{run}: log.jsonl has 0 lines; {remedy}")
    return lines
