"""What a training run is: one YAML file for both networks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssen_ros.config import param, parameters, with_values
from ssen_ros.errors import ConfigError
from ssen_ros.io.yaml_file import read_mapping
from ssen_ros.labels import CLASS_NAMES, LABEL_NAMES
from ssen_ros.models import NetworkSpec
from ssen_ros.training.augmentation import AugmentationConfig

TASKS = ("semantic", "embedding")


@dataclass(frozen=True)
class TrainConfig:
    """One training run. `config/training/` has the paper's, its released code's, and ours."""

    data: str = param("", "folder of .npz samples, see `ssen simulate` and `ssen import`")
    start_from: str = param(
        "",
        "checkpoint whose tensors are taken over where name and shape are the same; empty: none",
    )
    architecture: str = param("MinkUNet14S", "see ssen_ros.models.ARCHITECTURES")
    voxel_size: float = param(0.04, "", unit="m", low=1e-3)
    features: str = param("rgb,height", "input channels, comma-separated: rgb, height, xyz, offset")
    first_kernel_size: int = param(3, "edge of conv0p1s1", low=1)
    embedding_width: int = param(8, "d of the embedding network", low=1)
    p: float = param(1.0, "weight of an instance by |E|^p (Eq. 3)", low=0.0, high=1.0)
    gamma_intra: float = param(10.0, "Eq. 1", low=0.0)
    delta_inter: float = param(0.1, "Eq. 4", low=0.0)
    delta_intra: float = param(0.5, "Eq. 2", low=0.0)
    intra_pairs: str = param(
        "present",
        "what Eq. 2 divides by. present: n (n - 1), n the instances in the scene (paper); largest_id: "
        "2 n (n - 1), n the largest instance number (released code)",
        choices=("present", "largest_id"),
    )
    background: str = param(
        "imitated",
        "what the embedding network is shown. predicted: what background_checkpoint calls neither wall nor "
        "floor (paper); mixed: in a third of the scenes each that and the annotated instances, that, these "
        "(released code); imitated: all but annotated wall and floor, of which a few balls stay (ours)",
        choices=("predicted", "mixed", "imitated"),
    )
    background_checkpoint: str = param("", "semantic network, for background predicted and mixed")
    class_balance: float = param(
        0.0, "semantic loss: classes weigh share^-this; 0: every voxel alike (paper)", low=0.0, high=1.0
    )
    extra_classes: bool = param(
        True, "outputs for things of another kind and for ceilings, beside ScanNet's 20 classes (ours)"
    )
    objects: float = param(
        0.0,
        "semantic loss: weight of the mean over objects, each named by its voxels together (ours)",
        low=0.0,
    )
    consistency: float = param(
        0.0,
        "semantic loss: weight of the divergence between the answers for the same place; the scenes of a "
        "batch are then two and two one room under two augmentations (ours)",
        low=0.0,
    )
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    crop_share: float = param(
        0.5, "share of the scenes cut to 30 to 100 %, as maps still growing (ours)", low=0.0, high=1.0
    )
    max_voxels: int = param(100_000, "largest crop of a scene; 0: no limit (paper)", unit="voxels", low=0)
    batch_size: int = param(8, "scenes a step, of all processes together", low=1)
    learning_rate: float = param(1e-4, "peak", low=0.0)
    schedule: str = param(
        "step",
        "step: times 0.8 every 10,000 steps (paper); cosine: warm-up, then down to 0 (one cycle)",
        choices=("step", "cosine"),
    )
    weight_decay: float = param(0.0, "decoupled (AdamW); 0: Adam (paper)", low=0.0)
    clip_norm: float = param(0.5, "gradient norm is cut to this (released code); 0: never (paper)", low=0.0)
    steps: int = param(50_000, "", low=1)
    max_minutes: float = param(
        0.0,
        "stop, and finish the cosine, after this long; 0: never. The learning rate then follows the clock, "
        "and a resumed run is not the same bit for bit",
        unit="min",
        low=0.0,
    )
    checkpoint_minutes: float = param(3.0, "between checkpoints", unit="min", low=0.0)
    log_steps: int = param(10, "from one line of the log to the next", unit="steps", low=1)
    tensorboard: bool = param(False, "write the log as TensorBoard scalars too; needs tensorboard")
    seed: int = param(0, "", low=0)
    precision: str = param(
        "float32",
        "of activations and their gradients; sums, weights and optimizer stay in float32; bfloat16: on a "
        "CPU with AVX512_BF16 or AMX, or a GPU",
        choices=("float32", "bfloat16"),
    )
    num_threads: int = param(0, "CPU threads; 0: torch's default", low=0)
    workers: int = param(
        0,
        "processes that draw batches ahead, for a GPU or spare cores; 0: the one that trains draws them. "
        "They cannot run background_checkpoint",
        low=0,
    )
    device: str = param("cpu", "auto, cpu, cuda or cuda:N; with torchrun, cuda is a GPU for each process")


def load_config(path: str | Path, task: str) -> TrainConfig:
    """Read a YAML file of TrainConfig's fields; those left out keep their defaults.

    The mappings `semantic` and `embedding` hold what is special to a task, `augmentation` the fields of
    AugmentationConfig. Raises ConfigError for what does not fit, whichever task it is for.
    """
    try:
        values = read_mapping(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"training configuration {path}: {error}") from error
    special = {t: values.pop(t, None) or {} for t in TASKS}
    if not all(isinstance(mapping, dict) for mapping in (values, *special.values())):
        names = ", ".join(p.name for p in parameters(TrainConfig()))
        raise ConfigError(f"training configuration {path}: expected a mapping of {names}")
    configs = {t: with_values(TrainConfig(), _dotted(values) | _dotted(special[t])) for t in TASKS}
    return configs[task]


def _dotted(values: dict[str, Any]) -> dict[str, Any]:
    inner = values.get("augmentation") or {}
    if not isinstance(inner, dict):
        raise ConfigError(f"augmentation = {inner!r}: expected a mapping, such as scale: 0.2")
    outer = {name: value for name, value in values.items() if name != "augmentation"}
    return outer | {f"augmentation.{name}": value for name, value in inner.items()}


def network_spec(task: str, config: TrainConfig) -> NetworkSpec:
    return NetworkSpec(
        task=task,
        architecture=config.architecture,
        voxel_size=config.voxel_size,
        features=tuple(name.strip() for name in config.features.split(",")),
        class_names=LABEL_NAMES if config.extra_classes else CLASS_NAMES,
        first_kernel_size=config.first_kernel_size,
        embedding_width=config.embedding_width if task == "embedding" else 0,
    )
