"""Scores as tables of text: one run by class, and several runs in the form of the paper's Tables I and II."""

from collections.abc import Mapping

from ssen_ros.evaluation.average_precision import PROTOCOLS

# The columns of the paper's tables, in its order and abbreviations.
PAPER_COLUMNS = {
    "bathtub": "bathtub",
    "bed": "bed",
    "bookshelf": "bookshelf",
    "cabinet": "cabinet",
    "chair": "chair",
    "counter": "counter",
    "curtain": "curtain",
    "desk": "desk",
    "door": "door",
    "other": "otherfurniture",
    "picture": "picture",
    "refrig": "refrigerator",
    "showerCurt": "shower curtain",
    "sink": "sink",
    "sofa": "sofa",
    "table": "table",
    "toilet": "toilet",
    "window": "window",
}


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with columns of equal width; the first to the left, the others to the right."""
    widths = [max(3, *(len(row[i]) for row in (header, *rows))) for i in range(len(header))]
    ruler = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: list[str]) -> str:
        padded = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(padded) + " |"

    return "\n".join(line(cells) for cells in (header, ruler, *rows))


def protocol_text(protocol: str) -> str:
    """Which AP this is; to be said wherever it stands."""
    thresholds = PROTOCOLS[protocol]
    whose = {"scannet": "as ScanNet's script", "paper": "as the paper says"}[protocol]
    return f"AP over {len(thresholds)} IoU thresholds {thresholds[0]:.2f} to {thresholds[-1]:.2f}, {whose}"


def paper_table(runs: Mapping[str, dict], metric: str = "ap") -> str:
    """{name of the run: its scores} in the form of the paper's Tables I and II, values from 0 to 1."""
    header = ["", {"ap": "AP", "ap50": "AP50", "ap25": "AP25"}[metric], *PAPER_COLUMNS]
    rows = []
    for name, scores in runs.items():
        instance = scores["instance"]
        values = [instance[metric], *(instance["per_class"][c][metric] for c in PAPER_COLUMNS.values())]
        rows.append([name, *("-" if v is None else f"{v:.3f}" for v in values)])
    return table(header, rows)


def class_table(scores: dict) -> str:
    """IoU, AP, AP50 and AP25 of each class and their means, in percent."""
    metrics = ("iou", "ap", "ap50", "ap25")
    rows = [[row["class"], *(_percent(row[m]) for m in metrics)] for row in scores["rows"]]
    means = [scores["semantic"]["miou"], *(scores["instance"][m] for m in metrics[1:])]
    return table(["%", "IoU", "AP", "AP50", "AP25"], [*rows, ["mean", *map(_percent, means)]])


def size_table(scores: dict) -> str:
    """Precision and recall at IoU 0.50, by size in vertices."""
    rows = []
    for row in scores["instance"]["by_size"]:
        low, high = row["vertices_from"], row["vertices_to"]
        rows.append(
            [
                f"{low:,} and more" if high is None else f"{low:,} to {high - 1:,}",
                str(row["truth"]),
                _percent(row["recall"]),
                str(row["predictions"]),
                _percent(row["precision"]),
            ]
        )
    return table(["vertices", "truth", "recall %", "predictions", "precision %"], rows)


def rooms_table(scores: dict) -> str:
    """A row a labelled map, and one for all; in percent, but for the counts of objects."""
    header = ["map", "network %", "published %", "objects", "located", "found", "published right %",
              "unknown as things %", "same in yaws %", "things %",
              *(f"{100 * float(share):g} % strays" for share in scores["strays"])]  # fmt: skip
    whole = {**scores, **scores["objects"], **{f"strays_{s}": v for s, v in scores["strays"].items()}}
    shares = ("network_accuracy", "published_accuracy")
    others = ("published_right", "unknown_as_things", "same_label_in_yaws", "same_label_of_things_in_yaws",
              *(f"strays_{share}" for share in scores["strays"]))  # fmt: skip
    rows = [
        [
            name,
            *(_percent(row[key]) for key in shares),
            *(str(row[key]) for key in ("all", "located", "found")),
            *(_percent(row[key]) for key in others),
        ]
        for name, row in [*((row["room"], row) for row in scores["rooms"]), ("all", whole)]
    ]
    return table(header, rows)


def objects_table(scores: dict) -> str:
    """True objects by their longest side, and by whether another touches them."""
    objects = scores["objects"]
    named = [("all", objects)]
    for row in objects["by_extent"]:
        low, high = row["extent_from_m"], row["extent_to_m"]
        named.append((f"{low:g} m and more" if high is None else f"{low:g} to {high:g} m", row))
    named += [("touches another" if row["touches"] else "alone", row) for row in objects["by_contact"]]
    columns = ("located", "found", "located_50", "found_50")
    header = ["objects", "true", "located %", "found %", "located, IoU 0.5, %", "found, IoU 0.5, %"]
    return table(header, [[name, str(row["all"]), *(_percent(row[c] / row["all"] if row["all"] else None)
                                                    for c in columns)] for name, row in named])  # fmt: skip


def rooms_class_table(scores: dict) -> str:
    """A row a class that is there or was said."""
    rows = [row for row in scores["rows"] if row["points"] or row["predicted"]]
    header = ["class", "points", "recall %", "precision %", "objects", "located", "found"]
    shares, counts = ("recall", "precision"), ("all", "located", "found")
    return table(header, [[row["class"], f"{row['points']:,}", *(_percent(row[k]) for k in shares),
                           *(str(row[k]) for k in counts)] for row in rows])  # fmt: skip


def streaming_table(scores: dict) -> str:
    """A row a walk, and one for all; in percent, but for counts and the median seconds of an update."""
    header = ["walk", "updates", "loops closed", "changed", "as a whole pass", "flicker", "id switches",
              "over a closure", "fragmentation", "IDF1", "mIoU", "settled", "one-shot", "AP50", "settled",
              "one-shot", "s"]  # fmt: skip
    shares = ("changed", "agreement", "flicker", "id_switches", "id_switches_loop_closure", "fragmentation",
              "idf1", "miou", "miou_settled", "miou_one_shot", "ap50", "ap50_settled",
              "ap50_one_shot")  # fmt: skip
    walks = [*((str(row["walk"]), row) for row in scores["rows"]), ("all", scores)]
    return table(header, [[name, str(row["updates"]), str(row["loop_closures"]),
                           *(_percent(row[key]) for key in shares),
                           f"{row['seconds']['total']:.2f}"] for name, row in walks])  # fmt: skip


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
