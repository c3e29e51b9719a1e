"""The states of ssen_node, led from outside as `ros2 lifecycle` and nav2's manager do."""

import signal
import threading
import weakref

from appetite import TAKEN, glibc, resident_bytes, take_and_free
from std_srvs.srv import SetBool, Trigger

from ssen_ros.labels import CLASS_NAMES
from ssen_ros.msg import InstanceArray
from ssen_ros.pipeline import Segmenting, SsenPipeline
from ssen_ros.ros import ssen_node
from ssen_ros.srv import GetInstances
from ssen_ros.stamps import ns_from_time


def chair_and_table(bench, shift=0.0):
    return bench.join(
        bench.box_cloud((0.0, shift, 0.0), bench.CHAIR, 1),
        bench.box_cloud((1.5, shift, 0.0), bench.TABLE, 2),
    )


def unconfigured(bench, **parameters):
    node = bench.start(autostart=False, **parameters)
    bench.spin_until(lambda: node.lines("waiting to be configured") or not node.running)
    assert bench.state() == "unconfigured"
    return node


def test_a_manager_leads_the_node_through_all_its_states(bench):
    publish = bench.cloud_publisher()
    node = unconfigured(bench)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    assert not node.lines("networks in memory")
    refusal = bench.call(GetInstances, "get_instances")
    assert not refusal.success and "not configured" in refusal.message
    assert bench.wait_for(lifecycle="unconfigured")["map_voxels"] == "0"
    assert not bench.change_state("deactivate") and not bench.change_state("activate")

    assert bench.change_state("configure") and bench.state() == "inactive"
    assert node.lines("networks in memory: ''")
    publish(*chair_and_table(bench))
    bench.wait_for(lifecycle="inactive", clouds_received=0)
    refusal = bench.call(Trigger, "segment_now")
    assert not refusal.success and "not active" in refusal.message

    assert bench.change_state("activate") and bench.state() == "active"
    bench.spin_until(lambda: len(instances) == 1)  # the latched map
    ids = {instance.class_name: instance.id for instance in instances[0].instances}

    assert bench.change_state("deactivate")
    publish(*chair_and_table(bench, shift=0.05))
    bench.wait_for(lifecycle="inactive", clouds_received=1)
    assert len(instances) == 1
    assert not node.lines("networks gone")
    assert bench.change_state("activate")
    bench.spin_until(lambda: len(instances) == 2)
    assert {instance.class_name: instance.id for instance in instances[1].instances} == ids

    assert bench.change_state("deactivate") and bench.change_state("cleanup")
    assert bench.state() == "unconfigured" and node.lines("networks gone: ''")
    bench.spin_until(lambda: bench.node.count_publishers("/ssen/instances") == 0)
    assert not bench.set_parameters(segmenter__semantic_checkpoint="coarse")
    assert bench.change_state("configure") and bench.change_state("activate")
    bench.spin_until(lambda: len(instances) == 3)
    assert [round(array.voxel_size, 3) for array in instances] == [0.05, 0.05, 0.1]
    assert {found.id for found in instances[2].instances}.isdisjoint(ids.values())

    assert bench.change_state("active_shutdown") and bench.state() == "finalized"
    bench.spin_until(lambda: node.lines("networks gone: 'coarse'"))
    assert node.running
    assert not bench.change_state("configure")
    node.signal(signal.SIGINT)
    assert node.wait() == 0


def test_a_manager_that_configures_a_node_which_has_started_itself_gets_an_answer(bench):
    """As nav2's manager does; up to Jazzy, rclpy itself raises instead of answering."""
    node = bench.ready(bench.start())
    for impossible in ("configure", "activate", "cleanup", "unconfigured_shutdown"):
        assert not bench.change_state(impossible)
    assert bench.state() == "active" and bench.wait_for(lifecycle="active")["callback_errors"] == "0"
    assert node.running and "Traceback" not in node.log
    assert bench.change_state("deactivate") and bench.change_state("cleanup")
    node.signal(signal.SIGINT)  # of an unconfigured node
    assert node.wait() == 0


def test_what_fails_or_breaks_while_configuring_leaves_a_node_that_can_be_configured(bench):
    node = unconfigured(bench, segmenter__semantic_checkpoint="missing")
    assert not bench.change_state("configure") and bench.state() == "unconfigured"
    assert len(node.lines("configure failed, the node stays unconfigured: 'missing': no such weights")) == 1
    assert not bench.set_parameters(segmenter__semantic_checkpoint="broken")
    assert not bench.change_state("configure") and bench.state() == "unconfigured"
    assert len(node.lines("configure: RuntimeError: nobody thought of this")) == 1
    assert not bench.set_parameters(
        segmenter__semantic_checkpoint="", frames__static_transform__frame_id="map"
    )
    assert not bench.change_state("configure") and node.lines("expected both, or none")
    assert not node.lines("networks in memory")  # frames are looked at first
    assert not bench.set_parameters(frames__static_transform__frame_id="")
    assert bench.change_state("configure") and bench.state() == "inactive"
    node.signal(signal.SIGINT)
    assert node.wait() == 0 and "Traceback" not in node.log


def test_states_services_and_parameters_change_while_clouds_stream(bench):
    publish = bench.cloud_publisher()
    sent = 0

    def send():
        nonlocal sent
        sent += 1
        shift = 0.05 * (sent % 25)  # no two in sight of each other are alike: that would need no update
        publish(*chair_and_table(bench, shift), stamp_ns=sent * 50_000_000)

    node = bench.ready(bench.start(update_period_s=0.02))
    instances = bench.collect(InstanceArray, "/ssen/instances")
    stream = bench.node.create_timer(0.05, send)
    bench.spin_until(lambda: instances)
    for round_ in range(3):
        assert bench.call(Trigger, "segment_now").success
        assert bench.call(SetBool, "enable", data=False).success
        assert not bench.set_parameters(
            update_period_s=0.01 * (1 + round_), publish__markers=bool(round_ % 2)
        )
        assert bench.call(Trigger, "reset").success
        assert bench.call(SetBool, "enable", data=True).success
        assert bench.change_state("deactivate")
        if round_:
            assert bench.change_state("cleanup") and bench.change_state("configure")
        assert bench.change_state("activate")
        seen = len(instances)
        bench.spin_until(lambda seen=seen: len(instances) > seen)
    stream.cancel()
    report = bench.wait_for(clouds_pending=0)
    parts = ("processed", "superseded", "rejected", "failed")
    assert int(report["clouds_received"]) == sum(int(report[f"clouds_{part}"]) for part in parts)
    assert report["clouds_failed"] == report["clouds_rejected"] == "0"
    bench.spin_until(lambda: ns_from_time(instances[-1].header.stamp) == sent * 50_000_000)
    assert sorted(found.class_name for found in instances[-1].instances if found.state == 0) == [
        "chair",
        "table",
    ]
    assert node.running and "Traceback" not in node.log and not node.lines("[ERROR]")


def test_networks_that_a_callback_still_uses_are_released_when_it_ends(bench, monkeypatch):
    monkeypatch.setattr(ssen_node, "_RELEASE_TIMEOUT_S", 30.0)  # a busy machine may be late

    class Networks(Segmenting):
        voxel_size, class_names = 0.05, CLASS_NAMES
        semantic = embed = None  # no pass is made

    in_memory = weakref.WeakSet()

    def make_pipeline(config):
        networks = Networks()
        in_memory.add(networks)
        return SsenPipeline(networks, config)

    node = ssen_node.SsenNode(bench.context, threading.Event(), make_pipeline)
    held = [node._session]  # as by a report that is being made
    assert len(in_memory) == 1
    threading.Timer(0.2, held.clear).start()
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert not held and not in_memory
    node.destroy_node()


@glibc
def test_configuring_and_cleaning_up_again_takes_no_further_memory(bench):
    """Loading takes much and frees most of it, the networks keep a little, and cleaning up frees that too."""

    class Networks(Segmenting):
        voxel_size, class_names = 0.05, CLASS_NAMES
        semantic = embed = None  # no pass is made

        def __init__(self):
            self.weights = take_and_free()

    node = ssen_node.SsenNode(
        bench.context, threading.Event(), lambda config: SsenPipeline(Networks(), config)
    )
    configured, cleaned = [], []
    node.trigger_deactivate()
    for _ in range(3):
        configured.append(resident_bytes())
        node.trigger_cleanup()
        cleaned.append(resident_bytes())
        node.trigger_configure()
    node.destroy_node()
    assert max(configured) < min(cleaned) + 0.3 * TAKEN
    assert max(cleaned) < min(cleaned) + 0.1 * TAKEN
