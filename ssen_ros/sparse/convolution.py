"""Sparse convolution over a kernel map, with gradients.

    output[o] = Σ_k  features[table[o, k]] · kernel[k]

Two ways to the same sum. Dense tables (submanifold, strided) gather all K neighbours of a chunk of
outputs and multiply once: large GEMMs that keep every core busy, at the price of multiplying zeros
where there is no neighbour. Thin tables (transposed: one parent a voxel) go offset by offset.
"""

import torch
from torch import Tensor

from ssen_ros.sparse.coordinates import KernelMap

_CHUNK_BYTES = 4 << 20  # of gathered neighbours: stays in the last-level cache
_DENSE = 0.3  # share of present neighbours above which multiplying the absent ones is cheaper than scattering


def convolve(features: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    """(N, Cin) features and a (K, Cin, Cout) kernel to (M, Cout); differentiable in both."""
    if features.shape[0] != kernel_map.num_inputs or kernel.shape[0] != kernel_map.volume:
        raise ValueError(
            f"features {tuple(features.shape)} and kernel {tuple(kernel.shape)} do not fit a map of "
            f"{kernel_map.num_inputs} inputs and {kernel_map.volume} offsets"
        )
    return _Convolve.apply(features, kernel, kernel_map)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, kernel, kernel_map):
        ctx.save_for_backward(features, kernel)
        ctx.kernel_map = kernel_map
        return _apply(features, kernel, kernel_map)

    @staticmethod
    def backward(ctx, gradient):
        features, kernel = ctx.saved_tensors
        gradient = gradient.contiguous()
        to_features = to_kernel = None
        if ctx.needs_input_grad[0]:
            to_features = _apply(gradient, kernel.transpose(1, 2), ctx.kernel_map.transposed)
        if ctx.needs_input_grad[1]:
            to_kernel = _kernel_gradient(features, gradient, ctx.kernel_map)
        return to_features, to_kernel, None


def _apply(features: Tensor, kernel: Tensor, kernel_map: KernelMap) -> Tensor:
    if kernel_map.density < _DENSE:
        output = features.new_zeros(kernel_map.num_outputs, kernel.shape[2])
        for weight, (inputs, outputs) in zip(kernel, kernel_map.pairs):
            output.index_add_(0, outputs, features.index_select(0, inputs) @ weight)
        return output
    output = features.new_empty(kernel_map.num_outputs, kernel.shape[2])
    weight = kernel.reshape(-1, kernel.shape[2])
    for rows, gathered in _gather(features, kernel_map):
        torch.mm(gathered, weight, out=output[rows])
    return output


def _kernel_gradient(features: Tensor, gradient: Tensor, kernel_map: KernelMap) -> Tensor:
    shape = (kernel_map.volume, features.shape[1], gradient.shape[1])
    if kernel_map.density < _DENSE:
        terms = [features.index_select(0, i).T @ gradient.index_select(0, o) for i, o in kernel_map.pairs]
        return torch.stack(terms)
    total = features.new_zeros(shape[0] * shape[1], shape[2])
    for rows, gathered in _gather(features, kernel_map):
        total.addmm_(gathered.T, gradient[rows])
    return total.view(shape)


def _gather(features: Tensor, kernel_map: KernelMap):
    """Chunks of (output rows, (rows, K · C) neighbours' features, zeros where there is no neighbour)."""
    channels = features.shape[1]
    padded = torch.cat([features, features.new_zeros(1, channels)])
    width = kernel_map.volume * channels
    step = max(256, _CHUNK_BYTES // (width * features.element_size()))
    for start in range(0, kernel_map.num_outputs, step):
        rows = slice(start, min(start + step, kernel_map.num_outputs))
        index = kernel_map.table[rows].reshape(-1)
        yield rows, padded.index_select(0, index).view(-1, width)
