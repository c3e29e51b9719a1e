"""Figure 6: a chair is moved along an empty row between rows of chairs, and its embedding moves along."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ssen_ros.errors import SsenError
from ssen_ros.evaluation.vertex_labels import segment_once
from ssen_ros.figures.figure import Figure
from ssen_ros.figures.rooms import SeenRoom, matched, prediction_colors, truth_of
from ssen_ros.io.samples import VOXEL_SIZE, Sample
from ssen_ros.labelled_map import LabelledMap
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.pictures.annotations import titled
from ssen_ros.pictures.camera import fit_camera
from ssen_ros.pictures.render import beside, stacked
from ssen_ros.pictures.shot import BACKGROUND, Shot, take
from ssen_ros.pictures.splat import ball, edge_shade, halved, splat
from ssen_ros.pipeline import SsenPipeline

CHAIR, FLOOR = CLASS_NAMES.index("chair"), CLASS_NAMES.index("floor")
MOVING = 1  # number of the chair that moves; the others follow
PLACES = 6  # chairs in a row
APART = 0.80, 1.12  # m from chair to chair in a row, and from row to row
MARGIN = 0.7  # m of floor around them
LARGEST = 1.2  # m, what is longer is no single chair
LEAST = 500  # points of it; what has fewer was hardly seen
AZIMUTH = np.radians(-62.0)  # of the camera, so that a row goes from left to right
SHOWN = 4  # columns of the still picture
GREEN = np.array((52, 199, 89), np.uint8)  # the chair that moves, in the input
_FLOOR_COLOR = np.array((150, 128, 104), np.uint8)


@dataclass(frozen=True)
class Moment:
    """One place of the chair."""

    room: SeenRoom
    thing_rows: np.ndarray  # (T,) rows of the map that are things
    embeddings: np.ndarray  # (T, d) float32


# --- the scene -------------------------------------------------------------------------------------


def a_chair(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) m, its middle at x = y = 0 and its feet at z = 0, and (n, 3) uint8: the fullest chair of a room.

    Raises SsenError for a room without one.
    """
    ids = np.unique(sample.instance_label[sample.semantic_label == CHAIR])
    chairs = [np.flatnonzero(sample.instance_label == id) for id in ids if id >= 0]
    single = [
        rows for rows in chairs if len(rows) >= LEAST and np.ptp(sample.points[rows], axis=0).max() < LARGEST
    ]
    if not single:
        raise SsenError(
            f"figure 6: no chair of {LEAST} points in the room; give another room by --seeds or --rooms"
        )
    rows = max(single, key=len)
    points = sample.points[rows]
    low, high = points.min(axis=0), points.max(axis=0)
    middle = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]], np.float32)
    steps = np.round(middle / VOXEL_SIZE).astype(np.float32)  # points stay at the middles of their voxels
    return points - steps * np.float32(VOXEL_SIZE), sample.colors[rows]


def scene(points: np.ndarray, colors: np.ndarray, along: float) -> Sample:
    """Two rows of copies of the chair, and one between them: at their begin at 0, at their end at 1."""
    spots = [(along * (PLACES - 1) * APART[0], 0.0)]
    spots += [(k * APART[0], row * APART[1]) for row in (-1, 1) for k in range(PLACES)]
    ends = np.array([[0.0, -APART[1]], [(PLACES - 1) * APART[0], APART[1]]]) + [[-MARGIN], [MARGIN]]
    axes = [np.arange(*np.round(end / VOXEL_SIZE)) for end in ends.T]
    floor = (np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2) + 0.5) * VOXEL_SIZE
    floor = np.column_stack([floor, np.full(len(floor), -0.5 * VOXEL_SIZE)])
    grain = np.random.default_rng(0).normal(0.0, 6.0, (len(floor), 1))
    steps = np.round(np.array([(x, y, 0.0) for x, y in spots]) / VOXEL_SIZE)  # whole voxels
    moved = [points + step for step in (steps * VOXEL_SIZE).astype(np.float32)]
    chairs, each = len(spots), len(points)
    return Sample(
        points=np.vstack([floor, *moved]).astype(np.float32),
        colors=np.vstack([np.clip(_FLOOR_COLOR + grain, 0, 255).astype(np.uint8), *[colors] * chairs]),
        semantic_label=np.repeat([FLOOR, CHAIR], [len(floor), chairs * each]).astype(np.int8),
        instance_label=np.repeat(
            np.r_[-1, MOVING : MOVING + chairs].astype(np.int16), [len(floor), *[each] * chairs]
        ),
    )


def move(
    points: np.ndarray, colors: np.ndarray, pipeline: SsenPipeline, steps: int, told: Callable[[int], None]
) -> list[Moment]:
    """One pass of the method for each of so many places of the chair.

    Raises SsenError where the networks see no thing in one of the chairs.
    """
    moments = []
    for k, along in enumerate(np.linspace(0.0, 1.0, steps)):
        told(k)
        sample = scene(points, colors, float(along))
        result = segment_once(sample.points, sample.colors, pipeline)
        found = LabelledMap.from_step(result, tuple(pipeline.segmenter.class_names))
        room = SeenRoom(found, truth_of(sample, result.snapshot))
        seen = len(np.setdiff1d(room.truth[result.segmentation.thing_rows], [-1]))
        if seen < 2 * PLACES + 1:
            raise SsenError(
                f"figure 6: the semantic network sees things in {seen} of {2 * PLACES + 1} chairs; give"
                " another room by --seeds or --rooms"
            )
        moments.append(Moment(room, result.segmentation.thing_rows, result.segmentation.embeddings))
    return moments


# --- the embedding ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Projection:
    """The embedding space in three dimensions, turned as the scene lies; distances in it are not scaled."""

    mean: np.ndarray  # (d,)
    axes: np.ndarray  # (d, 3), orthonormal columns
    kept: float  # share of the variance that three dimensions hold

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        return (embeddings - self.mean) @ self.axes


def project(moments: Sequence[Moment]) -> Projection:
    """Onto the three widest axes of all moments together; then turned, so that rows lie as the chairs'."""
    together = np.vstack([moment.embeddings for moment in moments]).astype(np.float64)
    mean = together.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(together.T))
    widest = axes[:, ::-1][:, :3]
    embedded, placed = (np.vstack(rows) for rows in zip(*[_means(moment) for moment in moments]))
    u, _, v = np.linalg.svd(((embedded - mean) @ widest).T @ (placed - placed.mean(axis=0)))
    return Projection(mean, widest @ (u @ v), float(spread[::-1][:3].sum() / spread.sum()))


def _means(moment: Moment) -> tuple[np.ndarray, np.ndarray]:
    """(K, d) and (K, 3): of each chair the mean embedding and the middle, the moving one first."""
    truth, points = moment.room.truth[moment.thing_rows], moment.room.found.points[moment.thing_rows]
    chairs = np.unique(truth[truth >= 0])
    embedded = np.stack([moment.embeddings[truth == id].mean(axis=0) for id in chairs])
    return embedded, np.stack([points[truth == id].mean(axis=0) for id in chairs])


def measure(moments: Sequence[Moment], projection: Projection, width: int) -> dict[str, Any]:
    """How much of a chair's place its embedding tells: R² of linear fits, and how many chairs were found."""
    fixed = [_means(moments[0])[k][1:] for k in range(2)]
    moving = [np.stack([_means(moment)[k][0] for moment in moments]) for k in range(2)]
    pairs = [matched(moment.room.truth, moment.room.found.instance_id) for moment in moments]
    found = [sum(iou >= 0.5 for _, iou in of_moment.values()) for of_moment in pairs]
    chairs = 2 * PLACES + 1
    return {
        "embedding_width": width,
        "variance_in_three_axes": round(projection.kept, 3),
        "r2_of_place_in_row": _r2(projection(fixed[0]), fixed[1][:, 0]),
        "r2_of_row": _r2(projection(fixed[0]), fixed[1][:, 1]),
        "r2_of_moving_chair": _r2(projection(moving[0]), moving[1][:, 0]),
        "chairs": chairs,
        "found_at_iou_0.5": {"least": min(found), "mean": round(float(np.mean(found)), 2)},
        "steps": len(moments),
    }


def _r2(embedded: np.ndarray, place: np.ndarray) -> float:
    design = np.column_stack([embedded, np.ones(len(embedded))])
    rest = place - design @ np.linalg.lstsq(design, place, rcond=None)[0]
    return round(float(1.0 - rest.var() / place.var()), 3)


# --- the picture -----------------------------------------------------------------------------------


def figure_6(moments: Sequence[Moment], embedding_width: int, column: int = 420) -> Figure:
    """Input, prediction and embedding at SHOWN places of the chair, and all of them as an animation."""
    projection = project(moments)
    everywhere = np.vstack([projection(moment.embeddings) for moment in moments])
    drawn = [_draw(moment, projection, everywhere, column) for moment in moments]
    columns = [drawn[k] for k in np.linspace(0, len(drawn) - 1, SHOWN).round().astype(int)]
    three = "" if embedding_width == 3 else f" (3 of {embedding_width} axes)"
    titles = "input", "prediction", f"embedding{three}"
    rows = [
        beside([titled(images[row], title if k == 0 else "") for k, images in enumerate(columns)])
        for row, title in enumerate(titles)
    ]
    frames = [beside(list(map(titled, images[1:], titles[1:]))) for images in drawn]
    data = measure(moments, projection, embedding_width)
    return Figure(6, data, stacked(rows), (*frames, *frames[-2:0:-1]))


def _draw(
    moment: Moment, projection: Projection, everywhere: np.ndarray, width: int
) -> tuple[np.ndarray, ...]:
    """Input, prediction and embedding at one moment."""
    room = moment.room
    shot = take(room.found, width, AZIMUTH)
    moving = room.truth == MOVING
    input = room.found.colors.copy()
    input[moving] = (0.35 * input[moving] + 0.65 * GREEN).astype(np.uint8)
    colors = prediction_colors(room)
    place = room.found.points[moving].mean(axis=0)
    embedded = projection(moment.embeddings)
    own = embedded[moving[moment.thing_rows]]
    cloud, pixel = _cloud(embedded, colors[moment.thing_rows], shot, everywhere, own.mean(axis=0))
    (at,), _ = shot.camera.project(place[None])
    return _circled(shot.panel(input), at), _circled(shot.panel(colors), at), _circled(cloud, pixel)


def _cloud(
    embedded: np.ndarray, colors: np.ndarray, shot: Shot, everywhere: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8: embeddings as balls, seen as the scene is, and the pixel of one of them."""
    width, height = shot.size
    camera = fit_camera(everywhere, shot.camera.axes, width, height, margin=24)
    double = camera.zoomed(2.0)
    size = 7.0 / double.scale  # px
    frame = splat(embedded, double, 2 * width, 2 * height, ball(double, size))
    light = edge_shade(frame.depth, reach=2, tolerance=size)
    (pixel,), _ = camera.project(own[None])
    return halved(frame.colors(colors, BACKGROUND) * light[:, :, None]), pixel


def _circled(image: np.ndarray, at: np.ndarray, radius: float = 26.0) -> np.ndarray:
    ring = Image.new("RGBA", (2 * image.shape[1], 2 * image.shape[0]))
    low, high = 2 * (at - radius), 2 * (at + radius)
    ImageDraw.Draw(ring).ellipse((*low.tolist(), *high.tolist()), outline=(30, 30, 34, 255), width=5)
    canvas = Image.fromarray(image).convert("RGBA")
    canvas.alpha_composite(ring.resize(canvas.size, Image.Resampling.BOX))
    return np.asarray(canvas.convert("RGB"))
