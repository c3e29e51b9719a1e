"""Recordings: clouds read from those of ROS 2 and ROS 1, MCAP written; through `rosbags`, without ROS.

How their files are read, see `recordings`.
"""

import json
import logging
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ssen_ros.errors import BagError, CloudError
from ssen_ros.io.likely import likely
from ssen_ros.io.point_cloud2 import CLOUD_TYPE, from_msg
from ssen_ros.io.recordings import count_messages, files_of, kind_of, library, messages
from ssen_ros.io.replacing import replace_text
from ssen_ros.stamps import ns_from_time
from ssen_ros.structures import Cloud

_FLUSH_PERIOD_S = 1.0
_RESERVE, _RESERVED_BYTES = ".reserve", 1 << 20  # for the index of a recording that filled the disk

log = logging.getLogger(__name__)


def is_bag(path: str | Path) -> bool:
    """Whether `path` is a recording: a folder, or a single .mcap, .db3 or .bag file, compressed or not."""
    path = Path(path)
    return path.is_dir() or bool(kind_of(path))


class BagReader:
    """The point clouds of one topic of a recording, in the order they were recorded.

    What a folder's metadata.yaml says is not asked: the files are read, as far as each of them goes.

    Raises:
        BagError: no recording there, nothing readable in it, no library to read it, or no such topic of
            clouds; where `topic` is empty, more than one of them.
    """

    def __init__(self, path: str | Path, topic: str = ""):
        self._path = Path(path)
        counts: Counter[tuple[str, str]] = Counter()
        with _reading(self._path):
            self._files = files_of(self._path)
            for file in list(self._files):
                try:
                    counts += count_messages(file)
                except Exception as error:
                    if isinstance(error, BagError) or len(self._files) == 1:
                        raise
                    log.warning("%s: left out, it cannot be read (%s)", file, error)
                    self._files.remove(file)
        clouds = {name: count for (name, kind), count in counts.items() if kind == CLOUD_TYPE}
        self.topic = self._chosen(topic, clouds, sorted({name for name, _ in counts} - set(clouds)))
        self._count = clouds[self.topic]
        is_bare = self._path.is_dir() and not (self._path / "metadata.yaml").is_file()
        log.log(
            logging.WARNING if is_bare else logging.INFO,
            "%s: %s%d clouds on %s found in %d files",
            path, "no metadata.yaml; " if is_bare else "", self._count, self.topic, len(self._files),
        )  # fmt: skip

    def __len__(self) -> int:
        """Clouds on the topic."""
        return self._count

    def raw(self) -> Iterator[tuple[int, bytes]]:
        """(time of recording [ns], the message as it was on the wire, CDR) of each cloud."""
        with _reading(self._path):
            is_empty = True
            for file in self._files:
                for recorded in messages(file, self.topic, CLOUD_TYPE):
                    is_empty = False
                    yield recorded
            if is_empty:
                raise EOFError(f"it promises {len(self)} clouds on {self.topic} and holds none")

    def messages(self) -> Iterator[tuple[int, Any]]:
        """As `raw`, with the attributes of sensor_msgs/PointCloud2."""
        store = typestore()
        for recorded_ns, data in self.raw():
            with _reading(self._path):
                message = store.deserialize_cdr(data, CLOUD_TYPE)
            yield recorded_ns, message

    def last(self, until_s: float = float("inf")) -> Cloud:
        """The last cloud recorded at most `until_s` after the first. Raises CloudError if it is unusable."""
        ((_, message),) = deque(self._until(until_s), maxlen=1)
        try:
            points, colors, had_color = from_msg(message)
        except CloudError as error:
            raise CloudError(f"{self._path}: the last cloud on {self.topic}: {error}") from error
        if not len(points):
            raise CloudError(f"{self._path}: the last cloud on {self.topic} is empty; expected a map")
        return Cloud(
            np.ascontiguousarray(points, np.float32),
            colors if had_color else None,
            frame_id=message.header.frame_id,
            stamp_ns=ns_from_time(message.header.stamp),
        )

    def _until(self, until_s: float) -> Iterator[tuple[int, Any]]:
        first_ns = None
        for recorded_ns, message in self.messages():
            first_ns = recorded_ns if first_ns is None else first_ns
            if (recorded_ns - first_ns) / 1e9 > until_s:
                return
            yield recorded_ns, message

    def _chosen(self, topic: str, counts: Mapping[str, int], others: list[str]) -> str:
        recorded = {name: count for name, count in counts.items() if count}
        listed = ", ".join(f"{name} ({count})" for name, count in recorded.items()) or "none"
        if not recorded:
            raise BagError(
                f"{self._path}: no point clouds recorded (other topics: {', '.join(others) or 'none'}); "
                "expected the map of a SLAM, as `ssen record` or `ros2 bag record` keep it"
            )
        if not topic and len(recorded) > 1:
            raise BagError(f"{self._path}: clouds on several topics, {listed}; choose one with --bag-topic")
        topic = topic or next(iter(recorded))
        for name in (topic, f"/{topic}"):
            if name in recorded:
                return name
        raise BagError(f"{self._path}: no clouds on {topic}; recorded: {listed}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    if not path.exists():
        raise BagError(f"{path}: no such recording; give a folder of rosbag2, or an .mcap, .db3 or .bag file")
    if path.is_dir() and not files_of(path):
        raise BagError(
            f"{path}: a folder without .mcap, .db3 or .bag files is no recording; give one of rosbag2, or "
            "the path of a cloud"
        )
    try:
        yield
    except BagError:
        raise
    except Exception as error:  # damaged bytes raise whatever they lead to, in the library alone
        reason = " ".join(str(error).split()) or type(error).__name__
        seems = "" if path.is_dir() else likely(path)
        told = (
            "no message of it can be read" if not seems or "recording" in seems else f"it seems to be {seems}"
        )
        raise BagError(f"{path}: not a readable recording ({reason}); {told}") from error


class BagWriter:
    """Writes messages, as they come over the wire, into a new rosbag2 folder with one MCAP file.

    `definition(type name)` gives the text of a .msg that rosbags does not know. Close it: until then the
    metadata count no message. Whatever ends the process, messages older than a second are in the file. On a
    full disk `write` raises, once and for all, and `close` still finishes what is there: the space for that
    is kept free from the beginning.

    Raises:
        BagError: the folder exists already, a type without a definition, no library to write with, or no
            space left.
    """

    def __init__(self, path: str | Path, definition: Callable[[str], str]):
        rosbag2 = library("rosbags.rosbag2")
        self._path = Path(path)
        self._definition = definition
        self._typestore = typestore()
        if self._path.exists():
            raise BagError(f"{path}: exists already; give a new folder, recordings are not overwritten")
        self._writer = rosbag2.Writer(self._path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
        self._writer.open()
        self._flushed_s = time.monotonic()
        self._topics: list[tuple[str, str]] = []
        self._write_metadata()
        self._reserve = self._path / _RESERVE
        with open(self._reserve, "wb") as stream:
            stream.write(bytes(_RESERVED_BYTES))
        self._connections: dict[str, Any] = {}
        self.counts: dict[str, int] = {}  # topic -> messages
        self._full = False
        # Bytes, chunks, messages by connection and by topic that are whole, and in the file.
        self._safe: tuple[int, int, dict[int, int], dict[str, int]] = (0, 0, {}, {})
        self._flush()

    def add_topic(self, topic: str, type_name: str, latched: bool) -> None:
        """`latched`: whether it was offered as transient_local, so that players offer it so too."""
        self._register(type_name)
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=self._typestore, offered_qos_profiles=[_offered(latched)]
        )
        self.counts[topic] = 0
        self._topics.append((topic, type_name))
        self._write_metadata()

    def write(self, topic: str, recorded_ns: int, data: bytes) -> None:
        if self._full:
            return
        storage = self._writer.storage
        chunks = len(storage.chunks)
        self.counts[topic] += 1
        try:
            self._writer.write(self._connections[topic], recorded_ns, data)
            if time.monotonic() - self._flushed_s > _FLUSH_PERIOD_S or len(storage.chunks) > chunks:
                self._flush()
        except OSError as error:
            self._full = True
            self._cut_off()
            raise BagError(
                f"{self._path}: the recording ends here, it cannot be written any further ({error}); make "
                "room"
            ) from error

    def _flush(self) -> None:
        """Bring what was written to the disk's file: rosbags keeps up to 1 MB in memory."""
        storage = self._writer.storage
        if storage.chunk.bio.tell():
            storage.close_chunk()
        storage.bio.flush()
        self._flushed_s = time.monotonic()
        self._safe = storage.bio.tell(), len(storage.chunks), dict(storage.channel_stats), dict(self.counts)

    def _cut_off(self) -> None:
        """Forget what came since the last flush: the disk may have had room for half of it."""
        storage = self._writer.storage
        length, chunks, stats, counts = self._safe
        with open(os.devnull, "wb") as nowhere:  # where the stream is to write what it still holds
            os.dup2(nowhere.fileno(), storage.bio.fileno())
        storage.bio.close()
        os.truncate(storage.path, length)
        storage.bio = open(storage.path, "r+b")
        storage.bio.seek(length)
        del storage.chunks[chunks:]
        storage.channel_stats.update(dict.fromkeys(storage.channel_stats, 0) | stats)
        self.counts.update(dict.fromkeys(self.counts, 0) | counts)
        storage.chunk.bio.seek(0)
        storage.chunk.bio.truncate()
        storage.chunk.msgs.clear()

    def _write_metadata(self) -> None:
        """As they are before the first message: who finds the folder later knows what it is."""
        topics = [
            {
                "topic_metadata": {
                    "name": name, "type": kind, "serialization_format": "cdr", "offered_qos_profiles": [],
                    "type_description_hash": "",
                },
                "message_count": 0,
            }
            for name, kind in self._topics
        ]  # fmt: skip
        information = {
            "version": 9, "storage_identifier": "mcap", "relative_file_paths": [f"{self._path.name}.mcap"],
            "duration": {"nanoseconds": 0}, "starting_time": {"nanoseconds_since_epoch": 0},
            "message_count": 0, "topics_with_message_count": topics, "compression_format": "",
            "compression_mode": "", "files": [], "custom_data": None, "ros_distro": "rosbags",
        }  # fmt: skip
        # JSON is YAML.
        replace_text(self._path / "metadata.yaml", json.dumps({"rosbag2_bagfile_information": information}))

    def close(self) -> None:
        """Write index and metadata; without a message, take the folder away again."""
        self._reserve.unlink(missing_ok=True)
        if not sum(self.counts.values()):
            self._writer.abort()
            shutil.rmtree(self._path)
        else:
            self._writer.close()

    def _register(self, type_name: str) -> None:
        found: dict[str, Any] = {}
        pending = [type_name]
        while pending:
            name = pending.pop()
            if name not in self._typestore.fielddefs and name not in found:
                found |= library("rosbags.typesys").get_types_from_msg(self._definition(name), name)
                pending += _used_types(found[name])
        self._typestore.register(found)


def _used_types(definition: tuple) -> Iterator[str]:
    """Names of the messages that the fields of one are made of."""
    _, fields = definition
    for _, (kind, description) in fields:
        while kind.name in ("ARRAY", "SEQUENCE"):
            kind, description = description[0]
        if kind.name == "NAME":
            yield description


def _offered(latched: bool) -> Any:
    interfaces = library("rosbags.interfaces")
    unlimited = interfaces.QosTime(9223372036, 854775807)  # RMW_DURATION_INFINITE
    durability = interfaces.QosDurability
    return interfaces.Qos(
        history=interfaces.QosHistory.KEEP_LAST,
        depth=1 if latched else 10,
        reliability=interfaces.QosReliability.RELIABLE,
        durability=durability.TRANSIENT_LOCAL if latched else durability.VOLATILE,
        deadline=unlimited,
        lifespan=unlimited,
        liveliness=interfaces.QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=unlimited,
        avoid_ros_namespace_conventions=False,
    )


def typestore() -> Any:
    """The standard messages of ROS 2, as rosbags keeps them; a new store each time."""
    typesys = library("rosbags.typesys")
    return typesys.get_typestore(typesys.Stores.LATEST)
