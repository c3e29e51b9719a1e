"""The services of ssen_node over DDS, with known labels (stub_node)."""

import json
import shutil
import signal

import numpy as np
from geometry_msgs.msg import Point
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger

from ssen_ros.io.ply import read_ply_vertices
from ssen_ros.io.point_cloud2 import read_column
from ssen_ros.msg import InstanceArray, InstanceEvent
from ssen_ros.ros.conversions import from_msg
from ssen_ros.srv import Correct, GetInstances, LoadMap, SaveMap


def scene(bench):
    """Two chairs and a table; and, blue, the number of the object again."""
    return bench.join(
        bench.box_cloud((0.0, 0.0, 0.0), bench.CHAIR, 1, blue=1),
        bench.box_cloud((1.5, 0.0, 0.0), bench.TABLE, 2, blue=2),
        bench.box_cloud((3.0, 0.0, 0.0), bench.CHAIR, 3, blue=3),
    )


def test_objects_are_given_by_id_and_class_with_their_clouds_and_nothing_is_written_unasked(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(), publish)
    early = bench.call(GetInstances, "get_instances")
    assert not early.success and "no map has been segmented" in early.message
    instances = bench.collect(InstanceArray, "/ssen/instances")
    publish(*scene(bench), frame_id="world", stamp_ns=7)
    bench.spin_until(lambda: instances)

    everything = bench.call(GetInstances, "get_instances")
    assert everything.success and not everything.clouds
    assert everything.instances.instances == instances[0].instances and not everything.instances.events
    assert everything.instances.header == instances[0].header
    assert everything.instances.map_version == instances[0].map_version

    chairs = bench.call(GetInstances, "get_instances", class_names=["chair"], with_clouds=True)
    assert chairs.success and [found.class_name for found in chairs.instances.instances] == ["chair"] * 2
    for found, cloud in zip(chairs.instances.instances, chairs.clouds, strict=True):
        points, colors, _ = from_msg(cloud)
        assert cloud.header.frame_id == "world" and len(points) == found.voxel_count
        assert {field.name for field in cloud.fields} == {"x", "y", "z", "rgb", "confidence"}
        center = found.box_pose.position
        assert np.all(np.abs(points - [center.x, center.y, center.z]) < 0.4)
        assert len(set(colors[:, 2])) == 1  # the map's own colours, of one object

    one = chairs.instances.instances[1]
    by_id = bench.call(GetInstances, "get_instances", ids=[one.id], class_names=["chair"])
    assert by_id.success and by_id.instances.instances == [one]
    assert bench.call(GetInstances, "get_instances", class_names=["bathtub"]).success  # none, and no mistake
    lost = bench.call(GetInstances, "get_instances", ids=[one.id, 99])
    assert not lost.success and "99" in lost.message and lost.instances.instances == [one]
    many = bench.call(GetInstances, "get_instances", ids=range(1000, 1_000_000))
    assert not many.success and "and 998990 more" in many.message and len(many.message) < 300
    long = bench.call(GetInstances, "get_instances", class_names=["x" * 1_000_000] * 3)
    assert not long.success and len(long.message) < 2000
    slip = bench.call(GetInstances, "get_instances", class_names=["chiar"])
    assert not slip.success and "'chiar'" in slip.message and "chair" in slip.message
    for service_type, name in ((SaveMap, "save_map"), (SaveMap, "export"), (LoadMap, "load_map")):
        refused = bench.call(service_type, name, name="kitchen")
        assert not refused.success and "map_directory" in refused.message


def test_passes_are_made_when_asked_for_and_a_reset_empties_all_outputs(bench):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    empty = bench.call(Trigger, "segment_now")
    assert not empty.success and "no map" in empty.message
    assert bench.call(SetBool, "enable", data=False).success
    publish(*scene(bench), stamp_ns=1)
    report = bench.wait_for(clouds_received=1, enabled=False)
    assert report["message"] == "disabled by ~/enable"
    bench.spin_for(0.5)
    assert not instances
    done = bench.call(Trigger, "segment_now")
    assert done.success and done.message.startswith("3 objects among ")
    bench.spin_until(lambda: len(instances) == 1)
    assert bench.call(Trigger, "segment_now").success  # of the same map
    bench.spin_until(lambda: len(instances) == 2)
    ids = {found.id for found in instances[1].instances}
    assert ids == {found.id for found in instances[0].instances}

    assert bench.call(Trigger, "reset").success
    bench.spin_until(lambda: len(instances) == 3)
    assert not instances[2].instances and instances[2].header.frame_id == "map"
    events = [(event.kind, event.id) for event in instances[2].events]
    assert events == [(InstanceEvent.RETIRED, id) for id in sorted(ids)]
    assert bench.wait_for(map_voxels=0)["clouds_pending"] == "0"
    assert bench.call(SetBool, "enable", data=True).success
    publish(*scene(bench), stamp_ns=2)
    bench.spin_until(lambda: len(instances) == 4)
    assert {found.id for found in instances[3].instances}.isdisjoint(ids)


def test_a_saved_map_gives_another_run_its_map_and_its_ids(bench, tmp_path):
    maps = tmp_path / "maps"
    maps.mkdir()
    publish = bench.cloud_publisher()
    first = bench.ready(bench.start(map_directory=maps, instances__max_missed=0), publish)
    instances = bench.collect(InstanceArray, "/ssen/instances")
    assert not bench.call(SaveMap, "save_map", name="kitchen").success  # nothing to save yet
    publish(*bench.box_cloud((9.0, 9.0, 0.0), bench.TABLE, 5), stamp_ns=1)
    bench.spin_until(lambda: len(instances) == 1)  # id 1, gone in the next map
    publish(*scene(bench), stamp_ns=2)
    bench.spin_until(lambda: len(instances) == 2)
    known = {(found.class_name, found.id) for found in instances[1].instances}

    saved = bench.call(SaveMap, "save_map", name="home/kitchen")
    assert saved.success and saved.path == str((maps / "home" / "kitchen.npz").resolve())
    assert not bench.call(SaveMap, "save_map", name="home/kitchen").success
    assert bench.call(SaveMap, "save_map", name="home/kitchen", overwrite=True).success
    exported = bench.call(SaveMap, "export", name="home/objects")
    assert exported.success and exported.path == str((maps / "home" / "objects").resolve())
    content = json.loads((maps / "home" / "objects" / "instances.json").read_text())
    assert {(one["class_name"], one["id"]) for one in content["instances"]} == known
    ids = read_ply_vertices(maps / "home" / "objects" / "labelled.ply")["instance_id"]
    assert set(ids.tolist()) - {-1} == {id_ for _, id_ in known}
    assert not bench.call(SaveMap, "export", name="home/objects").success
    assert bench.call(SaveMap, "export", name="home/objects", overwrite=True).success
    shutil.rmtree(maps / "home" / "objects")
    for name in ("../kitchen", "/tmp/kitchen", ""):
        for service in ("save_map", "export"):
            refused = bench.call(SaveMap, service, name=name)
            assert not refused.success and "below" in refused.message
        assert not bench.call(LoadMap, "load_map", name=name).success
    assert [path.name for path in maps.rglob("*.*")] == ["kitchen.npz"] and not list(tmp_path.glob("*.npz"))
    saving = bench.node.create_client(SaveMap, "/ssen/save_map")
    bench.spin_until(saving.service_is_ready)
    saving.call_async(SaveMap.Request(name="home/slow"))
    bench.spin_until(lambda: first.lines("inside a slow save"))
    first.signal(signal.SIGINT)
    assert first.wait() == 0  # what is being saved would take longer
    assert [path.name for path in maps.rglob("*.*")] == ["kitchen.npz"]
    bench.spin_until(lambda: publish.publisher.get_subscription_count() == 0)

    instances.clear()
    silent = bench.ready(bench.start(map_directory=maps, cloud_qos__durability="volatile"))
    missing = bench.call(LoadMap, "load_map", name="garage")
    assert not missing.success and "garage" in missing.message
    loaded = bench.call(LoadMap, "load_map", name="home/kitchen")
    assert loaded.success and (loaded.frame_id, loaded.instance_count) == ("map", 3)
    bench.spin_until(lambda: instances)
    assert {(found.class_name, found.id) for found in instances[0].instances} == known
    events = [(event.kind, event.id) for event in instances[0].events]  # of what nobody here has heard of
    assert events == [(InstanceEvent.CREATED, id) for id in sorted(id for _, id in known)]
    points, colors = bench.join(scene(bench), bench.box_cloud((0.0, 3.0, 0.0), bench.TABLE, 4))
    publish(points, colors, stamp_ns=3)
    bench.spin_until(lambda: len(instances) == 2)
    new = {(found.class_name, found.id) for found in instances[1].instances}
    assert known < new and max(new - known)[1] > max(id_ for _, id_ in known)
    assert "Traceback" not in silent.log


def test_a_correction_is_published_at_once_kept_to_and_saved_with_the_map(bench, tmp_path):
    publish = bench.cloud_publisher()
    bench.ready(bench.start(map_directory=str(tmp_path)), publish)
    early = bench.call(Correct, "correct", kind="undo")
    assert not early.success and "no map has been segmented" in early.message
    instances = bench.collect(InstanceArray, "/ssen/instances")
    semantic = bench.collect(PointCloud2, "/ssen/semantic_cloud")
    publish(*scene(bench), stamp_ns=1)
    bench.spin_until(lambda: instances)
    first, table, third = (found.id for found in instances[-1].instances)

    renamed = bench.call(Correct, "correct", kind="rename", ids=[table], class_name="workbench")
    assert renamed.success and renamed.corrections == 1
    bench.spin_until(lambda: len(instances) == 2)
    assert [found.class_name for found in instances[-1].instances] == ["chair", "workbench", "chair"]
    assert instances[-1].header == instances[0].header and not instances[-1].events

    merged = bench.call(Correct, "correct", kind="merge", ids=[third, first])
    assert merged.success and merged.corrections == 2
    bench.spin_until(lambda: len(instances) == 3)
    (event,) = instances[-1].events
    assert (event.kind, event.id, list(event.other_ids)) == (InstanceEvent.MERGED, third, [first])

    parted = bench.call(
        Correct, "correct", kind="cut", ids=[table], points=[Point(x=1.8, y=-1.0), Point(x=1.8, y=2.0)]
    )
    assert parted.success
    bench.spin_until(lambda: len(instances) == 4)
    new = max(found.id for found in instances[-1].instances)
    assert bench.call(Correct, "correct", kind="delete", ids=[new]).success
    bench.spin_until(lambda: len(instances) == 5)

    publish(*scene(bench), stamp_ns=2)  # the same map again, and a pass over it
    assert bench.call(Trigger, "segment_now").success
    bench.spin_until(lambda: len(instances) == 6)
    assert {found.id: found.class_name for found in instances[-1].instances} == {
        table: "workbench", third: "chair",
    }  # fmt: skip
    bench.spin_until(lambda: len(semantic) == 6)
    assert 2**32 - 1 in read_column(semantic[-1], "label"), "what was deleted is of no class"

    refused = bench.call(Correct, "correct", kind="rename", ids=[99], class_name="desk")
    assert not refused.success and "no object has id 99" in refused.message
    assert bench.call(SaveMap, "save_map", name="corrected").success
    assert bench.call(Trigger, "reset").success
    assert bench.call(LoadMap, "load_map", name="corrected").success
    assert bench.call(Trigger, "segment_now").success
    bench.spin_until(lambda: len(instances[-1].instances) == 2)
    assert {found.class_name for found in instances[-1].instances} == {"workbench", "chair"}
    undone = bench.call(Correct, "correct", kind="undo")
    assert undone.success and undone.corrections == 3
    bench.spin_until(lambda: len(instances[-1].instances) == 3)

    points = from_msg(semantic[-1])[0][:200].astype(float).tolist()
    stroke = [Point(x=x, y=y, z=z) for x, y, z in points]
    painted = bench.call(Correct, "correct", kind="paint", class_name="lamp", points=stroke)
    assert painted.success and painted.corrections == 4
    bench.spin_until(lambda: "lamp" in {found.class_name for found in instances[-1].instances})
    (lamp,) = (found for found in instances[-1].instances if found.class_name == "lamp")
    assert lamp.voxel_count == 200
