"""What a file seems to be, by its first bytes, for the message that refuses it."""

from pathlib import Path

SAFETENSORS = "a safetensors file"
_LFS = "a Git LFS pointer: fetch the file itself with `git lfs pull`"
_MAGIC = (
    (b"version https://git-lfs", _LFS),
    (b"PK\x03\x04", "a zip archive, as .npz files and checkpoints of PyTorch are"),
    (b"\x80", "a pickle, as older checkpoints of PyTorch are"),
    (b"ply", "a PLY file"),
    (b"# .PCD", "a PCD file"),
    (b"VERSION", "a PCD file"),
    (b"\x93NUMPY", "a single NumPy array (.npy); clouds are .npz files with an array `points`"),
    (b"\x89MCAP", "a recording (MCAP)"),
    (b"SQLite format 3\0", "an SQLite database, as recordings are (.db3)"),
    (b"#ROSBAG V", "a recording of ROS 1 (.bag)"),
    (b"\x1f\x8b", "compressed by gzip: unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it"),
    (b"\x04\x22\x4d\x18", "compressed by lz4: unpack it"),
    (b"BZh", "compressed by bzip2: unpack it"),
    (b"\xfd7zXZ\0", "compressed by xz: unpack it"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it"),
    (b"\x89HDF", "an HDF5 file"),
    (b"LASF", "a LAS or LAZ file: convert it to PLY, CloudCompare does"),
    (b"ASTM-E57", "an E57 file: convert it to PLY, CloudCompare does"),
    (b"glTF", "a glTF model: convert it to PLY"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"%PDF", "a PDF document"),
)


def likely(path: Path | str) -> str:
    """What the file at `path` is, and where that helps what to do with it; empty where nobody can tell."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(512)
    except OSError:
        return ""
    if not head:
        return "an empty file: was it copied whole?"
    if not head.strip(b"\0"):
        return "nothing but zeros, as a copy or a download that did not end leaves it"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head")):
        return "a web page: download the file itself"
    if text.startswith(b"<?xml"):
        return "an XML text, as servers send it with an error"
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it"
    if text.startswith((b"{", b"[")) and b"\0" not in head:
        return "a JSON text, as servers send it with an error"
    if 0 < int.from_bytes(head[:8], "little") < 1 << 27 and head[8:9] == b"{":
        return SAFETENSORS
    return ""
