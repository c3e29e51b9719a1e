"""The instances as vision_msgs/Detection3DArray, where vision_msgs is installed; nothing where it is not."""

from typing import Any

from std_msgs.msg import Header

from ssen_ros.ros.conversions import to_pose, to_size
from ssen_ros.structures import Instance, StepResult

try:
    from vision_msgs.msg import (
        Detection3D,
        Detection3DArray,
        LabelInfo,
        ObjectHypothesisWithPose,
        VisionClass,
    )
except ImportError:
    Detection3DArray: Any = None
    LabelInfo: Any = None

available = Detection3DArray is not None


def to_detections(header: Header, result: StepResult) -> Any:
    """A Detection3DArray of the instances detected in this update; call only where `available`."""
    active = [instance for instance in result.instances if instance.state == "active"]
    return Detection3DArray(
        header=header, detections=[_to_detection(header, instance) for instance in active]
    )


def to_label_info(header: Header, class_names: tuple[str, ...]) -> Any:
    """A LabelInfo: what the numbers in the field `label` of the clouds mean; call only where `available`."""
    classes = [VisionClass(class_id=number, class_name=name) for number, name in enumerate(class_names)]
    return LabelInfo(header=header, class_map=classes)


def _to_detection(header: Header, instance: Instance) -> Any:
    detection = Detection3D(header=header, id=str(instance.id))
    detection.bbox.center = to_pose(instance.box)
    detection.bbox.size = to_size(instance.box)
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = instance.class_name
    hypothesis.hypothesis.score = float(instance.score)
    hypothesis.pose.pose = to_pose(instance.box)
    detection.results = [hypothesis]
    return detection
