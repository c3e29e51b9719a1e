"""The files of a recording, each read as far as it goes.

MCAP, SQLite3 (rosbag2) and the bags of ROS 1, whole ones through the library `rosbags`. What a recorder has
left that was killed is read by walking over its records: an MCAP or a ROS 1 bag without its index, a database
with its journal beside it. Files may be compressed. The metadata of a folder are not needed.
Formats: mcap.dev/spec, wiki.ros.org/Bags/Format/2.0, github.com/ros2/rosbag2.
"""

import bz2
import gzip
import io
import logging
import lzma
import re
import shutil
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from ssen_ros.errors import BagError
from ssen_ros.io.limits import REMEDY, most_bytes

log = logging.getLogger(__name__)

SUFFIXES = (".mcap", ".db3", ".bag")
COMPRESSED = (".zstd", ".zst", ".lz4", ".gz", ".bz2", ".xz")
_UNFINISHED = ".active"  # what ROS 1 calls a bag that it is writing
_MAGIC = {b"\x89MCAP0\r\n": ".mcap", b"SQLite format 3\0": ".db3", b"#ROSBAG V2": ".bag"}
_MCAP_FOOTER_CODE, _MCAP_CHUNK, _MCAP_CHUNK_INDEX, _MCAP_DATA_END = 2, 6, 8, 15
_INDEX_HEAD = 1 << 20  # bytes that hold what is needed of an entry of the index
_MCAP_FOOTER = 37  # bytes from there to the end of the file
_LOOKED_THROUGH = 40_000_000  # bytes; a larger database is not read twice
_CHUNK_HEAD = 100  # bytes that hold a chunk's numbers and where its data begin
_ZSTD = b"\x28\xb5\x2f\xfd"

Found = tuple[str, str, int, bytes]  # topic, type such as std_msgs/msg/String, time of recording [ns], CDR


def kind_of(path: Path) -> str:
    """One of SUFFIXES, by the name of a file, which may be compressed or unfinished; else empty."""
    names = path.name.lower().removesuffix(_UNFINISHED)
    for suffix in COMPRESSED:
        names = names.removesuffix(suffix)
    return next((suffix for suffix in SUFFIXES if names.removesuffix(_UNFINISHED).endswith(suffix)), "")


def files_of(path: Path) -> list[Path]:
    """The files of a recording, a folder or one file, in order of their names: walk_2 before walk_10."""
    if not path.is_dir():
        return [path]
    files = [file for file in path.iterdir() if kind_of(file) and file.is_file()]
    plain = {file.name for file in files if file.suffix not in COMPRESSED}
    whole = [file for file in files if file.name in plain or file.stem not in plain]  # not both of a pair
    return sorted(
        whole, key=lambda file: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", file.name)]
    )


def count_messages(path: Path) -> Counter[tuple[str, str]]:
    """{(topic, type): messages} of one file. Raises what the library raises where nothing can be read."""
    with _plain(path) as plain:
        try:
            with _reader(plain) as reader:
                return Counter({(c.topic, c.msgtype): c.msgcount for c in reader.connections})
        except BagError:
            raise
        except Exception as error:
            counts = Counter((topic, kind) for topic, kind, *_ in _scanned(plain))
            if not counts:
                raise
            log.warning(
                "%s: cut short or damaged (%s); %d messages of it can be read",
                path, " ".join(str(error).split()) or type(error).__name__, counts.total(),
            )  # fmt: skip
            return counts


def messages(path: Path, topic: str, type_name: str) -> Iterator[tuple[int, bytes]]:
    """(time of recording [ns], CDR) of one topic of one file, as far as it can be read."""
    newest_ns, given = -1, 0
    with _plain(path) as plain:
        most = most_bytes(plain.stat().st_size)
        try:
            with _reader(plain) as reader:
                chosen = [c for c in reader.connections if (c.topic, c.msgtype) == (topic, type_name)]
                for connection, newest_ns, data in reader.messages(chosen) if chosen else ():
                    cdr = _cdr(data, connection.msgtype, plain.suffix == ".bag")
                    given += len(cdr)
                    if given > most:  # an index may name the same data again and again
                        raise BagError(_too_much(path.name, most))
                    yield newest_ns, cdr
            return
        except BagError:
            raise
        except Exception as error:
            broken = error
        for found, kind, recorded_ns, data in _scanned(plain):
            if (found, kind) == (topic, type_name) and recorded_ns > newest_ns:
                newest_ns = recorded_ns
                yield recorded_ns, data
        if newest_ns < 0:
            raise broken


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    """The file with nothing around it, under the suffix of what it is."""
    journals = [Path(f"{path}{end}") for end in ("-wal", "-journal")]
    journals = [file for file in journals if file.is_file() and file.stat().st_size]
    is_compressed = path.suffix.lower() in COMPRESSED
    with open(path, "rb") as stream:
        suffix = _suffix_by_content(stream) or kind_of(path)
    if path.suffix == suffix and not journals:
        _require_plain_tables(path)
        yield path
        return
    with TemporaryDirectory() as folder:
        plain = Path(folder) / f"recording{suffix}"
        if is_compressed:
            _decompress(path, plain)
        elif journals:
            shutil.copyfile(path, plain)
            for file in journals:
                shutil.copyfile(file, f"{plain}{file.name.removeprefix(path.name)}")
            with closing(sqlite3.connect(plain)) as database:  # takes in what the journal holds
                database.execute("PRAGMA journal_mode = DELETE").fetchall()
        else:
            plain.symlink_to(path.resolve())
        with open(plain, "rb") as stream:
            right = plain.with_suffix(_suffix_by_content(stream) or plain.suffix)
        plain.rename(right)
        _require_plain_tables(right)
        yield right


def _require_plain_tables(plain: Path) -> None:
    """Raises BagError for a database that computes what it seems to hold, or holds some of it several times.

    A few kilobytes of it would have no end. One that is merely damaged is left to who reads what there is.
    """
    if plain.suffix != ".db3":
        return
    strange = "a view, a trigger or a computed column"
    try:
        with closing(sqlite3.connect(f"file:{plain}?immutable=1", uri=True)) as database:
            schema = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
            is_plain = all(re.match(r"CREATE (TABLE|INDEX|UNIQUE INDEX)\b", sql, re.I) for _, sql in schema)
            columns = "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden"
            if is_plain and not any(database.execute(columns, (name,)).fetchone()[0] for name, _ in schema):
                if plain.stat().st_size > _LOOKED_THROUGH:
                    return
                found = " ".join(row[0] for row in database.execute("PRAGMA quick_check").fetchall())
                if "reference to page" not in found:
                    return
                strange = "a page that is part of several others"
    except (sqlite3.Error, TypeError):  # TypeError: what should be text is none
        return
    raise BagError(
        f"{plain.name}: no recording of rosbag2, its database has {strange}; expected plain tables"
    )


def _suffix_by_content(stream: BinaryIO) -> str:
    head = stream.read(16)
    return next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), "")


def _decompress(path: Path, plain: Path) -> None:
    """Write what can be decompressed of a file that may be cut short."""
    suffix = path.suffix.lower()
    if suffix in (".zstd", ".zst"):
        opened = _zstd().open(path, "rb")
    elif suffix == ".lz4":
        opened = library("lz4.frame").open(path, "rb")
    else:
        opened = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[suffix](path, "rb")
    most, written = most_bytes(path.stat().st_size), 0
    with opened as source, open(plain, "wb") as target:
        try:
            while part := source.read(1 << 16):
                target.write(part)
                written += len(part)
                if written > most:
                    raise BagError(_too_much(str(path), most))
        except (EOFError, OSError, ValueError, RuntimeError, lzma.LZMAError) as error:
            log.warning("%s: cut short or damaged (%s); read as far as it goes", path, error)


def _reader(plain: Path) -> Any:
    _check_chunks(plain)
    return library("rosbags.rosbag1" if plain.suffix == ".bag" else "rosbags.rosbag2").Reader(plain)


def _check_chunks(plain: Path) -> None:
    """Raises BagError for chunks that unpack to more than they may: the library would unpack them all.

    Raises ValueError for an index that tells otherwise of them.
    """
    most, unpacked = most_bytes(plain.stat().st_size), 0
    if plain.suffix == ".mcap":
        found = {}
        with open(plain, "rb") as stream:
            for at, opcode in _mcap_places(stream, 8):
                if opcode == _MCAP_CHUNK:
                    found[at], size = _mcap_chunk(stream)
                    unpacked += size
                    if unpacked > most:
                        raise BagError(_too_much(plain.name, most))
                elif opcode == _MCAP_DATA_END:
                    break
            _check_mcap_index(stream, found)
    elif plain.suffix == ".bag":
        with open(plain, "rb") as stream:
            stream.readline()
            for fields, data in _ros1_records(stream, unpack=False):
                if fields.get(b"compression") == b"bz2":
                    unpacked += len(_unpacked(bz2.BZ2Decompressor(), data, "a chunk"))
                    if unpacked > most:
                        raise BagError(_too_much(plain.name, most))


def _mcap_places(stream: BinaryIO, at: int) -> Iterator[tuple[int, int]]:
    """(place, opcode) of each record from a place on; the stream stands behind the record's head."""
    stream.seek(min(at, 1 << 62))
    while len(head := stream.read(9)) == 9:
        opcode, length = struct.unpack("<BQ", head)
        yield at, opcode
        at += 9 + length
        stream.seek(min(at, 1 << 62))


_Packing = tuple[str, int]  # how a chunk is compressed, and to how many bytes


def _check_mcap_index(stream: BinaryIO, chunks: dict[int, _Packing | None]) -> None:
    """Raises ValueError where the index names a chunk twice, or one that is not there as it says."""
    end = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, end - _MCAP_FOOTER))
    head = stream.read(17)
    if len(head) < 17 or head[0] != _MCAP_FOOTER_CODE:
        return  # the library reads it without an index
    for _, opcode in _mcap_places(stream, struct.unpack("<9xQ", head)[0] or end):
        if opcode != _MCAP_CHUNK_INDEX:
            continue
        told = _Content(stream.read(_INDEX_HEAD))
        told.read(16)
        place, _ = told.number("<Q"), told.number("<Q")
        told.seek(told.number("<I"), io.SEEK_CUR)
        told.read(8)
        packing = told.text(), told.number("<Q")
        if chunks.pop(place, None) != packing:
            raise ValueError("its index names a chunk twice, or one that is not there")


def _mcap_chunk(stream: BinaryIO) -> tuple[_Packing | None, int]:
    """How a chunk is packed, and what it unpacks to; None and 0 for a damaged one.

    Raises BagError where it unpacks to more than it may.
    """
    head = _Content(stream.read(_CHUNK_HEAD))
    try:
        *_, size, _ = head.number("<Q"), head.number("<Q"), head.number("<Q"), head.number("<I")
        compression, packed = head.text(), head.number("<Q")
        start = head.read()
    except (struct.error, UnicodeDecodeError):
        return None, 0  # damaged: whoever reads it says so
    if compression == "zstd" and packed < 1 << 40:
        data = (start + stream.read(max(0, packed - len(start))))[:packed]
        try:
            declared = _zstd().get_frame_info(data).decompressed_size
            if _zstd().get_frame_size(data) < len(data):  # and what comes after it?
                raise BagError(f"a chunk of several parts in {packed:,} bytes; expected one")
        except BagError:
            raise
        except Exception:  # of the library, for bytes that are none
            return None, 0
        if declared is None:  # it has to be tried
            declared = len(_unpacked(_zstd().ZstdDecompressor(), data, "a chunk"))
        size = max(size, declared)
    if size > most_bytes(packed):
        raise BagError(_too_much(f"a chunk of {packed:,} bytes", most_bytes(packed)))
    return (compression, packed), size


def _cdr(data: bytes, type_name: str, is_ros1: bool) -> bytes:
    if is_ros1:
        typesys = library("rosbags.typesys")
        return bytes(typesys.get_typestore(typesys.Stores.LATEST).ros1_to_cdr(data, type_name))
    if data[:4] == _ZSTD:  # rosbag2's compression by message; CDR begins with a zero
        return _unpacked(_zstd().ZstdDecompressor(), data, "a message")
    return data


def _unpacked(decompressor: Any, data: bytes, what: str) -> bytes:
    """Raises BagError where it would be more than so many bytes may unpack to."""
    most = most_bytes(len(data))
    unpacked = decompressor.decompress(data, max_length=most)
    if not decompressor.eof and len(unpacked) >= most:
        raise BagError(_too_much(f"{what} of {len(data):,} bytes", most))
    return unpacked


def _too_much(what: str, most: int) -> str:
    return f"{what} unpacks to more than {most:,}; if you trust the recording, {REMEDY}"


def _scanned(plain: Path) -> Iterator[Found]:
    """Every message of a file that can be found without an index, and be brought into CDR."""
    scan = {".mcap": _scan_mcap, ".bag": _scan_ros1, ".db3": _scan_sqlite}.get(plain.suffix)
    if scan is None:
        return
    for topic, kind, recorded_ns, data, is_ros1 in scan(plain):
        if is_ros1 and kind != "sensor_msgs/msg/PointCloud2":
            yield topic, kind, recorded_ns, b""  # counted; nobody reads it
            continue
        try:
            yield topic, kind, recorded_ns, _cdr(data, kind, is_ros1)
        except Exception as error:  # of the libraries, for bytes that are none
            log.debug("a message on %s cannot be read (%s)", topic, error)


_Raw = tuple[str, str, int, bytes, bool]  # topic, type, time [ns], data, whether of ROS 1


def _scan_sqlite(plain: Path) -> Iterator[_Raw]:
    query = "SELECT name, type, timestamp, data FROM messages JOIN topics ON topic_id = topics.id"
    with closing(sqlite3.connect(f"file:{plain}?immutable=1", uri=True)) as database:
        try:
            for row in database.execute(query):
                if tuple(map(type, row)) == (str, str, int, bytes):  # a column may hold anything
                    yield (*row, False)
        except sqlite3.Error as error:
            log.debug("%s ends early: %s", plain, error)


def _scan_mcap(plain: Path) -> Iterator[_Raw]:
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str, bool]] = {}
    with open(plain, "rb") as stream:
        stream.seek(8)
        try:
            for opcode, content in _mcap_records(stream):
                if opcode == 3:
                    schema = content.number("<H")
                    schemas[schema] = _ros2_name(content.text())
                elif opcode == 4:
                    channel, schema = content.number("<H"), content.number("<H")
                    topic, encoding = content.text(), content.text()
                    channels[channel] = topic, schemas.get(schema, ""), encoding == "ros1"
                elif opcode == 5:
                    channel, _, recorded_ns, _ = (content.number(kind) for kind in ("<H", "<I", "<Q", "<Q"))
                    if channel in channels:
                        topic, kind, is_ros1 = channels[channel]
                        yield topic, kind, recorded_ns, content.read(), is_ros1
        except (struct.error, UnicodeDecodeError) as error:
            log.debug("%s ends early: %s", plain, error)


class _Content(io.BytesIO):
    """The bytes of one record."""

    def number(self, kind: str) -> int:
        return struct.unpack(kind, self.read(struct.calcsize(kind)))[0]

    def text(self) -> str:
        return self.read(self.number("<I")).decode()


def _mcap_records(stream: BinaryIO, in_chunk: bool = False) -> Iterator[tuple[int, _Content]]:
    """(opcode, content) of each record, those in chunks included, until they end or make no sense."""
    while True:
        head = stream.read(9)
        if len(head) < 9:
            return
        opcode, length = struct.unpack("<BQ", head)
        data = stream.read(min(length, 1 << 40))
        if opcode == _MCAP_CHUNK and not in_chunk:  # chunks in chunks would have no end
            yield from _mcap_records(io.BytesIO(_chunk(_Content(data))), in_chunk=True)
        if len(data) < length or opcode == 15:  # cut short; the end of the data
            return
        yield opcode, _Content(data)


def _chunk(content: _Content) -> bytes:
    """Its records; as many as there are in one that is cut short, none where it is damaged."""
    content.read(28)  # times, size, checksum
    compression = content.text()
    content.read(8)
    data = content.read()
    try:
        if compression == "zstd":
            return _unpacked(_zstd().ZstdDecompressor(), data, "a chunk")
        if compression == "lz4":
            return _unpacked(library("lz4.frame").LZ4FrameDecompressor(), data, "a chunk")
    except BagError:
        raise
    except Exception as error:  # of the libraries, for bytes that are none
        log.debug("a chunk cannot be decompressed: %s", error)
        return b""
    return data if not compression else b""


def _scan_ros1(plain: Path) -> Iterator[_Raw]:
    topics: dict[int, tuple[str, str]] = {}
    with open(plain, "rb") as stream:
        stream.readline()
        try:
            for fields, data in _ros1_records(stream):
                opcode = fields[b"op"][0]
                if opcode == 7:
                    kind = dict(_ros1_fields(data))[b"type"].decode()
                    topics[_uint(fields[b"conn"])] = fields[b"topic"].decode(), _ros2_name(kind)
                elif opcode == 2 and _uint(fields[b"conn"]) in topics:
                    seconds, nanoseconds = struct.unpack("<II", fields[b"time"])
                    yield *topics[_uint(fields[b"conn"])], seconds * 10**9 + nanoseconds, data, True
        except (struct.error, UnicodeDecodeError, KeyError, IndexError) as error:
            log.debug("%s ends early: %s", plain, error)


def _ros1_records(stream: BinaryIO, unpack: bool = True) -> Iterator[tuple[dict[bytes, bytes], bytes]]:
    """(header, data) of each record, those in chunks included, until they end."""
    while True:
        header = _ros1_part(stream)
        data = _ros1_part(stream) if header is not None else None
        if header is None or data is None:
            return
        fields = dict(_ros1_fields(header))
        if fields.get(b"op") == b"\x05" and unpack:
            compression = fields.get(b"compression", b"none")
            if compression == b"bz2":
                data = _unpacked(bz2.BZ2Decompressor(), data, "a chunk")
            elif compression == b"lz4":
                data = _unpacked(library("lz4.frame").LZ4FrameDecompressor(), data, "a chunk")
            yield from _ros1_records(io.BytesIO(data))
        else:
            yield fields, data


def _ros1_part(stream: BinaryIO) -> bytes | None:
    size = stream.read(4)
    data = stream.read(_uint(size)) if len(size) == 4 else b""
    return data if len(size) == 4 and len(data) == _uint(size) else None


def _ros1_fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(header):
        size = _uint(header[at : at + 4])
        name, _, value = header[at + 4 : at + 4 + size].partition(b"=")
        yield name, value
        at += 4 + size


def _uint(data: bytes) -> int:
    return struct.unpack("<I", data)[0]


def _ros2_name(kind: str) -> str:
    """package/msg/Name, also of ROS 1's package/Name."""
    package, _, name = kind.partition("/")
    return kind if name.startswith("msg/") else f"{package}/msg/{name}"


def _zstd() -> Any:
    try:
        return import_module("compression.zstd")  # of Python 3.14
    except ImportError:
        return library("backports.zstd")


def library(module: str) -> Any:
    """A module that comes with rosbags. Raises BagError where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise BagError(f"recordings need the library rosbags ({error}); pip install rosbags") from error
