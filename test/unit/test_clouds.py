import sys
import warnings
from contextlib import suppress
from io import BytesIO
from zipfile import ZipFile

import lzf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ssen_ros.errors import CloudError
from ssen_ros.io.clouds import read_cloud, read_ply_vertices, write_labelled_ply
from ssen_ros.io.samples import COLOR_ERROR, Sample, save_sample

POINTS = np.array([[0.5, -1.25, 2.0], [3.0, 0.0, -0.125]], np.float32)
COLORS = np.array([[255, 0, 7], [1, 128, 64]], np.uint8)


@given(data=st.data(), n=st.integers(1, 30))
def test_labelled_ply_round_trip(data, n, tmp_path_factory):
    path = tmp_path_factory.mktemp("ply") / "labelled.ply"
    reals = st.floats(-1e3, 1e3, width=32)
    points = data.draw(hnp.arrays(np.float32, (n, 3), elements=reals))
    colors = data.draw(hnp.arrays(np.uint8, (n, 3)))
    label = data.draw(hnp.arrays(np.int32, n, elements=st.integers(-1, 19)))
    instance_id = data.draw(hnp.arrays(np.int32, n, elements=st.integers(-1, 2**31 - 1)))
    confidence = data.draw(hnp.arrays(np.float32, n, elements=st.floats(0, 1, width=32)))

    write_labelled_ply(path, points, colors, label, instance_id, confidence)

    cloud, columns = read_cloud(path), read_ply_vertices(path)
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.colors, colors)
    np.testing.assert_array_equal(columns["label"], label)
    np.testing.assert_array_equal(columns["instance_id"], instance_id)
    np.testing.assert_array_equal(columns["confidence"], confidence)


def test_labelled_ply_opens_in_open3d(tmp_path):
    open3d = open3d_if_there()
    write_labelled_ply(
        tmp_path / "a.ply", POINTS, COLORS, np.array([0, 1]), np.array([-1, 4]), np.array([0.5, 1])
    )
    cloud = open3d.t.io.read_point_cloud(str(tmp_path / "a.ply"))
    np.testing.assert_array_equal(cloud.point.positions.numpy(), POINTS)
    np.testing.assert_array_equal(cloud.point.colors.numpy(), COLORS)
    np.testing.assert_array_equal(cloud.point["instance_id"].numpy().ravel(), [-1, 4])


def test_labelled_ply_wants_one_row_per_point(tmp_path):
    with pytest.raises(CloudError, match="label has 1 rows; expected 2"):
        write_labelled_ply(tmp_path / "a.ply", POINTS, COLORS, np.zeros(1), np.zeros(2), np.zeros(2))
    assert not (tmp_path / "a.ply").exists()


def test_ascii_ply_with_double_positions_and_faces(tmp_path):
    path = tmp_path / "a.ply"
    path.write_text(
        "ply\nformat ascii 1.0\ncomment made by hand\nelement vertex 2\n"
        "property double x\nproperty double y\nproperty double z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
        "0.5 -1.25 2 255 0 7\n3 0 -0.125 1 128 64\n3 0 1 1\n"
    )
    cloud = read_cloud(path)
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


def test_big_endian_ply_without_colour(tmp_path):
    path = tmp_path / "a.ply"
    header = "ply\nformat binary_big_endian 1.0\nelement vertex 2\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    path.write_bytes(header.encode() + POINTS.astype(">f4").tobytes())
    cloud = read_cloud(path)
    np.testing.assert_array_equal(cloud.points, POINTS)
    assert cloud.colors is None


PCD_HEADER = (
    "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z _ rgb\nSIZE 4 4 4 1 4\nTYPE F F F U {rgb}\nCOUNT 1 1 1 3 1\n"
    "WIDTH 3\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3\nDATA {data}\n"
)


def pcd_rows() -> np.ndarray:
    rows = np.zeros(3, [("xyz", "<f4", 3), ("pad", "u1", 3), ("bgra", "u1", 4)])
    rows["xyz"][:2], rows["xyz"][2] = POINTS, np.nan
    rows["bgra"][:2, :3] = COLORS[:, ::-1]
    return rows


def test_binary_pcd_with_padding_packed_colour_and_nan(tmp_path):
    path = tmp_path / "a.pcd"
    path.write_bytes(PCD_HEADER.format(rgb="F", data="binary").encode() + pcd_rows().tobytes())
    cloud = read_cloud(path)
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


def test_ascii_pcd_with_integer_colour(tmp_path):
    path = tmp_path / "a.pcd"
    packed = COLORS.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    lines = [f"{x} {y} {z} 0 0 0 {rgb}" for (x, y, z), rgb in zip(POINTS, packed, strict=True)] + [
        "nan nan nan 0 0 0 0"
    ]
    path.write_text(PCD_HEADER.format(rgb="U", data="ascii") + "\n".join(lines) + "\n")
    cloud = read_cloud(path)
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


def as_literals(data: bytes) -> bytes:
    """LZF that repeats nothing: runs of up to 32 bytes, each after its length less one."""
    runs = [data[i : i + 32] for i in range(0, len(data), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def compressed_pcd(packed: bytes, size: int) -> bytes:
    header = PCD_HEADER.format(rgb="F", data="binary_compressed").encode()
    return header + np.array([len(packed), size], "<u4").tobytes() + packed


def by_field() -> bytes:
    rows = pcd_rows()
    columns = [*rows["xyz"].T, rows["pad"], rows["bgra"]]
    return b"".join(np.ascontiguousarray(column).tobytes() for column in columns)


@pytest.mark.parametrize("pack", [as_literals, lzf.compress])
def test_compressed_pcd_with_a_field_of_three_and_nan(tmp_path, pack):
    data = by_field()
    (tmp_path / "a.pcd").write_bytes(compressed_pcd(pack(data), len(data)))
    cloud = read_cloud(tmp_path / "a.pcd")
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


@pytest.mark.parametrize(
    ("packed", "size", "words"),
    [
        (as_literals(by_field())[:-5], 57, "error in compressed data|holds"),
        (as_literals(by_field() + b"more"), 57, "holds 0 bytes"),
        (as_literals(by_field()), 58, "57 bytes but 58"),
    ],
)
def test_a_damaged_compressed_pcd_is_refused(tmp_path, packed, size, words):
    (tmp_path / "a.pcd").write_bytes(compressed_pcd(packed, size))
    with pytest.raises(CloudError, match=words):
        read_cloud(tmp_path / "a.pcd")


def test_a_compressed_pcd_that_ends_with_its_header_is_refused(tmp_path):
    (tmp_path / "a.pcd").write_bytes(compressed_pcd(b"", 0)[:-6])
    with pytest.raises(CloudError, match="57 bytes but 0 bytes"):
        read_cloud(tmp_path / "a.pcd")


def test_without_lzf_compressed_pcd_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lzf", None)
    (tmp_path / "a.pcd").write_bytes(compressed_pcd(as_literals(by_field()), 57))
    with pytest.raises(CloudError, match="pip install python-neo-lzf"):
        read_cloud(tmp_path / "a.pcd")


def open3d_if_there():
    return pytest.importorskip(
        "open3d", reason="the extra `open3d` is not installed", exc_type=(ImportError, OSError)
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_pcd_written_by_open3d(tmp_path, compressed):
    open3d = open3d_if_there()
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(POINTS.astype(float)))
    cloud.colors = open3d.utility.Vector3dVector(COLORS / 255.0)
    open3d.io.write_point_cloud(str(tmp_path / "a.pcd"), cloud, compressed=compressed)
    read = read_cloud(tmp_path / "a.pcd")
    np.testing.assert_array_equal(read.points, POINTS)
    np.testing.assert_array_equal(read.colors, COLORS)


@pytest.mark.parametrize("stored", [POINTS, POINTS.astype(np.float64), (POINTS * 1000).astype(np.int16)])
@pytest.mark.parametrize("colors", [COLORS, COLORS / 255.0])
def test_npz_metres_and_millimetres(tmp_path, stored, colors):
    np.savez(tmp_path / "a.npz", points=stored, colors=colors, first_frame=np.array([0, 5], np.int16))
    cloud = read_cloud(tmp_path / "a.npz")
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-6)
    assert cloud.points.dtype == np.float32
    np.testing.assert_array_equal(cloud.colors, COLORS)
    np.testing.assert_array_equal(cloud.first_frame, [0, 5])


def test_sample_of_the_simulator(tmp_path):
    points = np.array([[0.01, 0.01, 0.01], [1.01, -0.01, 0.05]], np.float32)
    labels = dict(semantic_label=np.zeros(2, np.int8), instance_label=np.zeros(2, np.int16))
    save_sample(tmp_path / "000001.npz", Sample(points, COLORS, **labels))
    cloud = read_cloud(tmp_path / "000001.npz")
    order = np.argsort(cloud.points[:, 0])
    np.testing.assert_allclose(cloud.points[order], points, atol=1e-6)
    np.testing.assert_allclose(cloud.colors[order].astype(int), COLORS, atol=COLOR_ERROR)


def test_non_finite_rows_leave_every_array_together(tmp_path):
    points = np.vstack([POINTS[:1], [[np.nan, 0, 0]], POINTS[1:], [[0, np.inf, 0]]])
    np.savez(tmp_path / "a.npz", points=points, colors=np.repeat(COLORS, 2, axis=0), first_frame=np.arange(4))
    cloud = read_cloud(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)
    np.testing.assert_array_equal(cloud.first_frame, [0, 2])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (dict(colors=COLORS), "no array 'points'"),
        (dict(points=np.zeros((4, 2))), r"float64 \(4, 2\); expected \(N, 3\)"),
        (dict(points=np.zeros((4, 3), np.int64)), "int64"),
        (dict(points=POINTS, colors=COLORS[:1]), r"expected \(2, 3\)"),
        (
            dict(points=POINTS, colors=COLORS * 1000.0),
            r"a.npz: colors: point 0 has the colour \(255000, 0, 7000\)",
        ),
        (dict(points=POINTS, colors=COLORS.astype(str)), "colours of type <U3"),
        (dict(points=POINTS, first_frame=np.zeros(3, int)), "first_frame"),
        (dict(points=np.zeros((0, 3), np.float32)), "0 finite points"),
        (dict(points=np.full((5, 3), np.nan)), "0 finite points"),
    ],
)
def test_wrong_npz_is_named(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(CloudError, match=message):
        read_cloud(tmp_path / "a.npz")


def test_missing_file_unknown_suffix_and_garbage(tmp_path):
    with pytest.raises(CloudError, match="no such file"):
        read_cloud(tmp_path / "none.ply")
    with pytest.raises(CloudError, match=r"'.las'.*\.ply, \.pcd, \.npz"):
        read_cloud(tmp_path / "a.las")
    for name in ("a.ply", "a.pcd", "a.npz"):
        (tmp_path / name).write_bytes(b"\x00\xffnot a cloud\n" * 20)
        with pytest.raises(CloudError, match="not a readable"):
            read_cloud(tmp_path / name)


def test_truncated_ply_says_what_is_missing(tmp_path):
    path = tmp_path / "a.ply"
    write_labelled_ply(path, POINTS, COLORS, np.zeros(2), np.zeros(2), np.zeros(2))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CloudError, match="promises 2 points of 27 bytes but holds 53"):
        read_cloud(path)


def damage(data: bytes, draw) -> bytes:
    """Cut off, or with one byte changed."""
    at = draw(st.integers(0, len(data) - 1))
    if draw(st.booleans()):
        return data[:at]
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def intact_file(path, suffix: str) -> bytes:
    if suffix == ".npz":
        np.savez_compressed(path, points=POINTS, colors=COLORS)
    elif suffix == ".ply":
        write_labelled_ply(path, POINTS, COLORS, np.zeros(2), np.zeros(2), np.zeros(2))
    else:
        path.write_bytes(PCD_HEADER.format(rgb="F", data="binary").encode() + pcd_rows().tobytes())
    return path.read_bytes()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), suffix=st.sampled_from([".npz", ".ply", ".pcd"]))
def test_a_damaged_file_is_read_or_refused(data, suffix, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / f"a{suffix}"
    path.write_bytes(damage(intact_file(path, suffix), data.draw))
    with suppress(CloudError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cloud = read_cloud(path)
        assert len(cloud) > 0 and cloud.points.shape == (len(cloud), 3) and np.isfinite(cloud.points).all()


def npy_bytes(array) -> bytes:
    stream = BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def broken_npz_header(path):
    with ZipFile(path, "w") as archive:
        archive.writestr("points.npy", npy_bytes(POINTS).replace(b"(2, 3)", b"(2, 3,"))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("empty.npz", lambda path: path.write_bytes(b"")),
        ("cut.npz", lambda path: path.write_bytes(intact_file(path, ".npz")[:-30])),
        ("array.npz", lambda path: path.write_bytes(npy_bytes(POINTS))),
        ("header.npz", broken_npz_header),
        ("bare.pcd", lambda path: path.write_text("FIELDS x y z\nPOINTS\nDATA ascii\n")),
        ("type.pcd", lambda path: path.write_text(PCD_HEADER.format(rgb="Q", data="binary"))),
        ("less.pcd", lambda path: path.write_text("FIELDS x y z\nPOINTS -1\nDATA ascii\n")),
    ],
)
def test_known_damage_is_named(tmp_path, name, write):
    write(tmp_path / name)
    with pytest.raises(CloudError, match=f"{name}: not a readable"):
        read_cloud(tmp_path / name)


def ply(elements: str, encoding="binary_little_endian") -> bytes:
    return f"ply\nformat {encoding} 1.0\n{elements}end_header\n".encode()


XYZ_RGB = "".join(f"property float {n}\n" for n in "xyz") + "".join(
    f"property uchar {n}\n" for n in ("red", "green", "blue")
)


def vertex_rows(order="<", **lists) -> bytes:
    """The two points; behind each, lists of uchar length and float entries."""
    rows = b""
    for i in range(2):
        rows += POINTS[i].astype(f"{order}f4").tobytes() + COLORS[i].tobytes()
        for lengths in lists.values():
            rows += bytes([lengths[i]]) + np.ones(lengths[i], f"{order}f4").tobytes()
    return rows


FACE = "element face 2\nproperty list uchar int vertex_indices\n"
FACES = bytes([3, *[0] * 12, 4, *[0] * 16])  # a triangle, a quad
VERTEX = f"element vertex 2\n{XYZ_RGB}"
LISTED = VERTEX + "property list uchar float descriptor\n"


@pytest.mark.parametrize(
    "content",
    [
        ply(f"element camera 1\nproperty float px\nproperty double f\n{VERTEX}") + bytes(12) + vertex_rows(),
        ply(f"element nothing 5\n{FACE}{VERTEX}") + FACES + vertex_rows(),
        ply(LISTED) + vertex_rows(d=(2, 2)),
        ply(LISTED) + vertex_rows(d=(0, 3)),
        ply(FACE + LISTED, "binary_big_endian") + FACES + vertex_rows(">", d=(1, 2)),
        ply(VERTEX.upper().replace("ELEMENT VERTEX", "Element Vertex")) + vertex_rows(),
        ply(VERTEX).replace(b"\n", b"\r\n") + vertex_rows(),
        b"\xef\xbb\xbf" + ply(f"{FACE}{LISTED}", "ascii") + b"3 0 1 1\n4 0 1 1 0\n\n"
        b"0.5 -1.25 2 255 0 7 2 9 9\n3 0 -0.125 1 128 64 0\n",
    ],
    ids=["camera", "faces", "equal lists", "lists", "big endian", "capitals", "windows", "text"],
)  # fmt: skip
def test_a_ply_with_more_than_vertices(tmp_path, content):
    (tmp_path / "a.ply").write_bytes(content)
    cloud = read_cloud(tmp_path / "a.ply")
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)
    (tmp_path / "a.ply").write_bytes(content[:-4])
    with pytest.raises(CloudError, match=r"a.ply: not a readable .* cut off or damaged"):
        read_cloud(tmp_path / "a.ply")


WORDS = ["nan", "-nan(ind)", "NaN", "1.#QNAN", "-1.#IND00", "1.#INF", "inf", "-nan", "n/a", "null", "snan"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("suffix", [".ply", ".pcd"])
def test_points_that_are_no_numbers_are_left_out(tmp_path, word, suffix):
    if suffix == ".ply":
        head = "ply\nformat ascii 1.0\nelement vertex 3\n" + "property float x\nproperty float y\n"
        head += "property float z\nend_header\n"
    else:
        head = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 3\nHEIGHT 1\nDATA ascii\n"
    path = tmp_path / f"a{suffix}"
    path.write_text(f"{head}\n0.5 -1.25 2\n{word} {word} {word}\n\n3 0 -0.125\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_cloud(path).points, POINTS)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("0 0 0\n0 0\n", "row 1 has 2 numbers, expected 3: '0 0'"),
        ("0 0 0\n0 1,5 0\n", "row 1: '1,5' is no number"),
        ("0 0 0\n", "promises 2 rows but holds 1"),
    ],
)
def test_a_wrong_row_of_a_text_is_named(tmp_path, rows, words):
    (tmp_path / "a.pcd").write_text(f"FIELDS x y z\nWIDTH 2\nDATA ascii\n{rows}")
    with pytest.raises(CloudError, match=words) as caught:
        read_cloud(tmp_path / "a.pcd")
    assert "usecols" not in str(caught.value)


@pytest.mark.parametrize("kind", ["F", "U", "I"])
@pytest.mark.parametrize("alpha", [0, 255])
def test_packed_colours_in_a_text_whatever_its_header_says(tmp_path, kind, alpha):
    packed = COLORS.astype(np.int64) @ np.array([65536, 256, 1]) + (alpha << 24)
    as_float = packed.astype(np.uint32).view(np.float32)
    for texts in ([str(n) for n in packed], [repr(float(f)) for f in as_float]):
        if "nan" in texts:
            continue  # its bits are lost in a text
        rows = "".join(f"{x} {y} {z} {text}\n" for (x, y, z), text in zip(POINTS, texts, strict=True))
        head = f"VERSION .7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F {kind}\nCOUNT 1 1 1 1\nWIDTH 2\n"
        (tmp_path / "a.pcd").write_text(f"{head}HEIGHT 1\nPOINTS 2\nDATA ascii\n{rows}")
        np.testing.assert_array_equal(read_cloud(tmp_path / "a.pcd").colors, COLORS)


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.replace("FIELDS", "COLUMNS"),
        lambda head: head.replace("POINTS 3\n", ""),
        lambda head: head.replace("WIDTH 3\nHEIGHT 1\n", ""),
        lambda head: head.lower().replace(" f", " F").replace(" u", " U"),
        lambda head: head.replace("x y z _ rgb", "X Y Z _ RGB"),
        lambda head: head.replace("\n", "\r\n"),
    ],
)
def test_headers_of_pcd_as_others_write_them(tmp_path, change):
    head = change(PCD_HEADER.format(rgb="F", data="binary"))
    (tmp_path / "a.pcd").write_bytes(head.encode() + pcd_rows().tobytes())
    cloud = read_cloud(tmp_path / "a.pcd")
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.colors, COLORS)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ply", b"version https://git-lfs.github.com/spec/v1\n", "it seems to be a Git LFS pointer"),
        ("a.pcd", b"<html>", "it seems to be a web page"),
        ("a.npz", b"", "it seems to be an empty file"),
        ("a.pcd", b"ply\nformat ascii 1.0\n", "it seems to be a PLY file: rename it to a.ply"),
        ("a.ply", ply("element face 0\n"), "no element 'vertex' among its elements face"),
        ("a.ply", ply("element vertex 1\nproperty half x\n"), "property type 'half', expected one of char"),
        ("a.ply", ply("element vertex 1\nproperty uchar x\n") + b"\0", "a.ply: no y, z among its fields x"),
        ("a.las", b"LASF", "it seems to be a LAS or LAZ file: convert it to PLY"),
    ],
)
def test_a_refused_file_is_called_what_it_is(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CloudError, match=words) as caught:
        read_cloud(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and "export it again" not in str(caught.value)
