"""The processes of one training: this one alone, or those that torchrun started, on one machine or several.

Each takes its share of the scenes of a batch. Batch norms see the whole batch, losses are divided by what is
in the whole batch, and gradients are summed, so that the number of processes changes nothing but rounding.
"""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ssen_ros.devices import device_of
from ssen_ros.errors import ConfigError
from ssen_ros.sparse.modules import BatchNorm1d


class Processes:
    """A context; torchrun's environment variables say who is there (RANK, WORLD_SIZE, LOCAL_RANK). A process
    group that is there already is used, and left as it is.

    Args:
        device: of every process; `cuda` without a number is the GPU of the process's place on its machine.

    Raises ConfigError for a device that is not there.
    """

    def __init__(self, device: str):
        self.rank = int(os.environ.get("RANK", 0))
        self.size = int(os.environ.get("WORLD_SIZE", 1))
        self._makes_group = self.size > 1 and not dist.is_initialized()
        self.device = device_of("device", device)
        if self.size > 1 and self.device.type == "cuda" and self.device.index is None:
            self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))

    def __enter__(self) -> "Processes":
        if self._makes_group:
            if self.device.type == "cuda":
                torch.cuda.set_device(self.device)
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        return self

    def __exit__(self, *_: object) -> None:
        if self._makes_group:
            dist.destroy_process_group()

    @property
    def is_first(self) -> bool:
        """The one that writes files."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` scenes are this process's. Raises ConfigError where one would have none."""
        if count < self.size:
            raise ConfigError(
                f"batch_size = {count} for {self.size} processes: expected a scene for each; raise it, or "
                f"start {count} processes"
            )
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sum(self, tensor: Tensor) -> Tensor:
        """Over all processes, without gradient."""
        if self.size > 1:
            tensor = tensor.detach().clone()
            dist.all_reduce(tensor)
        return tensor

    def largest(self, *values: float) -> list[float]:
        """Of each of the values, the same in all processes."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return tensor.tolist()

    def sum_gradients(self, model: nn.Module) -> None:
        if self.size == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        total = self.sum(torch.cat([g.reshape(-1) for g in gradients]))
        for gradient, part in zip(gradients, total.split([g.numel() for g in gradients])):
            gradient.copy_(part.view_as(gradient))

    def share_batch_norms(self, model: nn.Module) -> None:
        """Let every batch norm of the model take mean and variance over the voxels of all processes."""
        if self.size > 1:
            for module in model.modules():
                if type(module) is BatchNorm1d:
                    module.__class__ = _SharedBatchNorm


class _SharedBatchNorm(BatchNorm1d):
    """torch's SyncBatchNorm knows GPUs alone."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values = x.float()
        count = _Sum.apply(values.new_tensor(float(len(values))))
        if count < 2:
            return self.by_running_statistics(x)
        mean = _Sum.apply(values.sum(0)) / count
        centred = values - mean
        variance = _Sum.apply(centred.square().sum(0)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return (centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias).to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; each one's gradient is the sum of what all of them pass back.

    `torch.distributed.nn.functional.all_reduce` is the same, but torch 2.13 warns that it will go, and what
    is to follow it is private.
    """

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
