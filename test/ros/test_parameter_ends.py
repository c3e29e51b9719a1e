"""Every parameter of the node's own at both ends of its interval: it goes on, and makes passes.

Those of the method: test/unit/test_extremes.py.
"""

import signal

from std_srvs.srv import Trigger

from ssen_ros.config import CONFIGURE, LIVE, SsenConfig, parameters
from ssen_ros.ros.parameters import NodeConfig


def ends(changes):
    """{name: its default and the values at which it ends} of the parameters that may change then."""
    of_method = {p.name for p in parameters(SsenConfig())}
    found = {}
    for p in parameters(NodeConfig()):
        values = p.choices or ((False, True) if type(p.default) is bool else (p.low, p.high))
        if p.changes == changes and p.name not in of_method and None not in values:
            found[p.name] = p.default, values
    return found


def test_a_node_at_the_ends_of_its_intervals(bench):
    publish = bench.cloud_publisher()
    node = bench.ready(bench.start(), publish)
    chair = bench.box_cloud((0.0, 0.0, 0.0), bench.CHAIR, 1)

    def makes_a_pass():
        publish(*chair)  # again, where a cloud may be lost
        return bench.call(Trigger, "segment_now").success

    bench.spin_until(makes_a_pass)
    live = ends(LIVE)
    assert len(live) > 5
    for name, (default, values) in live.items():
        for value in values:
            assert not bench.set_parameters(**{name: value})
            assert bench.call(Trigger, "segment_now").success, (name, value)
        assert not bench.set_parameters(**{name: default})

    # The node is configured anew for these: all of one end together.
    frames = {"frames.static_transform.frame_id": "wall", "frames.static_transform.child_frame_id": "camera"}
    for end in range(3):
        values = {name: values[min(end, len(values) - 1)] for name, (_, values) in ends(CONFIGURE).items()}
        assert bench.change_state("deactivate") and bench.change_state("cleanup")
        assert not bench.set_parameters(**values, **frames)
        assert bench.change_state("configure") and bench.change_state("activate")
        bench.spin_until(makes_a_pass)
    assert bench.diagnostics()["callback_errors"] == "0"
    node.signal(signal.SIGINT)
    assert node.wait() == 0 and "Traceback" not in node.log
