"""Files that are nearly right: bytes, texts and archives changed at random."""

import io
import random
import re
import zipfile

import numpy as np

NUMBERS = [
    "0",
    "-1",
    "1",
    "nan",
    "inf",
    "1e309",
    "-0.0",
    "2147483648",
    "9" * 30,
    "1e-320",
    "0x10",
    "",
    "a" * 300,
]
VALUES = [0, 1, -1, 127, 255, 2**15, 2**31, 2**62, -(2**62), 0.5, 1e30, 1e300, np.nan, np.inf, -np.inf]


def mutated(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """The bytes with one to three changes; those of an archive of arrays often inside it."""
    if data[:2] == b"PK" and b".npy" in data[:200] and rng.random() < 0.7:
        return _archive(data, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice((_flip, _cut, _overwrite, _insert, _repeat, _number, _number, _splice))(
            data, rng, others
        )
    return data


def _place(data, rng):
    """Headers more often than what follows."""
    return rng.randrange(min(len(data), rng.choice((40, 400, 10**9))) or 1) if data else 0


def _flip(data, rng, others):
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 40)) if data else 0):
        changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data, rng, others):
    at = _place(data, rng)
    return data[:at] if rng.random() < 0.6 else data[:at] + data[at + rng.choice((1, 4, 50)) :]


def _overwrite(data, rng, others):
    at, width = _place(data, rng), rng.choice((1, 2, 4, 8))
    number = rng.choice((0, 1, 2**7, 2**15, 2**31, 2**63, 2**64 - 1, rng.getrandbits(64))) % 2 ** (8 * width)
    return data[:at] + number.to_bytes(width, rng.choice(("little", "big"))) + data[at + width :]


def _insert(data, rng, others):
    at = _place(data, rng)
    extra = rng.choice(
        (b"\0", b"\n", b" ", b"\xff" * 8, b"[" * 2000, b"-1 ", b"#", b"\xef\xbb\xbf", b"'", b"{a: ")
    )
    return data[:at] + extra + data[at:]


def _repeat(data, rng, others):
    at, length = _place(data, rng), rng.choice((1, 10, 200))
    return data[:at] + data[at : at + length] * rng.choice((2, 3, 50)) + data[at + length :]


def _number(data, rng, others):
    """Another number in a text."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data[:4000]))
    if not found:
        return _flip(data, rng, others)
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(NUMBERS).encode() + data[one.end() :]


def _splice(data, rng, others):
    other = rng.choice(others)
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _archive(data: bytes, rng: random.Random) -> bytes:
    """Another archive, with one of its arrays gone, of another shape or type, or with other values."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = dict(archive)
    name = rng.choice(list(arrays))
    array = arrays[name]
    kind = rng.randrange(7)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = array[: len(array) // 2] if array.ndim else array[None]
    elif kind == 2:
        arrays[name] = array.reshape(-1, 1) if rng.random() < 0.5 else array[..., None].T
    elif kind == 3:
        arrays[name] = np.resize(array, rng.choice((0, 1, 3, array.size + 1))) if array.size else np.zeros(3)
    elif kind == 4:
        types = ("i1", "u8", "f2", "f8", "?", "U3", "S1", "c16", "M8[s]", "V3")
        try:
            arrays[name] = array.astype(rng.choice(types))
        except (ValueError, TypeError):
            arrays[name] = np.zeros(array.shape, rng.choice(types))
    elif array.size and array.dtype.kind in "iufb":
        changed = array.copy()
        with np.errstate(all="ignore"):
            value = np.array(rng.choice(VALUES)).astype(array.dtype)
        if kind == 5:
            changed.flat[rng.randrange(array.size)] = value
        else:
            changed[...] = value
        arrays[name] = changed
    else:
        arrays[name] = np.array(["x" * rng.choice((0, 1, 2000))] * max(1, array.size))
    stream = io.BytesIO()
    how = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(stream, "w", how) as archive:
        for one, content in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, content, allow_pickle=False)
            archive.writestr(f"{one}.npy", buffer.getvalue())
    return stream.getvalue()
