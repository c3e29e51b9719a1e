"""A node under whatever may come, for as long as one likes: its outputs agree, and its memory does not grow.

`make soak` goes on for ten minutes with the real networks, `make test` for some seconds with the stub
(SSEN_SOAK_S).
"""

import os
import random
import time
from itertools import count

import numpy as np
import psutil
import pytest
from scipy.stats import theilslopes
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger

from ssen_ros.ros.conversions import ns_from_time, read_column
from ssen_ros.srv import GetInstances

SECONDS = float(os.environ.get("SSEN_SOAK_S", "10"))
LONG = SECONDS >= 60
NODE = "ssen_ros.ros.ssen_node"
MOST_BOXES = 8
SLOPE = 1.0  # % of the memory after warming up, for each thousand updates
MOST_END_S = 2.0  # of CPU, from SIGINT to the end, in whatever state


def room(bench, rng, boxes):
    """So many boxes of the stub's classes on a wall, and their clouds' like for the real networks."""
    parts = [bench.box_cloud((0, 0, 0), bench.WALL, 0, size=(4.0, 0.1, 1.0), step=0.05)]
    for k in range(boxes):
        place = (0.9 * (k % 4), 0.5 + 0.8 * (k // 4) + 0.02 * rng.random(), 0.0)
        parts.append(bench.box_cloud(place, rng.choice((bench.CHAIR, bench.TABLE)), k + 1, step=0.05))
    return bench.join(*parts)


def inconsistent(instances, clouds):
    """What the outputs of one stamp contradict each other in."""
    ids = {one.id for one in instances.instances}
    in_cloud, counts = np.unique(read_column(clouds["instance_cloud"], "instance_id"), return_counts=True)
    told = {i.id: i.voxel_count for i in instances.instances if i.state == 0}
    seen = {int(i): int(n) for i, n in zip(in_cloud, counts) if i >= 0}
    wrong = [f"ids {set(seen) - ids} in the cloud alone"] if set(seen) - ids else []
    wrong += [
        f"{i}: {n} voxels told, {seen.get(i)} in the cloud" for i, n in told.items() if seen.get(i) != n
    ]
    if len(ids) != len(instances.instances):
        wrong.append("an id twice")
    return wrong


def settled(bench, received):
    """The last message of each topic, when none has come for a second: they are of one pass."""
    count = -1
    while count != (count := sum(map(len, received.values()))):
        bench.spin_for(1.0)
    return {topic: messages[-1] for topic, messages in received.items()}


def disagreement(bench, received, again):
    """What the outputs contradict each other in, twice: a topic that closes may lose its last message."""
    for anew in (lambda: None, again):
        anew()
        last = settled(bench, received)
        stamps = {ns_from_time(message.header.stamp) for message in last.values()}
        wrong = [f"stamps {stamps}"] if len(stamps) > 1 else inconsistent(last["instances"], last)
        if not wrong:
            break
    return wrong


@pytest.mark.slow
def test_whatever_comes_outputs_agree_and_memory_stays(bench):
    from ssen_ros.msg import InstanceArray

    rng = random.Random(0)
    node = bench.start(NODE, update_period_s=0.05) if LONG else bench.start(update_period_s=0.05)
    publish = bench.cloud_publisher()
    publish(*room(bench, rng, 4))
    received = {"instances": bench.collect(InstanceArray, "/ssen/instances")}
    for topic in ("instance_cloud", "semantic_cloud"):
        received[topic] = bench.collect(PointCloud2, f"/ssen/{topic}")
    bench.spin_until(lambda: received["instances"], 240)
    process, memory = psutil.Process(node._process.pid), []
    updates = compared = requests = 0
    stamps = count(1_600_000_000)

    def send(boxes):
        publish(*room(bench, rng, boxes), stamp_ns=next(stamps) * 10**9)

    def pass_over_the_largest_room():
        bench.set_parameters(**{"clustering.min_cluster_size": 80, "clustering.min_samples": 10})
        send(MOST_BOXES)
        bench.call(Trigger, "segment_now")

    end = time.monotonic() + SECONDS
    for number in count(1):
        if time.monotonic() > end and compared:
            break
        send(rng.randrange(MOST_BOXES + 1))
        what = rng.random()
        if what < 0.3:
            service, name = rng.choice(
                ((Trigger, "segment_now"), (Trigger, "reset"), (GetInstances, "get_instances"))
            )
            bench.call(service, name)
            requests += 1
        elif what < 0.4:
            bench.call(SetBool, "enable", data=rng.random() < 0.9)
        elif what < 0.6:
            value = rng.choice((2, 20, 80, 1_000_000))
            bench.set_parameters(
                **{"clustering.min_cluster_size": value, "clustering.min_samples": rng.choice((1, 10, 200))}
            )
        elif what < 0.65:
            down = rng.choice(
                (("deactivate", "activate"), ("deactivate", "cleanup", "configure", "activate"))
            )
            assert all(bench.change_state(one) for one in down)
        bench.spin_for(0.1)
        assert node.running, node.log[-2000:]
        updates += len(received["instances"]) - 1
        for messages in received.values():
            del messages[:-1]
        if number % 10 == 0:
            compared += 1
            pass_over_the_largest_room()
            assert not (wrong := disagreement(bench, received, pass_over_the_largest_room)), wrong
            # Of a node at rest, always with the same map and parameters.
            memory.append((updates, process.memory_info().rss / 1e6))
    print(f"{updates} updates, {requests} requests, {compared} sets compared")
    if LONG:
        print(f"MB after so many updates: {', '.join(f'{mb:.1f} ({count})' for count, mb in memory)}")
        updated, used = np.array(memory)[len(memory) // 3 :].T
        slopes = 1e5 / np.median(used) * np.array(theilslopes(used, updated, 0.95))[[0, 2, 3]]
        likely, least, most = slopes.tolist()
        print(f"slope {likely:+.2f} % a thousand updates, {least:+.2f} to {most:+.2f} with confidence 95 %")
        assert likely < SLOPE
    cpu_s = node.end()
    print(f"ended by SIGINT for {cpu_s:.2f} s of CPU")
    assert cpu_s < MOST_END_S and "Traceback" not in node.log
