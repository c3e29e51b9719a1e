"""A map and its objects as one file, from which a later run goes on with the same ids.

A NumPy .npz archive (zip of .npy arrays, none of them pickled).
Scalars: `format` (2), `voxel_size` m, `frame_id`, `stamp_ns`, `next_id`; `floor_height` m and `floor_seen`,
`heading` rad, and `exposure` grey levels, where known; `class_names` (C,) str.
The map: `keys` and `ranks` (S,) int64, as `MapState` has them; of the keys the first, and the steps from one
to the next (in format 1 the keys themselves, which took four times as much).
The K objects, a row each: the fields of `Instance` by name (`id`, `score`, `first_seen_ns`, `last_seen_ns`,
`centroid` (K, 3) m; those of its box as `box_yaw` rad, `box_center` and `box_size` (K, 3) m), but for those
that follow from the rest; `missed`, `told`, `votes` (K, C); their voxel keys, one object's after the other's:
`voxels` (n,) int64, object k's up to `voxels_end[k]`.
What the passes have said of V voxels, where anything is known: the arrays of `Evidence`, behind `evidence_`;
older files have no `evidence_told` and `evidence_doubts`.
The L corrections made by hand, oldest first, in files that have any: `log_kind`, `log_class_name` (L,) str,
and the objects before and after all of them, one correction's after the other's, with the arrays above behind
`before_` and `after_`: correction l's up to `before_log_end[l]` and `after_log_end[l]`. The voxels that they
painted into no object, one correction's after the other's: `painted` (n,) int64, correction l's up to
`painted_end[l]`; older files have none.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssen_ros.corrections import KINDS, is_name
from ssen_ros.errors import MapFileError, shown, shown_names
from ssen_ros.instances import named
from ssen_ros.io.npz import array_names, read_npz, write_npz
from ssen_ros.io.replacing import replacing
from ssen_ros.stamps import SECOND_NS
from ssen_ros.structures import Cloud, Correction, Corrections, Evidence, Floor, Instance, Known, Memory
from ssen_ros.voxel_keys import AXIS_BITS
from ssen_ros.voxel_map import OCTANT_BITS, MapState, points_of, ranks_are_ours

SUFFIX = ".npz"
_FORMAT = 2
_READ = (1, _FORMAT)
_VOXEL_BITS = 3 * AXIS_BITS
_STAMPS_END = 2**31 * SECOND_NS  # ns, that a ROS message can carry

LAST_ID = 2**30  # ids are int32 everywhere; a node has as many more to give
MOST_KNOWN = 10_000  # objects; a pass finds 2,000 at most, and more than 4,000 are not kept while missing
_LONGEST_NAME = 1000  # characters
_FARTHEST_M = 1e5  # any place from the origin
_MOST_VOTES = 1e3  # a sum of log-probabilities is 0 at most, but for rounding
_INTERVALS = (  # array, least, most
    ("score", 0, 1), ("missed", 0, 2**31), ("centroid", -_FARTHEST_M, _FARTHEST_M), ("box_yaw", 0, np.pi),
    ("box_center", -_FARTHEST_M, _FARTHEST_M), ("box_size", 0, 2 * _FARTHEST_M),
)  # fmt: skip

# The others follow from an instance's votes, its voxels and `missed`.
_STORED = [f for f in fields(Instance) if f.name not in ("class_id", "class_name", "voxel_count", "state")]

_SIDES = "before", "after"  # of a correction

_EVIDENCE = {  # array: type, and shape of a voxel's row; None: one for each class
    "keys": (np.int64,), "points": (np.float32, 3), "colors": (np.uint8, 3), "mean": (np.float16, None),
    "label": (np.int16,), "meanwhile": (np.float16,), "told": (np.int16,), "doubts": (np.uint8,),
}  # fmt: skip

_Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class SavedMap:
    """What one file holds."""

    frame_id: str
    stamp_ns: int
    voxel_size: float  # m
    class_names: tuple[str, ...]
    state: MapState
    memory: Memory

    @property
    def cloud(self) -> Cloud:
        """What the map looks like, for whoever wants no more; up to 8 points a voxel."""
        points, colors = points_of(self.state, self.voxel_size)
        return Cloud(points, colors, frame_id=self.frame_id, stamp_ns=self.stamp_ns)

    def check_fits(self, voxel_size: float, class_names: tuple[str, ...]) -> None:
        """Raises MapFileError unless the networks that are to go on with it know its voxels and classes."""
        if not np.isclose(self.voxel_size, voxel_size, rtol=1e-6, atol=0):
            raise MapFileError(
                f"the map has voxels of {self.voxel_size:g} m, the networks expect {voxel_size:g} m: load it "
                "with the networks that it was saved with"
            )
        if self.class_names != tuple(class_names):
            raise MapFileError(
                f"the map's classes are {', '.join(self.class_names)}; the networks know "
                f"{', '.join(class_names)}: load it with the networks that it was saved with"
            )


def resolve_below(directory: str, name: str, suffix: str = SUFFIX) -> Path:
    """The file of that name below `directory`, with the suffix; a folder has none.

    Raises MapFileError where no directory is set, and for a name that is none or leads out of it, be it by
    "..", from the root, or by a symbolic link.
    """
    if not directory:
        raise MapFileError("no directory for maps: start the node with the parameter map_directory")
    try:
        root = Path(directory).expanduser().resolve()
        named = (root / name).resolve()
        path = named if named.suffix == suffix else named.with_name(named.name + suffix)
        inside = named != root and path.resolve().is_relative_to(root) and not name.endswith("/")
        inside &= name.isprintable()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, an unknown user, a NUL
        raise MapFileError(
            f"name = {shown(name)}: {error}; expected the name of a file below {directory}"
        ) from error
    if not inside:
        raise MapFileError(
            f"name = {shown(name)}: expected the name of a file below {root}, such as 'kitchen', not one "
            "outside"
        )
    return path


def write_map(path: Path, saved: SavedMap, overwrite: bool = False) -> None:
    """Write all of it or nothing: whoever reads `path` meanwhile gets the old file or the new one.

    Raises MapFileError where the file is there and not to be overwritten, or cannot be written.
    """
    try:
        if path.exists() and not overwrite:
            raise MapFileError(f"{path} is there already: choose another name, or ask for overwrite")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, open(temporary, "wb") as file:
            write_npz(file, _to_arrays(saved))
    except OSError as error:
        raise MapFileError(
            f"{path} cannot be written ({error}): check the name, map_directory and its space"
        ) from error


def is_map(path: Path) -> bool:
    """Has `write_map` written it? A labelled room or a cloud has the same suffix."""
    try:
        return path.suffix == SUFFIX and {"format", "keys", "ranks"} <= set(array_names(path))
    except (OSError, ValueError):
        return False


def read_map(path: Path) -> SavedMap:
    """Raises MapFileError for a file that is missing, damaged, or none of ours."""
    if not path.is_file():
        there = sorted(other.stem for other in path.parent.glob(f"*{SUFFIX}"))
        raise MapFileError(
            f"{path} is no file: expected one that save_map wrote; there are {shown_names(there)}"
        )
    try:
        arrays = read_npz(path)
        if int(arrays["format"]) not in _READ:
            raise ValueError(f"format {int(arrays['format'])}, expected one of {_READ}")
        return _from_arrays(arrays)
    except (OSError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise MapFileError(f"{path} is damaged, or no map that save_map wrote: {error}") from error


def _to_arrays(saved: SavedMap) -> _Arrays:
    known, floor = saved.memory.known, saved.memory.floor
    return {
        "format": np.array(_FORMAT),
        "frame_id": np.array(saved.frame_id),
        "stamp_ns": np.array(saved.stamp_ns),
        "voxel_size": np.array(saved.voxel_size),
        "class_names": np.array(saved.class_names),
        "keys": np.diff(saved.state.keys, prepend=0),
        "ranks": saved.state.ranks,
        "next_id": np.array(saved.memory.next_id),
        **(
            {} if floor is None else {f"floor_{name}": np.array(value) for name, value in vars(floor).items()}
        ),
        **({} if saved.memory.heading is None else {"heading": np.array(saved.memory.heading)}),
        **({} if saved.memory.exposure is None else {"exposure": np.array(saved.memory.exposure)}),
        **_known_arrays(known, len(saved.class_names)),
        **_evidence_arrays(saved.memory.evidence),
        **_log_arrays(saved.memory.corrections.log, len(saved.class_names)),
    }


def _evidence_arrays(evidence: Evidence | None) -> _Arrays:
    if evidence is None:
        return {}
    names = *_EVIDENCE, "passes", "settled"
    return {f"evidence_{name}": np.array(getattr(evidence, name)) for name in names}


def _known_arrays(known: Sequence[Known], classes: int) -> _Arrays:
    return {
        **_columns(_STORED, [k.instance for k in known]),
        "votes": np.array([k.votes for k in known], np.float64).reshape(-1, classes),
        "missed": np.array([k.missed for k in known], np.int64),
        "told": np.array([k.told for k in known], bool),
        "voxels": np.concatenate([np.empty(0, np.int64), *(k.keys for k in known)]),
        "voxels_end": np.cumsum([len(k.keys) for k in known], dtype=np.int64),
    }


def _log_arrays(log: Sequence[Correction], classes: int) -> _Arrays:
    if not log:
        return {}
    arrays = {
        "log_kind": np.array([one.kind for one in log]),
        "log_class_name": np.array([one.class_name for one in log]),
    }
    arrays["painted"] = np.concatenate([one.painted for one in log])
    arrays["painted_end"] = np.cumsum([len(one.painted) for one in log], dtype=np.int64)
    for side in _SIDES:
        of_each = [getattr(one, side) for one in log]
        arrays[f"{side}_log_end"] = np.cumsum([len(known) for known in of_each], dtype=np.int64)
        columns = _known_arrays([k for known in of_each for k in known], classes)
        arrays |= {f"{side}_{name}": column for name, column in columns.items()}
    return arrays


def _columns(stored: Sequence[Field], values: Sequence[Any], prefix: str = "") -> _Arrays:
    """{field: one row a value}; those of a dataclass in it behind its name."""
    columns: _Arrays = {}
    for f in stored:
        column = [getattr(value, f.name) for value in values]
        if is_dataclass(f.type):
            columns |= _columns(fields(f.type), column, f"{prefix}{f.name}_")
        else:
            columns[prefix + f.name] = np.array(column, _dtype(f)).reshape(-1, *_row_shape(f))
    return columns


def _dtype(f: Field) -> type:
    return np.int64 if f.type is int else np.float64


def _row_shape(f: Field) -> tuple[int, ...]:
    return (3,) if f.type is np.ndarray else ()


def _from_arrays(arrays: _Arrays) -> SavedMap:
    keys, ranks = arrays["keys"], arrays["ranks"]
    if int(arrays["format"]) > 1 and keys.ndim == 1:
        keys = np.cumsum(keys)
    keys = _ascending("keys", keys, _VOXEL_BITS + OCTANT_BITS)
    if ranks.shape != keys.shape or ranks.dtype != np.int64:
        raise ValueError(f"ranks are {ranks.dtype} {ranks.shape}, expected int64 {keys.shape}")
    if not ranks_are_ours(ranks):
        raise ValueError("ranks are not of points in their voxels")
    class_names = tuple(map(str, arrays["class_names"]))
    corrections = _read_log(arrays, class_names)
    names = corrections.hand.names
    known = tuple(
        replace(k, instance=named(k.instance, names[k.id], class_names)) if k.id in names else k
        for k in _read_known(arrays, class_names)
    )
    if len({k.id for k in known}) != len(known):
        raise ValueError("ids are not unique")
    frame_id = str(arrays["frame_id"])
    if len(frame_id) > _LONGEST_NAME or not frame_id.isprintable():
        raise ValueError(f"frame_id is {shown(frame_id)}, expected the name of a frame")
    next_id = int(arrays["next_id"])
    if not 1 <= next_id <= LAST_ID:
        raise ValueError(f"next_id is {next_id}, expected 1 to {LAST_ID}")
    return SavedMap(
        frame_id=frame_id,
        stamp_ns=_stamp(arrays["stamp_ns"]),
        voxel_size=float(arrays["voxel_size"]),
        class_names=class_names,
        state=MapState(keys, ranks, voxels=int((np.diff(keys >> OCTANT_BITS, prepend=-1) != 0).sum())),
        memory=Memory(
            known,
            max([next_id, *(k.id + 1 for k in known)]),
            floor=_read_floor(arrays),
            heading=_read_heading(arrays),
            exposure=_read_exposure(arrays),
            corrections=corrections,
            evidence=_read_evidence(arrays, len(class_names)),
        ),
    )


def _read_evidence(arrays: _Arrays, classes: int) -> Evidence | None:
    if "evidence_keys" not in arrays:
        return None
    nothing_told = {
        "evidence_told": np.full(len(arrays["evidence_keys"]), -1, np.int16),
        "evidence_doubts": np.zeros(len(arrays["evidence_keys"]), np.uint8),
    }
    found = {name: (nothing_told | arrays)[f"evidence_{name}"] for name in _EVIDENCE}
    keys, points, colors, mean, label, meanwhile, told, doubts = found.values()
    _ascending("evidence_keys", keys, _VOXEL_BITS)
    for name, array in found.items():
        kind, *row = _EVIDENCE[name]
        shape = (len(keys), *(classes if n is None else n for n in row))
        if array.dtype != kind or array.shape != shape:
            expected = f"{np.dtype(kind)} {shape}"
            raise ValueError(f"evidence_{name} is {array.dtype} {array.shape}, expected {expected}")
        if not np.isfinite(array).all():
            raise ValueError(f"evidence_{name} has a value that is no number")
    if not (np.abs(points) <= _FARTHEST_M).all() or (mean > 1).any() or (meanwhile < 0).any():
        raise ValueError(
            "evidence of places out of reach, of probabilities above 1, or of less than no change"
        )
    if len(label) and not 0 <= label.min() <= label.max() < classes:
        raise ValueError(f"evidence_label is {label.min()} to {label.max()}, expected 0 to {classes - 1}")
    if len(told) and not -1 <= told.min() <= told.max() < classes:
        raise ValueError(f"evidence_told is {told.min()} to {told.max()}, expected -1 to {classes - 1}")
    passes = int(arrays["evidence_passes"])
    if not 0 <= passes < 2**31:
        raise ValueError(f"evidence_passes is {passes}, expected 0 to 2^31")
    settled = bool(arrays["evidence_settled"])
    return Evidence(keys, points, colors, mean, label, meanwhile, told, doubts, passes, settled)


def _read_log(arrays: _Arrays, class_names: tuple[str, ...]) -> Corrections:
    if "log_kind" not in arrays:
        return Corrections()
    sides = []
    for side in _SIDES:
        of_side = {
            name.removeprefix(f"{side}_"): a for name, a in arrays.items() if name.startswith(f"{side}_")
        }
        ends = [0, *of_side["log_end"].tolist()]
        known = _read_known(of_side, class_names)
        if sorted(ends) != ends or ends[-1] != len(known):
            raise ValueError(f"{side}_log_end does not divide the objects among the corrections")
        sides.append([known[start:end] for start, end in itertools.pairwise(ends)])
    if strange := set(arrays["log_kind"].tolist()) - KINDS.keys():
        raise ValueError(f"log_kind has {shown(str(strange.pop()))}")
    for name in arrays["log_class_name"].tolist():
        if name and not is_name(name):
            raise ValueError(f"log_class_name has {shown(str(name))}")
    painted = _read_painted(arrays, len(arrays["log_kind"]))
    rows = zip(arrays["log_kind"], *sides, arrays["log_class_name"], painted, strict=True)
    log = (Correction(str(kind), before, after, str(name), keys) for kind, before, after, name, keys in rows)
    return Corrections(tuple(log))


def _read_painted(arrays: _Arrays, count: int) -> list[np.ndarray]:
    if "painted" not in arrays:  # of an older file
        return [np.empty(0, np.int64)] * count
    voxels, ends = arrays["painted"], arrays["painted_end"]
    if ends.dtype.kind not in "iu" or (np.diff(ends, prepend=0) < 0).any() or ends[-1] != len(voxels):
        raise ValueError("painted_end does not divide the painted voxels among the corrections")
    return [_ascending("painted", keys, _VOXEL_BITS) for keys in np.split(voxels, ends[:-1])]


def _read_heading(arrays: _Arrays) -> float | None:
    if "heading" not in arrays:  # of an older file, or not looked for
        return None
    heading = float(arrays["heading"])
    if not abs(heading) <= np.pi:
        raise ValueError(f"heading is {heading}, expected -pi to pi")
    return heading


def _read_exposure(arrays: _Arrays) -> int | None:
    if "exposure" not in arrays:  # likewise
        return None
    exposure = int(arrays["exposure"])
    if not abs(exposure) <= 255:
        raise ValueError(f"exposure is {exposure}, expected -255 to 255")
    return exposure


def _read_floor(arrays: _Arrays) -> Floor | None:
    if "floor_height" not in arrays:  # of an older file
        return None
    height = float(arrays["floor_height"])
    if not abs(height) < _FARTHEST_M:
        raise ValueError(f"floor_height is {height}")
    return Floor(height, bool(arrays["floor_seen"]))


def _read_known(arrays: _Arrays, class_names: tuple[str, ...]) -> tuple[Known, ...]:
    count = len(arrays["id"])
    ids, votes = arrays["id"], arrays["votes"]
    if ids.shape != (count,) or (ids < 1).any() or (ids > LAST_ID).any():
        raise ValueError(f"ids are not from 1 to {LAST_ID}")
    if count > MOST_KNOWN:
        raise ValueError(f"{count} objects, expected {MOST_KNOWN} at most")
    if count and votes.shape != (count, len(class_names)):
        raise ValueError(f"votes has shape {votes.shape}, expected {(count, len(class_names))}")
    if not (votes < _MOST_VOTES).all() or (count and not np.isfinite(votes).any(axis=1).all()):
        raise ValueError("votes are not sums of log-probabilities")
    for name, low, high in _INTERVALS:
        if name in arrays and not ((arrays[name] >= low) & (arrays[name] <= high)).all():
            raise ValueError(f"{name} is not within {low:g} and {high:g}")
    ends = arrays["voxels_end"]
    if (
        ends.dtype.kind not in "iu"
        or (np.diff(ends, prepend=0) < 1).any()
        or ((ends[-1] if count else 0) != len(arrays["voxels"]))
    ):
        raise ValueError("voxels_end does not divide the voxels among the objects")
    if (arrays["first_seen_ns"] > arrays["last_seen_ns"]).any():
        raise ValueError("an object was last seen before it was first seen")
    facts = _read_rows(_STORED, arrays, count)
    told = arrays.get("told", np.ones(count, bool))  # older files have none
    voxels = np.split(arrays["voxels"], arrays["voxels_end"])[:-1]
    known = []
    for stored, votes, missed, keys, heard in zip(
        facts, arrays["votes"], arrays["missed"], voxels, told, strict=True
    ):
        class_id = int(votes.argmax())
        instance = Instance(
            **stored,
            class_id=class_id,
            class_name=class_names[class_id],
            voxel_count=len(keys),
            state="missing" if missed else "active",
        )
        keys = _ascending("voxels", keys, _VOXEL_BITS)
        known.append(Known(instance, keys, votes, int(missed), bool(heard)))
    return tuple(known)


def _read_rows(stored: Sequence[Field], arrays: _Arrays, count: int, prefix: str = "") -> list[dict]:
    """The inverse of `_columns`: {field: value} of each row; a field that an older file lacks is left out."""
    rows: list[dict] = [{} for _ in range(count)]
    for f in stored:
        name, kind = prefix + f.name, f.type
        if isinstance(kind, type) and is_dataclass(kind):
            parts = _read_rows(fields(kind), arrays, count, f"{name}_")
            values = [kind(**part) for part in parts]
        elif name not in arrays and f.default is not MISSING:
            continue
        else:
            values = _read_column(f, name, arrays[name], count)
        for row, value in zip(rows, values, strict=True):
            row[f.name] = value
    return rows


def _read_column(f: Field, name: str, column: np.ndarray, count: int) -> Iterable[Any]:
    if count and column.shape != (count, *_row_shape(f)):
        raise ValueError(f"{name} has shape {column.shape}, expected {(count, *_row_shape(f))}")
    if np.isnan(column).any():
        raise ValueError(f"{name} has a NaN")
    if f.type is np.ndarray:
        return column
    kind: Any = f.type
    return map(_stamp, column) if name.endswith("_ns") else map(kind, column.tolist())


def _ascending(name: str, keys: np.ndarray, bits: int) -> np.ndarray:
    if keys.dtype != np.int64 or keys.ndim != 1 or (np.diff(keys) <= 0).any():
        raise ValueError(f"{name} are {keys.dtype} {keys.shape}, expected int64, ascending and unique")
    if len(keys) and not 0 <= keys[0] <= keys[-1] < 1 << bits:
        raise ValueError(f"{name} go from {keys[0]} to {keys[-1]}, expected 0 to 2^{bits} - 1")
    return keys


def _stamp(ns: np.ndarray) -> int:
    if not 0 <= ns < _STAMPS_END:
        raise ValueError(f"stamp {ns} ns, expected 0 to {_STAMPS_END} (2^31 s)")
    return int(ns)
