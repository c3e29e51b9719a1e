"""Recordings: rosbag2 in MCAP or SQLite3 read, MCAP written, through the library `rosbags`, without ROS.

Formats: rosbag2 (github.com/ros2/rosbag2), MCAP (mcap.dev/spec); compressed ones (zstd, lz4) are read too.
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ssen_ros.errors import BagError, CloudError
from ssen_ros.io.point_cloud2 import CLOUD_TYPE, from_msg
from ssen_ros.stamps import ns_from_time
from ssen_ros.structures import Cloud

BAG_SUFFIXES = (".mcap", ".db3")


def is_bag(path: str | Path) -> bool:
    """Whether `path` is a recording: a folder (of rosbag2), or a single .mcap or .db3 file."""
    path = Path(path)
    return path.is_dir() or path.suffix.lower() in BAG_SUFFIXES


class BagReader:
    """The point clouds of one topic of a recording, in the order they were recorded.

    Raises:
        BagError: no recording there, a damaged one, no library to read it, or no such topic of clouds;
            where `topic` is empty, more than one of them.
    """

    def __init__(self, path: str | Path, topic: str = ""):
        self._path = Path(path)
        with _reading(self._path):
            reader = _rosbags("rosbags.rosbag2").Reader(self._path)
            with reader:
                counts = {c.topic: c.msgcount for c in reader.connections if c.msgtype == CLOUD_TYPE}
                others = sorted({c.topic for c in reader.connections} - set(counts))
        self.topic = self._chosen(topic, counts, others)
        self._count = counts[self.topic]

    def __len__(self) -> int:
        """Clouds on the topic."""
        return self._count

    def raw(self) -> Iterator[tuple[int, bytes]]:
        """(time of recording [ns], the message as it was on the wire, CDR) of each cloud."""
        with _reading(self._path), _rosbags("rosbags.rosbag2").Reader(self._path) as reader:
            connections = [c for c in reader.connections if c.topic == self.topic]
            is_empty = True
            for _, recorded_ns, data in reader.messages(connections):
                is_empty = False
                yield recorded_ns, data
            if is_empty:
                raise EOFError(f"it promises {len(self)} clouds on {self.topic} and holds none")

    def messages(self) -> Iterator[tuple[int, Any]]:
        """As `raw`, with the attributes of sensor_msgs/PointCloud2."""
        store = typestore()
        for recorded_ns, data in self.raw():
            with _reading(self._path):
                message = store.deserialize_cdr(data, CLOUD_TYPE)
            yield recorded_ns, message

    def last(self) -> Cloud:
        """The last cloud of the recording. Raises CloudError where it cannot be used."""
        ((_, message),) = deque(self.messages(), maxlen=1)
        points, colors, had_color = from_msg(message)
        if not len(points):
            raise CloudError(f"{self._path}: the last cloud on {self.topic} is empty; expected a map")
        return Cloud(
            np.ascontiguousarray(points, np.float32),
            colors if had_color else None,
            frame_id=message.header.frame_id,
            stamp_ns=ns_from_time(message.header.stamp),
        )

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
        raise BagError(f"{path}: no such recording; give a folder of rosbag2, an .mcap or a .db3 file")
    if path.is_dir() and not any(f.suffix in {".yaml", *BAG_SUFFIXES} for f in path.iterdir()):
        raise BagError(
            f"{path}: a folder without metadata.yaml, .mcap or .db3 is no recording; give one of rosbag2, "
            "or the path of a cloud"
        )
    try:
        yield
    except BagError:
        raise
    except Exception as error:  # damaged bytes raise whatever they lead to, in the library alone
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BagError(
            f"{path}: not a readable recording ({reason}); if it was cut short, `ros2 bag reindex` or "
            "`mcap recover` may save it"
        ) from error


class BagWriter:
    """Writes messages, as they come over the wire, into a new rosbag2 folder with one MCAP file.

    `definition(type name)` gives the text of a .msg that rosbags does not know. Close it: until then the
    folder has no metadata.

    Raises:
        BagError: the folder exists already, a type without a definition, or no library to write with.
    """

    def __init__(self, path: str | Path, definition: Callable[[str], str]):
        rosbag2 = _rosbags("rosbags.rosbag2")
        self._path = Path(path)
        self._definition = definition
        self._typestore = typestore()
        if self._path.exists():
            raise BagError(f"{path}: exists already; give a new folder, recordings are not overwritten")
        self._writer = rosbag2.Writer(self._path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
        self._writer.open()
        self._connections: dict[str, Any] = {}
        self.counts: dict[str, int] = {}  # topic -> messages

    def add_topic(self, topic: str, type_name: str, latched: bool) -> None:
        """`latched`: whether it was offered as transient_local, so that players offer it so too."""
        self._register(type_name)
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=self._typestore, offered_qos_profiles=[_offered(latched)]
        )
        self.counts[topic] = 0

    def write(self, topic: str, recorded_ns: int, data: bytes) -> None:
        self._writer.write(self._connections[topic], recorded_ns, data)
        self.counts[topic] += 1

    def close(self) -> None:
        """Write index and metadata; without a message, take the folder away again."""
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
                found |= _rosbags("rosbags.typesys").get_types_from_msg(self._definition(name), name)
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
    interfaces = _rosbags("rosbags.interfaces")
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
    typesys = _rosbags("rosbags.typesys")
    return typesys.get_typestore(typesys.Stores.LATEST)


def _rosbags(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise BagError(f"recordings need the library rosbags ({error}); pip install rosbags") from error
