"""One configuration tree, whose fields the ROS parameters, the YAML file and the command line derive from.

A parameter's dotted name (`clustering.min_cluster_size`) is the path through the dataclasses.
What a network was trained with (voxel size, classes, embedding width) is not here: it comes from
the checkpoint.
"""

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from ssen_ros.errors import ConfigError, nearest, shown

# When a parameter of a running system may be given another value.
LIVE = "live"  # at any time; the next update goes by it
CONFIGURE = "configure"  # while no networks are loaded
START = "start"  # never: it is read once


def param(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    changes: str = START,
) -> Any:
    return field(
        default=default,
        metadata=dict(doc=doc, unit=unit, low=low, high=high, choices=choices, changes=changes),
    )


@dataclass(frozen=True)
class MapConfig:
    mode: str = param(
        "accumulated",
        "accumulated: each cloud is the whole map (RTAB-Map); incremental: each cloud adds to it, and "
        "nothing is taken away but what decay_s, box_m and see_through say",
        choices=("accumulated", "incremental"),
        changes=CONFIGURE,
    )
    decay_s: float = param(
        0.0,
        "with map.mode incremental: a voxel is forgotten when no cloud of so long has had a point in it, by "
        "the stamps of the clouds; 0: never",
        unit="s",
        low=0.0,
        high=1e9,
        changes=CONFIGURE,
    )
    box_m: float = param(
        0.0,
        "with map.mode incremental: side of a cube around the robot (frames.robot_frame), along the axes of "
        "the map; voxels outside are forgotten; 0: everything is kept",
        unit="m",
        low=0.0,
        high=1e6,
        changes=CONFIGURE,
    )
    see_through: bool = param(
        False,
        "with map.mode incremental, and clouds that are each one view of a depth camera, in its own frame: a "
        "voxel up to 4 m away is forgotten when the rays near it end well behind it, so that what was "
        "carried away disappears when its place is looked at again",
        changes=CONFIGURE,
    )
    max_voxels: int = param(
        10_000_000,
        "voxels that the map may have; an incremental map that is full is updated where it is known, and new "
        "places are left out; a cloud that makes a larger map by itself is refused. A pass takes 1 to 2 kB a "
        "voxel",
        unit="voxels",
        low=1000,
        high=1_000_000_000,
        changes=CONFIGURE,
    )


@dataclass(frozen=True)
class SegmenterConfig:
    weights: str = param(
        "",
        "folder of both networks, semantic.safetensors and embedding.safetensors, as `ssen teach` writes it; "
        "empty: the shipped ones",
        changes=CONFIGURE,
    )
    semantic_checkpoint: str = param(
        "", "safetensors file of the semantic network; empty: that of segmenter.weights", changes=CONFIGURE
    )
    embedding_checkpoint: str = param(
        "", "safetensors file of the embedding network; empty: that of segmenter.weights", changes=CONFIGURE
    )
    device: str = param("auto", "auto (GPU where there is one), cpu, cuda or cuda:N", changes=CONFIGURE)
    engine: str = param(
        "auto",
        "what computes the networks: native (ours, which auto chooses), or minkowski (MinkowskiEngine, where "
        "it is installed; float32 alone)",
        choices=("auto", "native", "minkowski"),
        changes=CONFIGURE,
    )
    precision: str = param(
        "auto",
        "number format of the networks; float16 and bfloat16 are faster on a GPU, bfloat16 on a CPU with "
        "AVX512_BF16 or AMX, and change some labels near the borders of objects; other CPUs refuse them; "
        "auto: float16 on a GPU, bfloat16 on a CPU that multiplies it, else float32",
        choices=("auto", "float32", "float16", "bfloat16"),
        changes=CONFIGURE,
    )
    rotations: int = param(
        2,
        "views of the map, turned evenly about +Z and moved by half a voxel against each other, over which "
        "the classes' probabilities are averaged; each costs a pass of the semantic network; 4 are a little "
        "better, the paper's are 10 (not moved), 1 is fastest",
        low=1,
        high=100,
        changes=CONFIGURE,
    )
    line_up: bool = param(
        True,
        "the networks see each map turned so that its walls lie at the same angle to the voxels' grid: the "
        "same room is labelled alike whichever way the map's frame points; false: as the map lies (paper)",
        changes=LIVE,
    )
    even_exposure: bool = param(
        True,
        "the networks see a map whose colours have a median below 85 or above 150 grey levels brighter or "
        "darker, all of it alike, up to there: those of two training rooms in three lie between; false: as "
        "the map is (paper)",
        changes=LIVE,
    )
    prior: float = param(
        0.25,
        "how much of the balance between the classes is undone with which the semantic network was trained: "
        "log p + this times log(share of the class in the training rooms), where the checkpoint tells the "
        "shares; 0: as it answers (paper)",
        low=0.0,
        high=1.0,
        changes=CONFIGURE,
    )
    num_threads: int = param(
        0,
        "CPU threads of the networks, no more than there are CPUs; 0: torch's default",
        low=0,
        high=1024,
        changes=CONFIGURE,
    )


@dataclass(frozen=True)
class PassesConfig:
    incremental: str = param(
        "regions",
        "regions: the networks keep their answers, and answer anew where the map has changed and around; "
        "auto: they keep all that they computed for each voxel, as far as passes.memory_mb allows, and "
        "compute anew what a change reaches, else regions; with both, whole passes are made over the first "
        "map, on request, where much has changed, and when nothing else is due; off: every pass is whole",
        choices=("regions", "auto", "off"),
        changes=LIVE,
    )
    threshold: float = param(
        0.04,
        "change of a layer's output at a voxel that is not passed on, as a share of the spread of them "
        "over the map; larger: faster, and further from a whole pass; 0: exact, and hardly faster",
        low=0.0,
        high=1.0,
        changes=LIVE,
    )
    whole_share: float = param(
        0.5,
        "a pass is whole where more of the voxels have come, gone or changed; by regions, where the networks "
        "would be given more of them",
        low=0.0,
        high=1.0,
        changes=LIVE,
    )
    memory_mb: float = param(
        4096.0,
        "what the networks may keep; with auto, where a map needs more, some of them keep nothing and "
        "compute all of it each time: first the embedding network, then one view after the other; where none "
        "can keep its layers, they keep their answers; without memory for these every pass is whole",
        unit="MB",
        low=0.0,
        high=1e6,
        changes=LIVE,
    )


@dataclass(frozen=True)
class FusionConfig:
    hold: float = param(
        0.5,
        "a voxel keeps its label until another leads by so much in log-probability; less is asked for where "
        "something changes nearby, nothing where the voxel itself does; larger: labels flicker less, and lag "
        "behind what the networks see; 0: labels are those of the newest pass",
        low=0.0,
        high=100.0,
        changes=LIVE,
    )
    confirm: int = param(
        4,
        "a published label changes when so many updates in a row say otherwise, unless the voxel itself has "
        "changed, or its object is of another class now; larger: labels flicker less, and lag; 1: at once, "
        "as where hold and quiet_passes are 0",
        unit="updates",
        low=1,
        high=100,
        changes=LIVE,
    )
    quiet_passes: int = param(
        4,
        "passes over a map that no longer changes, made while nothing else is due: the first is whole, each "
        "other has other views of it, a quarter turned or moved by half a voxel, and the mean over them "
        "counts; 0: none, but a whole one where passes.incremental leaves approximations",
        unit="passes",
        low=0,
        high=100,
        changes=LIVE,
    )


@dataclass(frozen=True)
class ClusteringConfig:
    mode: str = param(
        "fast",
        "fast: HDBSCAN by the compiled library; exact: by the hdbscan library",
        choices=("fast", "exact"),
        changes=LIVE,
    )
    min_cluster_size: int = param(
        80, "fewest voxels that make an object", unit="voxels", low=2, high=1_000_000, changes=LIVE
    )
    min_samples: int = param(
        10,
        "HDBSCAN's neighbourhood; larger calls more voxels noise",
        unit="voxels",
        low=1,
        high=200,
        changes=LIVE,
    )
    smoothing: float = param(
        0.5,
        "each embedding is averaged with those of the things in the 26 voxels around, which weigh this for "
        "each axis along which they differ; 0: as the network gives it (paper)",
        low=0.0,
        high=1.0,
        changes=LIVE,
    )
    class_weight: float = param(
        1.25,
        "the probabilities of the classes, times this, are further dimensions beside the embedding, so that "
        "what is clearly not of one class comes apart; 0: the embedding alone (paper)",
        low=0.0,
        high=100.0,
        changes=LIVE,
    )
    adopt_radius: float = param(
        1.0,
        "voxels that HDBSCAN calls noise join the cluster of the nearest mean, if it is nearer than this; "
        "default: 2 delta_intra, the distance that training asks of two objects' means; 0: noise stays noise "
        "(paper)",
        low=0.0,
        high=100.0,
        changes=LIVE,
    )
    confidence_radius: float = param(
        0.7,
        "confidence is 0 at this distance from the cluster's mean, and clusters whose means are nearer than "
        "this are one object: delta_intra of the embedding network's training, 0.5, and some for the classes",
        low=1e-6,
        high=100.0,
        changes=LIVE,
    )
    max_spread: float = param(
        0.7,
        "mean distance of a cluster's embeddings to their mean above which it cannot be one object and is "
        "clustered again",
        low=1e-6,
        high=100.0,
        changes=LIVE,
    )


@dataclass(frozen=True)
class InstancesConfig:
    relabel: bool = param(
        True,
        "the voxels of an object take its class, see relabel_share; false: each voxel keeps its own (paper)",
        changes=LIVE,
    )
    relabel_share: float = param(
        0.6,
        "an object gives its voxels its class where so many of them are of one class by themselves: one that "
        "has swallowed its neighbours does not paint them over; 0: always",
        low=0.0,
        high=1.0,
        changes=LIVE,
    )
    object_head: bool = param(
        True,
        "what an object is, and its score, is told of all of it at once by a small network, where one lies "
        "beside the semantic network's file (object.safetensors); false: by the votes of its voxels (paper)",
        changes=LIVE,
    )
    class_hold: float = param(
        0.3,
        "an object keeps its class until another leads by so much in the votes of its voxels, faded sums of "
        "log-probabilities, per voxel; 0: it is of the class with the most votes",
        low=0.0,
        high=100.0,
        changes=LIVE,
    )
    min_score: float = param(
        0.05,
        "detections below this score are dropped: by default what is hardly ever an object; 0.3 keeps what "
        "mostly is one, 0 keeps all (paper)",
        low=0.0,
        high=1.0,
        changes=LIVE,
    )
    min_overlap: float = param(
        0.25,
        "least voxel IoU at which a detection continues an instance; sharing half of the smaller does too",
        low=0.0,
        high=1.0,
        changes=LIVE,
    )
    max_missed: int = param(
        3,
        "updates an undetected instance is kept before it is retired; it is retired at once if half of its "
        "voxels have left the map (a loop closure, an empty cloud)",
        unit="updates",
        low=0,
        high=10_000,
        changes=LIVE,
    )


@dataclass(frozen=True)
class PublishConfig:
    unknown: bool = param(
        False,
        "give objects that are of none of the networks' classes (class unknown) an id and a box too; false: "
        "their voxels are labelled unknown and belong to no object",
        changes=LIVE,
    )


@dataclass(frozen=True)
class SsenConfig:
    """The whole method; `SsenPipeline` takes one of these."""

    map: MapConfig = field(default_factory=MapConfig)
    segmenter: SegmenterConfig = field(default_factory=SegmenterConfig)
    passes: PassesConfig = field(default_factory=PassesConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    instances: InstancesConfig = field(default_factory=InstancesConfig)
    publish: PublishConfig = field(default_factory=PublishConfig)


@dataclass(frozen=True)
class Parameter:
    """One leaf of a configuration tree, for declaring, documenting and checking it."""

    name: str  # dotted
    default: Any
    doc: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    changes: str  # LIVE, CONFIGURE or START

    def check(self, value: Any) -> Any:
        """Return the value in the default's type, or raise ConfigError."""
        kind = type(self.default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind:
            raise ConfigError(
                f"{self.name} = {shown(value)}: expected {kind.__name__}, such as {self.default!r}"
            )
        if self.choices and value not in self.choices:
            raise ConfigError(f"{self.name} = {shown(value)}: expected one of {', '.join(self.choices)}")
        if (self.low is not None and not value >= self.low) or (
            self.high is not None and not value <= self.high
        ):
            bounds = (
                f"[{'-inf' if self.low is None else self.low}, {'inf' if self.high is None else self.high}]"
            )
            raise ConfigError(
                f"{self.name} = {shown(value)}: expected a value in {bounds} {self.unit}".rstrip()
            )
        return value


def parameters(config: Any, prefix: str = "") -> list[Parameter]:
    """Every leaf of a configuration tree, in order; `default` is the value the tree holds now."""
    leaves = []
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            leaves += parameters(value, f"{prefix}{f.name}.")
        else:
            leaves.append(Parameter(name=prefix + f.name, default=value, **f.metadata))
    return leaves


def with_values(config: Any, values: dict[str, Any]) -> Any:
    """A copy of the tree with `{dotted name: value}` put in.

    Raises ConfigError for an unknown name, a wrong type and a value outside its interval.
    """
    known = {p.name: p for p in parameters(config)}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(
                f"unknown parameter {shown(name)}{nearest(name, known)}; known: {', '.join(known)}"
            )
        config = _replace_path(config, name.split("."), known[name].check(value))
    return config


def _replace_path(node: Any, path: list[str], value: Any) -> Any:
    head, *rest = path
    return replace(node, **{head: _replace_path(getattr(node, head), rest, value) if rest else value})
