"""Recordings are read as they were written, and what is none or is damaged gets one clear error. No ROS."""

import io
import shutil
import sqlite3
import struct
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssen_ros.errors import BagError, CloudError
from ssen_ros.io.bags import BagReader, BagWriter, is_bag, typestore
from ssen_ros.io.clouds import read_cloud
from ssen_ros.io.point_cloud2 import CLOUD_TYPE
from ssen_ros.io.recordings import _mcap_places

MESSAGES = Path(__file__).resolve().parents[2] / "msg"
STORE = typestore()
SECOND = 1_000_000_000


def no_definition(name):
    raise AssertionError(f"{name} is a standard message")


def cloud_message(points, colors=None, stamp_s=0, frame_id="map"):
    """A sensor_msgs/PointCloud2 in CDR, written with rosbags alone."""
    types = STORE.types
    names = ["x", "y", "z"] + (["rgb"] if colors is not None else [])
    columns = np.zeros(len(points), [(name, "<f4") for name in names])
    for axis, name in enumerate("xyz"):
        columns[name] = points[:, axis]
    if colors is not None:
        packed = colors.astype(np.uint32) @ (1 << np.array([16, 8, 0], np.uint32))
        columns["rgb"] = packed.astype(np.uint32).view(np.float32)
    stamp = types["builtin_interfaces/msg/Time"](stamp_s, 0)
    field = types["sensor_msgs/msg/PointField"]
    message = types[CLOUD_TYPE](
        types["std_msgs/msg/Header"](stamp, frame_id), 1, len(points),
        [field(name, 4 * k, 7, 1) for k, name in enumerate(names)], False, columns.itemsize,
        columns.nbytes, columns.view(np.uint8).ravel(), True,
    )  # fmt: skip
    return bytes(STORE.serialize_cdr(message, CLOUD_TYPE))


def cloud(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, 3), np.float32), rng.integers(0, 256, (count, 3), np.uint8)


def write(path, topics=("/cloud_map",), sizes=(10, 20, 30)):
    writer = BagWriter(path, no_definition)
    for topic in topics:
        writer.add_topic(topic, CLOUD_TYPE, latched=True)
        for k, size in enumerate(sizes):
            writer.write(topic, (k + 1) * SECOND, cloud_message(*cloud(size), stamp_s=k + 1))
    writer.close()
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bag") / "walk")


@pytest.mark.parametrize("as_file", [False, True])
def test_clouds_come_back_in_order_with_their_times(bag, as_file):
    reader = BagReader(bag / "walk.mcap" if as_file else bag)
    assert (reader.topic, len(reader)) == ("/cloud_map", 3)
    read = list(reader.messages())
    assert [recorded // SECOND for recorded, _ in read] == [1, 2, 3]
    assert [message.header.stamp.sec for _, message in read] == [1, 2, 3]
    assert [message.width for _, message in read] == [10, 20, 30]
    assert list(reader.raw())[1][1] == cloud_message(*cloud(20), stamp_s=2)


def test_a_recording_is_read_as_its_last_cloud(bag):
    points, colors = cloud(30)
    read = read_cloud(bag)
    np.testing.assert_array_equal(read.points, points)
    np.testing.assert_array_equal(read.colors, colors)
    assert (read.frame_id, read.stamp_ns) == ("map", 3 * SECOND)


@pytest.mark.parametrize(("until_s", "points"), [(0.5, 10), (1.0, 20), (1.9, 20), (99.0, 30)])
def test_an_earlier_cloud_can_be_asked_for(bag, until_s, points):
    np.testing.assert_array_equal(read_cloud(bag, until_s=until_s).points, cloud(points)[0])


def test_sqlite3_is_read_too(tmp_path):
    from rosbags.rosbag2 import StoragePlugin, Writer

    with Writer(tmp_path / "old", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connection = writer.add_connection("/cloud_map", CLOUD_TYPE, typestore=STORE)
        writer.write(connection, SECOND, cloud_message(*cloud(12)))
    (file,) = (tmp_path / "old").glob("*.db3")
    for path in (tmp_path / "old", file):
        np.testing.assert_array_equal(read_cloud(path).points, cloud(12)[0])


def test_a_cloud_without_colour_has_none(tmp_path):
    writer = BagWriter(tmp_path / "grey", no_definition)
    writer.add_topic("/map", CLOUD_TYPE, latched=False)
    writer.write("/map", SECOND, cloud_message(cloud(5)[0]))
    writer.close()
    assert read_cloud(tmp_path / "grey").colors is None


def test_an_empty_last_cloud_is_no_map(tmp_path):
    with pytest.raises(CloudError, match="the last cloud on /cloud_map is empty"):
        read_cloud(write(tmp_path / "empty", sizes=(10, 0)))


def test_one_of_several_topics_has_to_be_chosen(tmp_path):
    path = write(tmp_path / "two", topics=("/a", "/b"))
    with pytest.raises(BagError, match=r"several topics, /a \(3\), /b \(3\); choose one with --bag-topic"):
        BagReader(path)
    assert BagReader(path, "/b").topic == BagReader(path, "b").topic == "/b"
    with pytest.raises(BagError, match=r"no clouds on /c; recorded: /a \(3\), /b \(3\)"):
        BagReader(path, "/c")


def test_messages_of_our_own_are_recorded_with_their_definition(tmp_path):
    from rosbags.rosbag2 import Reader

    asked = []

    def definition(name):
        asked.append(name)
        return (MESSAGES / f"{name.split('/')[-1]}.msg").read_text(encoding="utf-8")

    writer = BagWriter(tmp_path / "objects", definition)
    writer.add_topic("/ssen/instances", "ssen_ros/msg/InstanceArray", latched=True)
    writer.write("/ssen/instances", SECOND, b"\0\1\0\0")
    writer.close()
    assert sorted(asked) == [
        f"ssen_ros/msg/{name}" for name in ("Instance", "InstanceArray", "InstanceEvent")
    ]
    with Reader(tmp_path / "objects") as reader:
        (connection,) = reader.connections
    assert (
        "MSG: ssen_ros/Instance" in connection.msgdef.data and "float32 voxel_size" in connection.msgdef.data
    )
    (offered,) = connection.ext.offered_qos_profiles
    assert (offered.durability.name, offered.depth) == ("TRANSIENT_LOCAL", 1)
    with pytest.raises(BagError, match="no point clouds recorded .*/ssen/instances"):
        BagReader(tmp_path / "objects")


def test_recordings_are_not_overwritten_and_empty_ones_do_not_stay(bag, tmp_path):
    with pytest.raises(BagError, match="exists already"):
        BagWriter(bag, no_definition)
    writer = BagWriter(tmp_path / "nothing", no_definition)
    writer.add_topic("/cloud_map", CLOUD_TYPE, latched=True)
    writer.close()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("name", ["none", "none.mcap", "none.db3"])
def test_a_recording_that_is_not_there(tmp_path, name):
    with pytest.raises(BagError, match="no such recording"):
        BagReader(tmp_path / name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_an_error_of_ours_or_leaves_clouds(bag, tmp_path, data):
    content = bytearray((bag / "walk.mcap").read_bytes())
    if data.draw(st.booleans(), "cut"):
        del content[data.draw(st.integers(0, len(content) - 1), "length") :]
    else:
        for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5), "places"):
            content[at] = data.draw(st.integers(0, 255), "byte")
    path = tmp_path / "damaged.mcap"
    path.write_bytes(content)
    try:
        assert len(read_cloud(path)) > 0
    except (BagError, CloudError) as error:
        assert str(error)


@pytest.mark.parametrize("plugin", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize("metadata", [None, "", "rosbag2_bagfile_information: {}"])
def test_a_folder_is_read_whatever_its_metadata_are(tmp_path, plugin, metadata, caplog):
    path = write_by_rosbags(tmp_path / "cut", plugin)
    (path / "metadata.yaml").unlink()
    if metadata is not None:
        (path / "metadata.yaml").write_text(metadata)
    np.testing.assert_array_equal(read_cloud(path).points, cloud(30)[0])
    if metadata is None:
        assert "no metadata.yaml; 3 clouds on /cloud_map found in 1 files" in caplog.text


def write_by_rosbags(path, plugin="MCAP", sizes=(10, 20, 30), first_s=1, compress=None):
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    writer = Writer(path, version=9, storage_plugin=StoragePlugin[plugin])
    if compress:
        writer.set_compression(CompressionMode[compress], CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/cloud_map", CLOUD_TYPE, typestore=STORE)
        for k, size in enumerate(sizes):
            writer.write(connection, (first_s + k) * SECOND, cloud_message(*cloud(size), stamp_s=first_s + k))
    return path


def widths(path):
    return [message.width for _, message in BagReader(path).messages()]


def test_split_files_come_in_order_of_their_numbers(tmp_path):
    for number in (2, 10):
        write_by_rosbags(tmp_path / f"walk_{number}", sizes=(number,), first_s=number)
    (tmp_path / "all").mkdir()
    for number in (10, 2):
        shutil.copy(tmp_path / f"walk_{number}" / f"walk_{number}.mcap", tmp_path / "all")
    (tmp_path / "all" / "walk_3.mcap").write_bytes(b"")  # the last one, before the power went
    assert widths(tmp_path / "all") == [2, 10]


@pytest.mark.parametrize("plugin", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize("mode", ["FILE", "MESSAGE"])
def test_compressed_files_are_read_by_name_and_by_folder(tmp_path, plugin, mode):
    path = write_by_rosbags(tmp_path / "small", plugin, compress=mode)
    (file,) = (file for file in path.iterdir() if file.suffix != ".yaml")
    assert is_bag(file) and widths(file) == widths(path) == [10, 20, 30]


@pytest.mark.parametrize("name", ["gzip", "bz2", "lzma"])
def test_files_that_people_compressed_are_read(bag, tmp_path, name):
    from importlib import import_module

    module = import_module(name)
    path = tmp_path / f"walk.mcap{dict(gzip='.gz', bz2='.bz2', lzma='.xz')[name]}"
    path.write_bytes(module.compress((bag / "walk.mcap").read_bytes()))
    assert widths(path) == [10, 20, 30]


@pytest.mark.parametrize("compress", [None, "STORAGE"])
def test_an_mcap_without_its_end_gives_what_it_holds(tmp_path, compress, caplog):
    path = write_by_rosbags(tmp_path / "long", sizes=(40_000, 50_000, 60_000, 70_000), compress=compress)
    content = (path / "long.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(content[: len(content) * 2 // 3])
    assert widths(tmp_path / "cut.mcap") == [40_000, 50_000]
    assert "cut.mcap: cut short or damaged" in caplog.text and "2 messages" in caplog.text
    (tmp_path / "end.mcap").write_bytes(content[:-20])  # only the footer is missing
    assert widths(tmp_path / "end.mcap") == [40_000, 50_000, 60_000, 70_000]


def test_a_recorder_that_was_killed_leaves_a_recording(tmp_path, monkeypatch):
    monkeypatch.setattr("ssen_ros.io.bags._FLUSH_PERIOD_S", -1.0)
    writer = BagWriter(tmp_path / "killed", no_definition)
    assert (tmp_path / "killed" / "metadata.yaml").is_file()
    writer.add_topic("/cloud_map", CLOUD_TYPE, latched=True)
    writer.write("/cloud_map", SECOND, cloud_message(*cloud(10)))
    shutil.copytree(tmp_path / "killed", tmp_path / "found")  # as it is on the disk now
    writer.close()
    np.testing.assert_array_equal(read_cloud(tmp_path / "found").points, cloud(10)[0])


def test_a_database_whose_recorder_was_killed_is_read_with_its_journal(tmp_path):
    import sqlite3

    path = write_by_rosbags(tmp_path / "old", "SQLITE3")
    (file,) = path.glob("*.db3")
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = WAL")
    message = cloud_message(*cloud(99), stamp_s=9)
    database.execute(
        "INSERT INTO messages (topic_id, timestamp, data) VALUES (1, ?, ?)", (9 * SECOND, message)
    )
    database.commit()
    shutil.copytree(path, tmp_path / "found")
    database.close()
    assert widths(tmp_path / "found") == [10, 20, 30, 99]


def ros1_bag(path, sizes=(10, 20), compression=None):
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    writer = Writer(path)
    if compression:
        writer.set_compression(Writer.CompressionFormat[compression])
    with writer:
        connection = writer.add_connection("/cloud_map", CLOUD_TYPE, typestore=store)
        for k, size in enumerate(sizes):
            points = cloud(size)[0]
            header = types["std_msgs/msg/Header"](k, types["builtin_interfaces/msg/Time"](k + 1, 0), "/map")
            fields = [types["sensor_msgs/msg/PointField"](name, 4 * i, 7, 1) for i, name in enumerate("xyz")]
            message = types[CLOUD_TYPE](
                header, 1, size, fields, False, 12, 12 * size, points.view(np.uint8).ravel(), True
            )
            writer.write(connection, (k + 1) * SECOND, store.serialize_ros1(message, CLOUD_TYPE))
    return path


@pytest.mark.parametrize("compression", [None, "BZ2", "LZ4"])
def test_bags_of_ros1_are_read(tmp_path, compression):
    path = ros1_bag(tmp_path / "walk.bag", compression=compression)
    read = read_cloud(path)
    np.testing.assert_array_equal(read.points, cloud(20)[0])
    assert (read.frame_id, read.stamp_ns) == ("/map", 2 * SECOND)


def test_a_ros1_bag_without_its_index_gives_what_it_holds(tmp_path):
    content = ros1_bag(tmp_path / "walk.bag", sizes=(60_000, 70_000, 80_000)).read_bytes()
    cut = tmp_path / "walk.bag.active"
    cut.write_bytes(content[: len(content) * 3 // 4])
    assert is_bag(cut) and widths(cut)[:1] == [60_000]


def test_what_is_no_recording_is_called_what_it_is(tmp_path):
    (tmp_path / "a.mcap").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(BagError, match=r"a.mcap: not a readable recording .*Git LFS pointer"):
        read_cloud(tmp_path / "a.mcap")


def test_another_folder_is_no_recording(tmp_path):
    (tmp_path / "a.ply").touch()
    with pytest.raises(BagError, match="is no recording"):
        read_cloud(tmp_path)


def test_metadata_that_promise_more_are_not_believed(tmp_path):
    writer = BagWriter(tmp_path / "short", no_definition)
    for topic in ("/map", "/cloud_map"):
        writer.add_topic(topic, CLOUD_TYPE, latched=True)
    writer.write("/map", SECOND, cloud_message(*cloud(10)))
    writer.close()
    metadata = tmp_path / "short" / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("message_count: 0", "message_count: 3"))
    with pytest.raises(BagError, match=r"no clouds on /cloud_map; recorded: /map \(1\)"):
        read_cloud(tmp_path / "short", "/cloud_map")


def test_without_the_library_the_remedy_is_named(bag, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "rosbags"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rosbags", None)
    with pytest.raises(BagError, match="pip install rosbags"):
        read_cloud(bag)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.mcap", True),
        ("a.DB3", True),
        ("a.db3.zstd", True),
        ("a.bag", True),
        ("a.bag.active", True),
        (".", True),
        ("a.ply", False),
        ("a.npz", False),
        ("a.gz", False),
    ],  # fmt: skip
)
def test_what_counts_as_a_recording(tmp_path, name, expected):
    assert is_bag(tmp_path / name) == expected


class FullDisk:
    """A file on a disk that has room for so many bytes."""

    def __init__(self, stream, room):
        self.stream, self.room = stream, room

    def write(self, data):
        data = bytes(data)
        self.stream.write(data[: max(0, self.room)])
        self.room -= len(data)
        if self.room < 0:
            self.stream.flush()
            raise OSError(28, "No space left on device")
        return len(data)

    def __getattr__(self, name):
        return getattr(self.stream, name)


@pytest.mark.parametrize("room", [0, 1, 100_000, 1_500_000, 2_600_000])
def test_a_recording_that_fills_the_disk_is_closed_with_what_it_has(tmp_path, room):
    writer = BagWriter(tmp_path / "bag", no_definition)
    for topic in ("/cloud_map", "/other"):
        writer.add_topic(topic, CLOUD_TYPE, latched=True)
    storage = writer._writer.storage
    storage.bio = FullDisk(storage.bio, room)
    written = 0
    with pytest.raises(BagError, match="No space left"):
        for written in range(50):
            for topic in ("/cloud_map", "/other"):
                writer.write(
                    topic, (written + 1) * SECOND, cloud_message(*cloud(20_000), stamp_s=written + 1)
                )
    writer.write("/cloud_map", 100 * SECOND, b"")  # those that still come are left out
    writer.close()
    if not sum(writer.counts.values()):
        assert not (tmp_path / "bag").exists() and room < 1_500_000
        return
    reader = BagReader(tmp_path / "bag", "/cloud_map")
    stamps = [message.header.stamp.sec for _, message in reader.messages()]
    assert (
        stamps == list(range(1, len(stamps) + 1))
        and len(stamps) == len(reader) == writer.counts["/cloud_map"]
    )
    assert written - 3 <= len(stamps) <= written + 1
    assert not list((tmp_path / "bag").glob(".*"))


TOPICS = """CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT,
    offered_qos_profiles TEXT);
    INSERT INTO topics VALUES(1, '/m', 'sensor_msgs/msg/PointCloud2', 'cdr', '');"""
ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n AS id"


@pytest.mark.parametrize(
    "tables",
    [
        f"{TOPICS} CREATE VIEW messages AS {ENDLESS}, 1 AS topic_id, n AS timestamp, x'00' AS data FROM t;",
        f"CREATE VIEW topics AS {ENDLESS}, '/m' || n AS name, 'a/msg/B' AS type FROM t;",
        f"{TOPICS} CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data "
        "BLOB GENERATED ALWAYS AS (zeroblob(900000000))); INSERT INTO messages VALUES(1, 1, 5);",
    ],
    ids=["endless messages", "endless topics", "computed"],
)
def test_a_database_that_computes_what_it_holds_is_refused(tmp_path, tables):
    with closing(sqlite3.connect(tmp_path / "a.db3")) as database:
        database.executescript(tables)
    with pytest.raises(BagError, match="a view, a trigger or a computed column; expected plain tables"):
        read_cloud(tmp_path / "a.db3")


def test_a_database_that_shows_a_page_again_and_again_is_refused(tmp_path):
    messages = (
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);"
    )
    with closing(sqlite3.connect(tmp_path / "a.db3")) as database:
        database.executescript(f"PRAGMA page_size = 4096; {TOPICS} {messages}")
        database.execute("INSERT INTO messages VALUES(1, 1, 5, ?)", (b"A" * 100_000,))
        database.commit()
    pages = np.frombuffer((tmp_path / "a.db3").read_bytes(), np.uint8).reshape(-1, 4096).copy()
    overflowing = np.flatnonzero((pages[:, 10:20] == ord("A")).all(axis=1))
    pages[overflowing[9], :4] = 0, 0, 0, overflowing[2] + 1  # where it goes on
    (tmp_path / "a.db3").write_bytes(pages.tobytes())
    with pytest.raises(BagError, match="a page that is part of several others"):
        read_cloud(tmp_path / "a.db3")


def test_a_number_in_place_of_data_is_no_message(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db3")) as database:
        database.executescript(f"{TOPICS} CREATE TABLE messages(id, topic_id, timestamp, data);")
        database.execute("INSERT INTO messages VALUES(1, 1, 5, 2000000000)")
        database.commit()
    tracemalloc.start()
    try:
        with pytest.raises(BagError):
            read_cloud(tmp_path / "a.db3")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def record(opcode, content):
    return struct.pack("<BQ", opcode, len(content)) + content


def chunk(data, size):
    packing = struct.pack("<QQQII", 0, 9, size, 0, 4) + b"zstd" + struct.pack("<Q", len(data))
    return record(6, packing + data)


def test_an_index_that_names_a_chunk_again_and_again_is_not_believed(bag, tmp_path):
    data = next(bag.glob("*.mcap")).read_bytes()
    stream = io.BytesIO(data)
    places = [at for at, opcode in _mcap_places(stream, 8) if opcode == 8]
    length = 9 + struct.unpack_from("<Q", data, places[0] + 1)[0]
    entry = data[places[0] : places[0] + length]
    (tmp_path / "a.mcap").write_bytes(data[: places[0]] + 3000 * entry + data[places[0] :])
    found = list(BagReader(tmp_path / "a.mcap").raw())
    assert len(found) == 3, "by the chunks themselves"


@pytest.mark.parametrize("parts", ["many", "one behind another"])
def test_chunks_that_unpack_to_much_together_are_refused(tmp_path, parts):
    zstd = pytest.importorskip("backports.zstd")
    large = zstd.compress(bytes(30_000_000))
    if parts == "many":
        body, words = chunk(large, 30_000_000) * 3, "unpacks to more than 40,000,000"
    else:
        body, words = chunk(zstd.compress(b"a") + large, 1), "several parts"
    magic = b"\x89MCAP0\r\n"
    head, end = record(1, bytes(8)), record(15, bytes(4)) + record(2, bytes(20))
    (tmp_path / "a.mcap").write_bytes(magic + head + body + end + magic)
    assert (tmp_path / "a.mcap").stat().st_size < 10_000
    with pytest.raises(BagError, match=words):
        read_cloud(tmp_path / "a.mcap")
