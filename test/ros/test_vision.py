"""The detections, with plain records for the messages of vision_msgs, which is not among the ROS wheels."""

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import Pose, PoseWithCovariance, Vector3
from std_msgs.msg import Header

from ssen_ros.structures import Box, Instance


class Record(SimpleNamespace):
    """Like a message it takes no field that it has not."""

    def __setattr__(self, name, value):
        if not hasattr(self, name):
            raise AttributeError(name)
        super().__setattr__(name, value)


def detection(header, id):  # noqa: A002
    return Record(header=header, id=id, bbox=Record(center=Pose(), size=Vector3()), results=[])


def hypothesis():
    return Record(hypothesis=Record(class_id="", score=0.0), pose=PoseWithCovariance())


def load():
    """A copy of the module that found what is installed now."""
    spec = find_spec("ssen_ros.ros.vision")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def vision(monkeypatch):
    messages = ModuleType("vision_msgs.msg")
    messages.Detection3DArray = lambda header, detections: Record(header=header, detections=detections)
    messages.LabelInfo = lambda header, class_map: Record(header=header, class_map=class_map)
    messages.VisionClass = Record
    messages.Detection3D, messages.ObjectHypothesisWithPose = detection, hypothesis
    monkeypatch.setitem(sys.modules, "vision_msgs", ModuleType("vision_msgs"))
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", messages)
    return load()


def instance(id_, state="active"):
    return Instance(
        id=id_, class_id=4, class_name="chair", score=0.75,
        box=Box(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.6, 0.7]), yaw=np.pi / 2),
        centroid=np.zeros(3), voxel_count=1,
        first_seen_ns=0, last_seen_ns=0, state=state,
    )  # fmt: skip


def test_each_active_instance_is_a_detection(vision):
    assert vision.available
    header = Header(frame_id="map")
    result = SimpleNamespace(instances=(instance(7), instance(12), instance(3, "missing")))
    array = vision.to_detections(header, result)
    assert array.header == header
    assert [found.id for found in array.detections] == ["7", "12"]
    found = array.detections[0]
    assert found.header == header
    center, size = found.bbox.center, found.bbox.size
    assert (center.position.x, center.position.y, center.position.z) == (1.0, 2.0, 3.0)
    assert np.isclose(2 * np.arctan2(center.orientation.z, center.orientation.w), np.pi / 2)
    assert (size.x, size.y, size.z) == (0.5, 0.6, 0.7)
    (guess,) = found.results
    assert (guess.hypothesis.class_id, guess.hypothesis.score) == ("chair", 0.75)
    assert guess.pose.pose == center


def test_class_metadata_names_the_labels_of_the_clouds(vision):
    header = Header()
    info = vision.to_label_info(header, ("wall", "floor", "chair"))
    assert info.header == header
    assert [(entry.class_id, entry.class_name) for entry in info.class_map] == [
        (0, "wall"), (1, "floor"), (2, "chair"),
    ]  # fmt: skip


def test_without_vision_msgs_there_are_no_detections(monkeypatch):
    monkeypatch.setitem(sys.modules, "vision_msgs", None)
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", None)
    assert not load().available
