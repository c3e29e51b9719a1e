"""Archives of arrays: read as numpy reads them, and refused before they cost anything."""

import io
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from ssen_ros.errors import CloudError, SsenError
from ssen_ros.io.clouds import read_cloud
from ssen_ros.io.npz import array_names, read_npz
from ssen_ros.io.samples import load_sample
from ssen_ros.io.saved_map import read_map


def archive(path, how=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", how) as file:
        for name, content in members.items():
            if isinstance(content, np.ndarray):
                buffer = io.BytesIO()
                np.save(buffer, content, allow_pickle=True)
                content = buffer.getvalue()
            file.writestr(f"{name}.npy", content)
    return path


def header(shape, descr="<f4"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_arrays_come_back_as_they_were(tmp_path, how):
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(["wall", "floor"]), "c": np.array(3)}
    path = archive(tmp_path / "a.npz", how, **arrays)
    found = read_npz(path)
    assert found.names == tuple(found) == ("a", "b", "c") == tuple(array_names(path))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert list(read_npz(path, ["c", "none"])) == ["c"]


class Pickled:
    def __reduce__(self):
        return (pytest.fail, ("the file was executed",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header((10**8, 3)) + bytes(100), "promises 1,200,000,000 bytes, the archive holds"),
        (header((10**6, 10**6, 10**6, 10**6)), "promises"),
        (header((-1, 3)) + bytes(100), "shape"),
        (header((2, 3)) + bytes(12), "promises 24 bytes"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "format"),
        (b"no array", "magic"),
        (b"", "EOF"),
        (np.array([Pickled()], dtype=object), "Python objects"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, content, words):
    path = archive(tmp_path / "a.npz", points=content)
    with pytest.raises(ValueError, match=words):
        read_npz(path)
    for read in (read_cloud, load_sample, read_map):
        with pytest.raises(SsenError):
            read(path)


def test_a_single_array_an_encrypted_and_an_exotic_archive_are_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ValueError, match="single array"):
        read_npz(tmp_path / "one.npy")
    data = bytearray(archive(tmp_path / "a.npz", points=np.zeros((4, 3))).read_bytes())
    encrypted, exotic = bytearray(data), bytearray(data)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[data.find(mark) + at] |= 1
        exotic[data.find(mark) + at + 2] = 99
    for changed, words in ((encrypted, "encrypted"), (exotic, "compression")):
        (tmp_path / "b.npz").write_bytes(changed)
        with pytest.raises(ValueError, match=words):
            read_npz(tmp_path / "b.npz")
        with pytest.raises(CloudError):
            read_cloud(tmp_path / "b.npz")


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_small_file_that_asks_for_much_costs_little(tmp_path, how, monkeypatch):
    zeros = header((10_000_000, 3)) + bytes(120_000_000)
    path = archive(tmp_path / "bomb.npz", how, points=zeros)
    del zeros
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    begin = time.process_time()
    try:
        with pytest.raises(CloudError, match="120,000,000 bytes.*SSEN_MAX_BYTES"):
            read_cloud(path)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000 and time.process_time() - begin < 5
    finally:
        tracemalloc.stop()
    monkeypatch.setenv("SSEN_MAX_BYTES", "200000000")
    assert len(read_npz(path)["points"]) == 10_000_000


@pytest.mark.parametrize(
    "change",
    [
        {"semantic_label": np.full(40, 99, np.int8)},
        {"semantic_label": np.zeros(5, np.int8)},
        {"semantic_label": np.zeros(40)},
        {"instance_label": np.full(40, 40_000, np.int32)},
        {"voxel_steps": np.full(40, -1)},
        {"voxel_steps": np.zeros((40, 2), int)},
        {"color_steps": np.zeros((40, 3), np.int8)},
        {"first_voxel": np.full(3, 1 << 40)},
        {"first_voxel": np.array([np.nan, 0, 0])},
        {"first_voxel": np.array("a")},
    ],
    ids=lambda change: "-".join(f"{k}:{v.dtype}{v.shape}" for k, v in change.items()),
)
def test_a_sample_that_no_writer_made_is_refused(tmp_path, change):
    arrays = {
        "first_voxel": np.zeros(3, np.int64), "voxel_steps": np.arange(40),
        "color_steps": np.zeros((3, 40), np.int8),
        "semantic_label": np.zeros(40, np.int8), "instance_label": np.full(40, -1, np.int16),
    }  # fmt: skip
    assert len(load_sample(archive(tmp_path / "good.npz", **arrays))) == 40
    with pytest.raises(CloudError, match=next(iter(change))):
        load_sample(archive(tmp_path / "bad.npz", **(arrays | change)))


def test_a_header_that_is_none_is_told_in_short(tmp_path):
    """numpy repeats what it cannot read, here 20,000 characters."""
    header = ("{" + "x" * 20_000).encode()
    content = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as file:
        file.writestr("points.npy", content)
    with pytest.raises(ValueError) as refused:
        read_npz(tmp_path / "bad.npz")
    assert 10 < len(str(refused.value)) <= 1000
