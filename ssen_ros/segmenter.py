"""Two networks over one snapshot: what each voxel is, and an embedding in which objects are clusters."""

import logging
import math
import os

import numpy as np
import torch

from ssen_ros import voxel_keys
from ssen_ros.config import SegmenterConfig
from ssen_ros.devices import device_of
from ssen_ros.errors import CheckpointError, ConfigError, shown, shown_names
from ssen_ros.features import Anchor
from ssen_ros.floor import find_floor
from ssen_ros.models import Checkpoint, Network, load_checkpoint
from ssen_ros.native import trim
from ssen_ros.network_spec import shipped_weights
from ssen_ros.rotations import turn_z
from ssen_ros.sparse import default_engine
from ssen_ros.sparse.native_engine import native_engine, release_memory
from ssen_ros.structures import VoxelSnapshot
from ssen_ros.voxel_map import VoxelMap

log = logging.getLogger(__name__)

LEAST_SHARE = 1e-6  # of a class that no training room had
_ROWS = 1 << 16  # worked on at once


class Segmenter:
    """The semantic and the embedding network, batch norms folded, on one device.

    Raises:
        CheckpointError: the two networks differ in voxel size or classes, or do not do these two tasks.
        ConfigError: the device or engine has no fast arithmetic of that precision.
        EngineError: MinkowskiEngine was asked for and cannot compute on this device.
    """

    def __init__(
        self,
        semantic: Checkpoint,
        embedding: Checkpoint,
        device: str | torch.device = "cpu",
        precision: str = "float32",
        engine: str = "auto",
        rotations: int = 1,
        prior: float = 0.0,
    ):
        for checkpoint, task in ((semantic, "semantic"), (embedding, "embedding")):
            if checkpoint.spec.task != task:
                raise CheckpointError(
                    f"segmenter.{task}_checkpoint: a network for {checkpoint.spec.task!r} was given, "
                    f"expected one for {task!r}; are the two files swapped?"
                )
        a, b = semantic.spec, embedding.spec
        if a.voxel_size != b.voxel_size:
            raise CheckpointError(
                f"voxel_size: semantic network {a.voxel_size}, embedding network {b.voxel_size}; "
                "expected equal"
            )
        if any(one != other for one, other in zip(a.class_names, b.class_names)):  # one may know more
            raise CheckpointError(
                f"class_names: semantic network {a.class_names}, embedding network {b.class_names}; expected "
                "the same, as far as both go"
            )
        self._rotations, self._offset = rotations, prior * log_shares(semantic)
        self._semantic, self._embedding = (
            Network(checkpoint, device, precision, engine) for checkpoint in (semantic, embedding)
        )

    @classmethod
    def from_config(cls, config: SegmenterConfig) -> "Segmenter":
        semantic = load_checkpoint(config.semantic_checkpoint or shipped_weights("semantic"))
        embedding = load_checkpoint(config.embedding_checkpoint or shipped_weights("embedding"))
        return cls.from_checkpoints(semantic, embedding, config)

    @classmethod
    def from_checkpoints(
        cls, semantic: Checkpoint, embedding: Checkpoint, config: SegmenterConfig
    ) -> "Segmenter":
        """These two networks, whatever checkpoints the configuration names, and the rest as it says."""
        if config.num_threads:  # more than there are CPUs would only wait for each other
            torch.set_num_threads(min(config.num_threads, os.cpu_count() or 1))
        device = device_of("segmenter.device", config.device)
        return cls(
            semantic, embedding, device, config.precision, config.engine, config.rotations, config.prior
        )

    @staticmethod
    def release_memory() -> None:
        """Give back what is kept from pass to pass. Segmenters that live on keep nothing after this."""
        release_memory()
        default_engine.cache_clear()  # it would keep the engine that the next line lets go
        native_engine.cache_clear()
        trim()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def voxel_size(self) -> float:
        """m, of the maps the networks were trained on."""
        return self._semantic.spec.voxel_size

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._semantic.spec.class_names

    @property
    def device(self) -> torch.device:
        return self._semantic.device

    def to(self, device: str | torch.device) -> "Segmenter":
        """Move the networks; in float32 where the device is not fast in the precision asked for."""
        for network in (self._semantic, self._embedding):
            try:
                network.to(device, network.precision)
            except ConfigError as error:
                if network.precision == "float32":
                    raise
                log.warning("%s: going on in float32", error)
                network.to(device, "float32")
        return self

    @torch.inference_mode()
    def semantic(self, snapshot: VoxelSnapshot, floor: float | None = None) -> np.ndarray:
        """(V, C) float32 log-probabilities of the classes: of the mean over rotations (paper, Table II).

        `floor` is the z of the map's floor, m; without it, it is looked for.
        """
        floor = find_floor(snapshot).height if floor is None else floor
        total = self._log_probabilities(snapshot, floor)
        for k in range(1, self._rotations):  # one view at a time: a hundred of a large map are gigabytes
            view, row = turned(snapshot, 2 * np.pi * k / self._rotations)
            torch.logaddexp(total, self._log_probabilities(view, floor)[row], out=total)
        return total.sub_(math.log(self._rotations)).cpu().numpy()

    def embed(
        self, snapshot: VoxelSnapshot, thing_rows: np.ndarray, floor: float | None = None
    ) -> np.ndarray:
        """(T, d) float32 embeddings of the rows that are things (paper, Sec. III: no background)."""
        floor = find_floor(snapshot).height if floor is None else floor
        anchor = Anchor.over(floor, snapshot.points[thing_rows])
        return self._embedding(snapshot, thing_rows, anchor).cpu().numpy()

    def _log_probabilities(self, snapshot: VoxelSnapshot, floor: float) -> torch.Tensor:
        anchor = Anchor.over(floor, snapshot.points)
        logits = self._semantic(snapshot, np.arange(len(snapshot)), anchor)
        offset = self._offset.to(logits)
        for rows in logits.split(_ROWS):  # in place: of a large map each copy is a hundred megabytes
            rows.copy_(torch.log_softmax(rows + offset, dim=1))
        return logits


def log_shares(checkpoint: Checkpoint) -> torch.Tensor:
    """(C,) logarithms of the classes' shares of the training rooms, or zeros where the checkpoint has none.

    Raises CheckpointError where it has those of other classes.
    """
    shares = checkpoint.provenance.get("class_shares")
    names = checkpoint.spec.class_names
    if shares is None:
        return torch.zeros(checkpoint.spec.out_channels)
    if not isinstance(shares, dict) or set(shares) != set(names):
        found = shown_names(shares) if isinstance(shares, dict) else shown(shares)
        raise CheckpointError(
            f"the checkpoint's class_shares are of {found}, expected {', '.join(names)}; "
            "write them anew with scripts/class_shares.py"
        )
    wrong = [n for n in names if not isinstance(shares[n], int | float) or not 0 <= shares[n] <= 1]
    if wrong:
        raise CheckpointError(f"the checkpoint's class share of {wrong[0]}: expected a number from 0 to 1")
    return torch.tensor([shares[name] for name in names]).clamp(min=LEAST_SHARE).log()


def turned(snapshot: VoxelSnapshot, angle: float) -> tuple[VoxelSnapshot, np.ndarray]:
    """The snapshot turned by `angle` rad about a vertical axis in its middle, voxelized anew.

    Returns:
        The view, and the (V,) row of it in which each voxel of the snapshot lies.
    """
    if angle == 0 or len(snapshot) == 0:
        return snapshot, np.arange(len(snapshot))
    middle = (snapshot.points.min(axis=0) + snapshot.points.max(axis=0)) / 2
    middle[2] = 0.0
    points = (snapshot.points - middle) @ turn_z(angle).T.astype(np.float32) + middle
    voxel_map = VoxelMap(snapshot.voxel_size)
    voxel_map.integrate(points, snapshot.colors)
    view = voxel_map.snapshot()
    coords = np.floor(points.astype(np.float64) / snapshot.voxel_size)
    return view, voxel_keys.find(voxel_keys.pack(view.voxel_coords), voxel_keys.pack(coords))
