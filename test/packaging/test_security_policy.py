"""The SROS 2 policy names every topic and service that the node has, and no others."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
POLICY = CHECKOUT / "config" / "security" / "ssen_policy.xml"
PAGE = (CHECKOUT / "docs" / "node.md").read_text(encoding="utf-8")
# Of rclpy and its lifecycle, and of those who publish to every node.
OF_ROS = {
    *(
        "change_state",
        "get_state",
        "get_available_states",
        "get_available_transitions",
        "get_transition_graph",
    ),
    *("describe_parameters", "get_parameter_types", "get_parameters", "list_parameters", "set_parameters"),
    *("set_parameters_atomically", "get_type_description"),
    *("/tf", "/tf_static", "/clock", "/parameter_events", "/rosout", "cloud_map"),
}


def named(enclave: str, kind: str, **attributes: str) -> set[str]:
    path = f"./enclaves/enclave[@path='{enclave}']/profiles/profile/{kind}s"
    groups = [g for g in ElementTree.parse(POLICY).iterfind(path) if attributes.items() <= g.attrib.items()]
    return {(one.text or "").removeprefix("~/").removeprefix("/ssen/") for group in groups for one in group}


def documented(heading: str) -> set[str]:
    """Names in the first column of the table below a heading of the page."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {name.removeprefix("~/") for name in re.findall(r"^\| `([~/\w]+)`", section, re.MULTILINE)}


def test_the_node_may_publish_and_serve_what_the_page_names():
    assert named("/ssen", "topic", publish="ALLOW") - OF_ROS == documented("Topics") - OF_ROS
    assert named("/ssen", "service", reply="ALLOW") - OF_ROS == documented("Services") - OF_ROS
    assert "cloud_map" in named("/ssen", "topic", subscribe="ALLOW")


@pytest.mark.parametrize(
    ("client", "may"), [("/ssen_reader", {"get_instances", "get_state"}), ("/ssen_operator", None)]
)
def test_clients_may_ask_for_what_there_is(client, may):
    asked = named(client, "service", request="ALLOW")
    assert asked <= named("/ssen", "service", reply="ALLOW")
    assert asked == may if may else documented("Services") <= asked
    assert named(client, "topic", subscribe="ALLOW") - OF_ROS <= documented("Topics")
