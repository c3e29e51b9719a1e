"""What is wrong with a map, in plain words, and which parameter of which SLAM stack to change.

Pure functions: a cloud, a message or its stamps in, findings out. The thresholds were chosen on simulated
rooms (2 cm), some mapped in part, on these thinned to grids and features, and on one real kitchen (1 cm).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ssen_ros import voxel_keys
from ssen_ros.errors import CloudError
from ssen_ros.floor import STRAY_DEPTH, above_floor, find_floor
from ssen_ros.io.point_cloud2 import Message, from_msg
from ssen_ros.stamps import SECOND_NS, ns_from_time
from ssen_ros.structures import Cloud
from ssen_ros.voxel_map import MAX_STRAY_SHARE, VoxelMap

ERROR = "error"  # nothing useful can come out
WARNING = "warning"  # works, but worse than it could

_FEWEST_POINTS = 100
_STALE_S = 5.0  # a map of the newest image is younger when it is published
_MARGIN = 1.15  # on the voxel size: a grid's own spacing scatters by so much
_UNEVEN = 2.2  # ratio of the 90th to the 10th percentile of spacing; grids and dense maps: up to 2.0
_CELL_M = 0.2
_CELL_POINTS = 8  # in a cell of a surface mapped every 7 cm
_PLACES = 2000  # at which the direction of the surface is looked at
_FEWEST_NORMALS = 100
_FEWEST_LEVELS = 10
_OFF_DEG = 12.0  # from level or upright
_MAX_HIGH = 0.75  # share of level surfaces in the upper half; up to 0.69 in a part of a room full of shelves
_MAX_BELOW = 0.002  # share of the voxels below the floor; in a healthy room there is none
_ROOM_M = (2.2, 4.0)  # from floor to ceiling
_HALL_M = 6.0  # a room as high may be a hall
_TABLE_M = (0.65, 0.8)
_UNITS = {0.3048: "feet", 0.1: "decimetres, or a depth unit ten times too large"}
_SCALE_SHARE = 0.1  # of the level surfaces: less is no floor, no ceiling
_MAX_OFF = 0.2  # share of surfaces that are neither; up to 0.02 in a room, from 0.47 if tilted by 15 degrees


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    severity: str  # ERROR or WARNING
    check: str  # a short lasting name, for machines
    seen: str  # what was seen, with values
    remedy: str  # what to change, and where


def examine_message(message: Message, voxel_size: float) -> tuple[Finding, ...]:
    """What is wrong with a sensor_msgs/PointCloud2 as the whole map, for networks of `voxel_size` m."""
    try:
        points, colors, had_color = from_msg(message)
    except CloudError as error:
        return (Finding(ERROR, "layout", str(error), "the node rejects such clouds; see the message above"),)
    cloud = Cloud(np.asarray(points, np.float32), colors if had_color else None)
    return (*_frame(message.header.frame_id), *examine_cloud(cloud, voxel_size))


def examine_recording(messages: Iterable[tuple[int, Message]], voxel_size: float) -> tuple[Finding, ...]:
    """What is wrong with recorded clouds, (time of recording [ns], message): the last, all stamps."""
    stamps, last = [], None
    for recorded_ns, last in messages:
        stamps.append((ns_from_time(last.header.stamp), recorded_ns))
    return (*examine_message(last, voxel_size), *examine_stamps(stamps))


def examine_cloud(cloud: Cloud, voxel_size: float) -> tuple[Finding, ...]:
    """What is wrong with a cloud as the whole map, for networks of `voxel_size` m.

    Which axis is up cannot always be told of a room whose walls lie exactly along the axes, nor of a small
    part of one; then nothing is said.
    """
    if len(cloud) < _FEWEST_POINTS:
        return (
            Finding(
                ERROR, "empty", f"the cloud has {len(cloud)} points",
                "let the SLAM see something; rtabmap publishes its map once the camera has moved "
                "(RGBD/LinearUpdate, RGBD/AngularUpdate)",
            ),
        )  # fmt: skip
    tree = KDTree(cloud.points, balanced_tree=False)
    distances = neighbour_distances(tree)
    # In this order: what is found first explains what the later ones would say.
    shape = (
        _unit(cloud, distances) or _extent(cloud, voxel_size) or _flat(cloud) or _features(cloud, distances)
    )
    if not shape:
        spacing = float(np.median(distances))
        surfaces = _surfaces(tree, max(0.1, 3.0 * spacing))
        shape = _spacing(distances, voxel_size) + (
            _gravity(tree, *surfaces) or _scale(*surfaces) or _floor(cloud, max(voxel_size, spacing))
        )
    return (*shape, *_colors(cloud.colors))


def neighbour_distances(tree: KDTree, samples: int = 1000) -> np.ndarray:
    """(samples,) distance from some points to their fourth nearest neighbour, m; inf where there is none.

    Of a grid on a surface the fourth is a grid step away. The nearest is not: voxel filters that average
    (PCL's, so rtabmap's) leave points anywhere in their cells, some of them close to each other.
    """
    chosen = np.linspace(0, tree.n - 1, min(samples, tree.n)).astype(np.int64)
    distances, _ = tree.query(tree.data[chosen], k=5)  # the first is the point itself
    return distances[:, 4]


def examine_stamps(stamps: Sequence[tuple[int, int]], simulated_time: bool = False) -> tuple[Finding, ...]:
    """What is wrong with the stamps of clouds: (stamp, time of publishing) of each, in order, ns.

    With `simulated_time` a stamp may be of another clock than the time of publishing.
    """
    if not stamps:
        return ()
    stamp, published = np.array(stamps, np.int64).T
    remedy = (
        "stamp the map with the time of its newest image; with a bag or a simulator, play with --clock and "
        "start every node with use_sim_time true; with two machines, synchronise their clocks (chrony)"
    )
    if not stamp.any():
        return (Finding(WARNING, "stamps", "the stamps of the clouds are 0", remedy),)
    steps = np.diff(stamp)
    if (steps < 0).any() or (len(steps) > 1 and not steps.any()):  # twice the same map is no fault
        return (Finding(WARNING, "stamps", "the stamps of the clouds do not increase", remedy),)
    off_s = float(np.median(published - stamp)) / SECOND_NS
    if abs(off_s) > _STALE_S and not simulated_time:
        when = "before" if off_s > 0 else "after"
        seen = f"the clouds are stamped {abs(off_s):.3g} s {when} they are published"
        return (Finding(WARNING, "stamps", seen, remedy),)
    return ()


def _frame(frame_id: str) -> tuple[Finding, ...]:
    remedy = (
        "publish the map in a fixed frame with +Z up (REP 105), such as map; rtabmap: map_frame_id; ZED: "
        "pos_tracking.map_frame; clouds of single frames: map.mode incremental and frames.target_frame"
    )
    if not frame_id:
        return (Finding(ERROR, "frame", "the clouds have no frame_id", remedy),)
    if frame_id.startswith("/"):
        return (
            Finding(
                WARNING, "frame",
                f"the clouds' frame_id {frame_id!r} begins with a slash, as in ROS 1: tf2 and RViz refuse it",
                f"publish it as {frame_id.lstrip('/')!r}; ssen_node drops the slash",
            ),
        )  # fmt: skip
    if "optical" in frame_id or frame_id.startswith("camera"):
        seen = f"the clouds are in {frame_id!r}, a frame that moves with the camera: no map"
        return (Finding(ERROR, "frame", seen, remedy),)
    return ()


def _unit(cloud: Cloud, distances: np.ndarray) -> tuple[Finding, ...]:
    extent = float(np.ptp(cloud.points, axis=0).max())
    spacing = float(np.median(distances))
    if extent >= 200.0 and spacing >= 1.0:
        guess = "millimetres" if extent >= 1000.0 else "centimetres"
    elif extent < 0.1:
        guess = "kilometres"
    else:
        return ()
    return (
        Finding(
            ERROR, "unit",
            f"the map is {extent:.3g} m long, a point every {spacing:.2g} m: {guess}, taken for metres",
            "publish metres (REP 103); depth images of 16 bits are millimetres, floats are metres: rtabmap's "
            "depth_scale, ORB-SLAM's DepthMapFactor; in an .npz, int16 and int32 are read as millimetres",
        ),
    )  # fmt: skip


def _extent(cloud: Cloud, voxel_size: float) -> tuple[Finding, ...]:
    reach = voxel_keys.AXIS_LIMIT * voxel_size
    outside = np.flatnonzero((np.abs(cloud.points) >= reach).any(axis=1))
    if len(outside) == 0:
        return ()
    x, y, z = cloud.points[outside[0]]
    are_few = len(outside) <= MAX_STRAY_SHARE * len(cloud)
    if len(outside) > len(cloud) / 2:
        remedy = (
            "give the map a local origin: publish it in a frame near to it, not in UTM or ECEF coordinates"
        )
    else:
        remedy = (
            "remove such strays, depths that were never measured, before publishing; rtabmap: Grid/RangeMax"
        )
    return (
        Finding(
            WARNING if are_few else ERROR, "extent",
            f"{len(outside)} of {len(cloud)} points lie {reach:.6g} m or more from the origin along an axis, "
            f"the first at ({x:.6g}, {y:.6g}, {z:.6g}): the node "
            + ("drops them" if are_few else "rejects such clouds"),
            remedy,
        ),
    )  # fmt: skip


def _flat(cloud: Cloud) -> tuple[Finding, ...]:
    low, high = np.percentile(cloud.points[:, 2], (1, 99))
    if high - low >= 0.1:
        return ()
    return (
        Finding(
            ERROR, "flat", f"all points lie within {high - low:.2g} m of one height: a flat map",
            "rtabmap: Grid/3D true (false is the default of builds without OctoMap), and Grid/Sensor 1, so "
            "that the map is made from depth images and not from a laser (before 0.21: Grid/FromDepth true)",
        ),
    )  # fmt: skip


def _features(cloud: Cloud, distances: np.ndarray) -> tuple[Finding, ...]:
    keys = voxel_keys.pack(np.floor(cloud.points / _CELL_M).astype(np.int64))
    in_cell = float(np.median(np.unique(keys, return_counts=True)[1]))
    near, far = np.percentile(distances, (10, 90))
    if in_cell >= _CELL_POINTS or far <= _UNEVEN * near:
        return ()
    return (
        Finding(
            ERROR, "features",
            f"{len(cloud)} scattered points, {in_cell:.0f} in a cell of {_CELL_M:g} m (median), unevenly: "
            "a map of features, not of surfaces",
            "a dense map is needed: ORB-SLAM's all_points cannot be used; give its poses to a mapper, such "
            "as rtabmap with visual_odometry false and odom_topic, or use the map of rtabmap or ZED",
        ),
    )  # fmt: skip


def _spacing(distances: np.ndarray, voxel_size: float) -> tuple[Finding, ...]:
    spacing = float(np.median(distances))
    if spacing <= _MARGIN * voxel_size:
        return ()
    finer = f"{voxel_size / 2:g}"
    return (
        Finding(
            WARNING, "spacing",
            f"the points lie {spacing:.2g} m apart, the networks know voxels of {voxel_size:g} m: they see "
            "surfaces full of holes",
            f"rtabmap: Grid/CellSize {finer} (default 0.05), Grid/DepthDecimation 1 or 2 (default 4); "
            f"ZED: mapping.resolution {finer}; nvblox: voxel_size {finer}",
        ),
    )  # fmt: skip


def _colors(colors: np.ndarray | None) -> tuple[Finding, ...]:
    if colors is None:
        seen, of_laser = "the cloud has no colour", False
    else:
        colors = colors[:: 1 + len(colors) // 100_000]
        packed = np.unique(colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32))
        of_laser = len(packed) <= 2
        if of_laser:
            names = " and ".join(f"#{color:06x}" for color in packed)
            seen = f"all points are {names}" + (": painted, not seen" if len(packed) == 2 else "")
        elif (np.ptp(colors, axis=1) == 0).all():
            seen = "all points are grey: of an infrared or monochrome camera"
        else:
            return ()
    remedy = (
        "the networks learnt from colour and do worse without: use the colour camera, registered to depth"
        + (
            "; rtabmap paints laser scans green and red: Grid/Sensor 1 makes the map from RGB-D images "
            "(before 0.21: Grid/FromDepth true)"
            if of_laser
            else "; rtabmap: rgb_topic with a colour image; nvblox's occupancy and ORB-SLAM's maps have none"
        )
    )
    return (Finding(WARNING, "colours", seen, remedy),)


def _gravity(tree: KDTree, heights: np.ndarray, up: np.ndarray) -> tuple[Finding, ...]:
    """In a room floors and tabletops are level, walls and fronts upright, and most things stand low."""
    if len(up) < _FEWEST_NORMALS:
        return ()
    remedy = (
        "publish the map in a frame with +Z up; rtabmap: frame_id of the robot or of a levelled camera_link "
        "(not of an optical frame), with an IMU wait_imu_to_init true; ZED: "
        "pos_tracking.set_gravity_as_origin true; ORB-SLAM's world is its first camera: let ssen_node turn "
        "the map by frames.target_frame; a file: ssen segment --up, such as --up y"
    )
    is_level = up > np.cos(np.radians(_OFF_DEG))
    off = float((~is_level & (up > np.sin(np.radians(_OFF_DEG)))).mean())
    if off > _MAX_OFF:
        seen = f"{100 * off:.0f} % of the surfaces are neither level nor upright: +Z is not up"
        return (Finding(ERROR, "gravity", seen, remedy),)
    bottom, top = np.percentile(tree.data[:, 2], (0.5, 99.5))
    height = (heights[is_level] - bottom) / (top - bottom)
    between = height[(height > 0.08) & (height < 0.92)]  # neither floor nor ceiling
    high = float((between > 0.5).mean()) if len(between) >= _FEWEST_LEVELS else 0.0
    if high > _MAX_HIGH:
        seen = f"{100 * high:.0f} % of the level surfaces lie in the upper half of the map: +Z is hardly up"
        return (Finding(WARNING, "gravity", seen, remedy),)
    return ()


def _scale(heights: np.ndarray, up: np.ndarray) -> tuple[Finding, ...]:
    """A room whose ceiling and tables lie where one factor brings both to their usual heights.

    Where no ceiling is seen, or the surfaces between lie at no height in particular, nothing is said: halls
    are high, and shelves have boards anywhere.
    """
    level = np.sort(heights[up > np.cos(np.radians(_OFF_DEG))])
    if len(level) < _FEWEST_NORMALS:
        return ()
    edge = 0.05 * (level[-1] - level[0])
    low, high = level[level <= level[0] + edge], level[level >= level[-1] - edge]
    room = float(np.median(high) - np.median(low))
    between = level[len(low) : len(level) - len(high)] - np.median(low)
    if min(len(low), len(high)) < _SCALE_SHARE * len(level) or len(between) < 2 * _FEWEST_LEVELS:
        return ()
    tables = float(np.median(between))
    if (np.abs(between - tables) < 0.02 * room).mean() < 0.5 or _ROOM_M[0] <= room <= _HALL_M:
        return ()
    for factor, unit in _UNITS.items():
        if _ROOM_M[0] <= factor * room <= _ROOM_M[1] and _TABLE_M[0] <= factor * tables <= _TABLE_M[1]:
            return (
                Finding(
                    WARNING, "scale",
                    f"the ceiling lies {room:.3g} m above the floor, tabletops {tables:.2g} m: multiplied by "
                    f"{factor:g} they would be {factor * room:.2g} and {factor * tables:.2g} m ({unit})",
                    "publish metres (REP 103); check rtabmap's depth_scale, ORB-SLAM's DepthMapFactor, the "
                    f"camera's depth unit; or scale the map by {factor:g}",
                ),
            )  # fmt: skip
    return ()


def _floor(cloud: Cloud, voxel_size: float) -> tuple[Finding, ...]:
    """Heights are measured from the floor; what lies below it is left out of what the networks see."""
    voxel_map = VoxelMap(voxel_size)
    voxel_map.integrate(cloud.points, np.zeros(cloud.points.shape, np.uint8))
    snapshot = voxel_map.snapshot()
    floor = find_floor(snapshot)
    if not floor.seen:
        return (
            Finding(
                WARNING, "no_floor",
                f"the map shows no floor: heights count from its lowest surfaces, z = {floor.height:.2f}",
                "tilt the camera until it sees some floor; rtabmap: leave the ground in the map "
                "(Grid/MaxGroundHeight, Grid/MinGroundHeight, and the topic of the whole cloud_map, not "
                "cloud_obstacles)",
            ),
        )  # fmt: skip
    below = ~above_floor(snapshot, floor)
    if below.mean() <= _MAX_BELOW:
        return ()
    lowest = floor.height - float(snapshot.points[below, 2].min())
    return (
        Finding(
            WARNING, "below_floor",
            f"{100 * below.mean():.1f} % of the map lie {STRAY_DEPTH:g} to {lowest:.2g} m below the floor "
            f"(z = {floor.height:.2f}), and are left out: reflections, drift, or a storey below",
            "rtabmap: Grid/NoiseFilteringRadius 0.1 with Grid/NoiseFilteringMinNeighbors 5, Grid/RangeMax 3, "
            "Grid/MinGroundHeight; for drift let it close loops; map one storey at a time",
        ),
    )  # fmt: skip


def _surfaces(tree: KDTree, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Of some places with a plane surface around: their height z, m, and |z| of the unit normal."""
    chosen = np.random.default_rng(0).choice(tree.n, min(_PLACES, tree.n), replace=False)
    heights, up = [], []
    for place, rows in zip(
        tree.data[chosen], tree.query_ball_point(tree.data[chosen], radius, return_sorted=False)
    ):
        if len(rows) < 8:
            continue
        around = tree.data[rows[:: 1 + len(rows) // 64]]  # enough for a plane
        around = around - around.mean(axis=0)
        variances, axes = np.linalg.eigh(around.T @ around)
        if variances[0] < 0.05 * variances[1]:
            heights.append(place[2])
            up.append(abs(axes[2, 0]))
    return np.array(heights), np.array(up)
