"""The RViz configuration and the Fast DDS profile fit what the node publishes."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

CONFIG = Path(__file__).resolve().parents[2] / "config"
MAP_TOPICS = {
    "ssen/semantic_cloud": "rviz_default_plugins/PointCloud2",
    "ssen/instance_cloud": "rviz_default_plugins/PointCloud2",
    "ssen/structure_cloud": "rviz_default_plugins/PointCloud2",
    "ssen/markers": "rviz_default_plugins/MarkerArray",
}


@pytest.fixture(scope="module")
def displays() -> dict[str, dict]:
    rviz = yaml.safe_load((CONFIG / "ssen.rviz").read_text(encoding="utf-8"))
    assert rviz["Visualization Manager"]["Global Options"]["Fixed Frame"] == "map"
    all_displays = rviz["Visualization Manager"]["Displays"]
    return {display["Topic"]["Value"]: display for display in all_displays if "Topic" in display}


@pytest.mark.parametrize(("topic", "kind"), MAP_TOPICS.items())
def test_rviz_shows_the_output_with_the_qos_it_is_offered(displays, topic, kind):
    display = displays[topic]
    assert display["Class"] == kind
    assert display["Topic"]["Reliability Policy"] == "Reliable"
    assert display["Topic"]["Durability Policy"] == "Transient Local"


def test_rviz_shows_the_raw_map_of_whatever_publisher(displays):
    assert displays["cloud_map"]["Class"] == "rviz_default_plugins/PointCloud2"
    assert displays["cloud_map"]["Topic"]["Durability Policy"] == "Volatile"
    assert displays["cloud_map"]["Topic"]["Reliability Policy"] == "Best Effort"


def test_rviz_names_topics_relatively_so_that_a_namespace_around_it_moves_them(displays):
    assert displays and not any(topic.startswith("/") for topic in displays)


def test_dds_profile_is_the_default_and_uses_every_transport_it_describes():
    namespace = {"dds": "http://www.eprosima.com"}
    root = ElementTree.parse(CONFIG / "fastdds_large_clouds.xml").getroot()
    described = {e.text for e in root.findall(".//dds:transport_descriptor/dds:transport_id", namespace)}
    used = {e.text for e in root.findall(".//dds:userTransports/dds:transport_id", namespace)}
    assert described and used == described
    assert root.find(".//dds:participant", namespace).get("is_default_profile") == "true"
    segment_bytes = int(root.find(".//dds:segment_size", namespace).text)
    assert segment_bytes >= 2 * 24 * 1_000_000  # two clouds of a million points of 24 bytes
