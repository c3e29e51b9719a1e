"""The texts of the view, as HTML. Whatever comes from outside (names, frames, errors) is escaped here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from ssen_ros.labelled_map import LabelledMap
from ssen_ros.stamps import SECOND_NS
from ssen_ros.structures import Event, Instance

_TABLE = (
    "<div class='ssen-text'><table style='width:100%;font-size:0.85em;border-spacing:0 2px'>{}</table></div>"
)
_ROW = "<tr><td style='opacity:0.65;vertical-align:top;padding-right:8px'>{}</td><td>{}</td></tr>"
_SWATCH = (
    "<span style='display:inline-block;width:0.8em;height:0.8em;margin:0 5px 0 0;background:rgb{}'></span>"
)


# On a phone the panel is a sheet below the map (viser 1.1.1 leaves it narrow and high); fingers need
# buttons of 40 px, and fields with letters that the browser does not zoom in on.
STYLE = """<style id="ssen-style">
.ssen-text { padding: 1px 0.6em; }
@media (pointer: coarse), (max-width: 576px) {
  .mantine-Button-root, .mantine-Tabs-tab { min-height: 40px; }
  .mantine-Select-input, .mantine-TextInput-input { min-height: 40px !important; font-size: 16px; }
  .mantine-Checkbox-input { width: 32px; height: 32px; }
}
@media (max-width: 576px) {
  .mantine-Paper-root:has(#ssen-style) { width: 100% !important; max-height: 42% !important; }
  .mantine-Paper-root:has(#ssen-style) [style*="width: 20em"] { width: 100% !important; }
}
</style>"""


def table(rows: Iterable[tuple[object, object]]) -> str:
    return _TABLE.format("".join(_ROW.format(escape(str(a)), escape(str(b))) for a, b in rows))


def note(text: str) -> str:
    return f"<div class='ssen-text' style='font-size:0.85em'>{escape(text)}</div>"


def hint(text: str) -> str:
    """What the user is to do next."""
    style = "background:#ffd600;color:#222;font-weight:600;padding:4px 8px;border-radius:4px"
    return f"<div style='{style}'>{escape(text)}</div>" if text else ""


def legend(entries: Sequence[tuple[str, tuple[int, int, int]]]) -> str:
    spans = (
        f"<span style='white-space:nowrap;margin-right:10px'>{_SWATCH.format(color)}{escape(name)}</span>"
        for name, color in entries
    )
    return (
        f"<div class='ssen-text' style='font-size:0.8em;line-height:1.6'>{' '.join(spans)}</div>"
        if entries
        else ""
    )


def summary(labelled: LabelledMap) -> str:
    counts = Counter(i.class_name for i in labelled.instances)
    found = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
    rows = [
        ("objects", f"{len(labelled.instances)}: {found}"),
        ("map", f"{len(labelled)} voxels of {labelled.voxel_size:g} m, version {labelled.version}"),
        ("frame", labelled.frame_id or "not known"),
    ]
    return note("Click an object to see what is known of it, and to correct it.") + table(rows)


def title(one: Instance) -> str:
    return f"{one.class_name} #{one.id}"


def heading(one: Instance | None) -> str:
    """One line, whatever is chosen."""
    style = "font-weight:600;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    text = title(one) if one else "No object is chosen"
    return f"<div class='ssen-text' style='{style}'>{escape(text)}</div>"


def facts(one: Instance, history: Sequence[str], newest_ns: int) -> str:
    length, width, height = one.box.size
    x, y, z = one.centroid
    rows = [
        ("class", f"{one.class_name} ({one.score:.0%} sure)"),
        ("state", one.state),
        ("size", f"{length:.2f} x {width:.2f} x {height:.2f} m"),
        ("middle", f"{x:.2f}, {y:.2f}, {z:.2f} m"),
        ("voxels", one.voxel_count),
    ]
    if newest_ns:  # else it is a file, which has no times
        rows += [
            ("first seen", age(one.first_seen_ns, newest_ns)),
            ("last seen", age(one.last_seen_ns, newest_ns)),
        ]
    return table(rows) + "".join(map(note, history[-5:]))


def voxel(class_name: str, confidence: float) -> str:
    return table([("class", class_name), ("probability", f"{confidence:.2f}"), ("object", "none")])


def age(stamp_ns: int, newest_ns: int) -> str:
    """How long before the newest map a stamp lies."""
    if not stamp_ns:
        return "not known"
    seconds = (newest_ns - stamp_ns) / SECOND_NS
    return "in this map" if seconds <= 0 else f"{seconds:.1f} s before"


def told(event: Event) -> str:
    others = ", ".join(f"#{id}" for id in event.other_ids)
    return {
        "created": f"#{event.id} created",
        "merged": f"#{event.id} took in {others}",
        "split": f"{others} came off #{event.id}",
        "retired": f"#{event.id} retired",
    }[event.kind]


def timeline(entries: Sequence[tuple[str, str]]) -> str:
    """(when, what), oldest first; shown newest first."""
    return table(entries[::-1]) if entries else note("Nothing has happened yet.")


def status(values: Mapping[str, str]) -> str:
    return table(values.items()) if values else note("No report of a running node.")
