"""A trained network, asked about voxels of a map: features, coordinates, device and engine in one place."""

import copy

import numpy as np
import torch
from torch import Tensor

from ssen_ros.devices import on_device
from ssen_ros.features import Anchor, tremble, voxel_features
from ssen_ros.models.checkpoint import Checkpoint
from ssen_ros.models.tiling import Fitting, run_in_parts
from ssen_ros.sparse.choose import coordinates_on, engine_on
from ssen_ros.sparse.incremental import IncrementalCoordinates
from ssen_ros.structures import VoxelSnapshot

_VALUES_PER_VOXEL = 450  # of the shipped networks, at the peak of a pass


class Network:
    """One checkpoint, batch norms folded, on a device.

    Args:
        precision: `float32`, `float16`, `bfloat16`, or `auto`, the fastest one on that device.
        engine: `auto`, the fastest of ours on that device, or `minkowski`.

    Raises:
        ConfigError: the device or engine has no fast arithmetic of that precision.
        EngineError: the engine cannot compute on this device: the GPU answers wrongly or not at all, or
            MinkowskiEngine was asked for and is missing.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str | torch.device = "cpu",
        precision: str = "float32",
        engine: str = "auto",
    ):
        self.spec = checkpoint.spec
        self.engine = engine
        # Stays in main memory: a GPU that has failed gives nothing back, and a file may be another by then.
        self._on_cpu = checkpoint.model.for_inference()
        self._fitting = Fitting()
        self.to(device, precision)

    def to(self, device: str | torch.device, precision: str) -> None:
        """Compute there from now on; where that raises, all stays as it was."""
        device = torch.device(device)
        coordinates = coordinates_on(device, precision, self.engine)
        model = self._on_cpu if device.type == "cpu" else copy.deepcopy(self._on_cpu).to(device)
        model.coordinates = coordinates
        self.model, self.device, self.precision = model, device, precision
        self._fitting = Fitting()

    def incremental(self, threshold: float, whole_share: float) -> IncrementalCoordinates:
        """What keeps this network's outputs from call to call, whichever of our engines computes them.

        With threshold 0 it takes nothing for trembling, and all answers are those of whole passes.
        """
        engine = engine_on(self.device, self.precision)
        trembling = tremble(self.spec.features, self.spec.voxel_size)
        return IncrementalCoordinates(engine, threshold, trembling if threshold else 0.0, whole_share)

    @torch.inference_mode()
    def __call__(
        self,
        snapshot: VoxelSnapshot,
        anchor: Anchor,
        kept: IncrementalCoordinates | None = None,
    ) -> Tensor:
        """(V, C) float32 outputs, on the device, for the voxels of the snapshot.

        With what was `kept` of the calls before, only what has changed is computed; what runs out of memory
        then is raised. Without it, a map that does not fit into memory is computed in parts, with the whole
        map's answer.
        """
        features = voxel_features(self.spec.features, snapshot, anchor)
        coords = np.zeros((len(snapshot), 4), np.int32)
        coords[:, 1:] = snapshot.voxel_coords
        features, coords = (on_device(array, self.device) for array in (features, coords))
        if kept is not None:
            return self.model(features, coords, kept)
        reach, fitting = self.model.reach, self._fitting
        return run_in_parts(self.model, features, coords, reach, self._bytes_per_voxel, fitting)

    @property
    def _bytes_per_voxel(self) -> float:
        if self.device.type != "cpu":  # a GPU says itself what does not fit
            return 0.0
        dtype = None if self.engine == "minkowski" else engine_on(self.device, self.precision).dtype
        return _VALUES_PER_VOXEL * (dtype or torch.float32).itemsize
