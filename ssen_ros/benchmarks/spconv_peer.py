"""The networks through spconv, or spconv-triton on a GPU, to be timed against (both Apache-2.0).

The only module that imports them.
spconv's CPU convolution races when it is given several threads (spconv issue 679): start the process with
OMP_NUM_THREADS=1.
"""

from importlib import import_module

import torch
from torch import Tensor

from ssen_ros.sparse import Convolution


class SpconvCoordinates:
    """`Coordinates` whose kernel maps and convolutions are spconv's; forward only.

    Args:
        coords: (N, 4) integer tensor: batch index, x, y, z; unique.
        package: `spconv` or `spconv_triton`, which is for GPUs.
    """

    def __init__(self, coords: Tensor, package: str):
        spconv = import_module(f"{package}.pytorch")  # late: both are optional
        self._spconv = spconv
        indices = coords.int().clone()
        indices[:, 1:] -= indices[:, 1:].amin(0) // 16 * 16  # from 0 on; the coarsest cells stay
        shape = (indices[:, 1:].amax(0) // 16 * 16 + 16).tolist()
        scenes = int(coords[:, 0].max()) + 1
        self._levels = {
            1: spconv.SparseConvTensor(
                torch.empty(len(coords), 1, device=coords.device), indices, shape, scenes
            )
        }

    def arrange(self, features: Tensor) -> Tensor:
        return features

    def restore(self, features: Tensor) -> Tensor:
        return features

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=1)

    def convolve(self, features, layer: Convolution, in_stride, out_stride, shortcut=None, relu=False):
        if layer.kernel_size == 1:
            output = features @ layer.kernel3d[0]
        else:
            moved = self._module(layer, min(in_stride, out_stride))(
                self._levels[in_stride].replace_feature(features)
            )
            self._levels.setdefault(out_stride, moved)
            output = moved.features
        output = output if layer.bias is None else output + layer.bias
        output = output if shortcut is None else output + shortcut
        return torch.relu(output) if relu else output

    def _module(self, layer: Convolution, stride: int) -> torch.nn.Module:
        """The layer as spconv's, made once; its weights are (Cout, x, y, z, Cin)."""
        made = vars(layer).get("_spconv")
        if made is None:
            size, (_, c_in, c_out) = layer.kernel_size, layer.kernel3d.shape
            if layer.transposed:
                module = self._spconv.SparseInverseConv3d(c_in, c_out, size, f"down{stride}", bias=False)
            elif layer.stride == 2:
                module = self._spconv.SparseConv3d(
                    c_in, c_out, size, 2, bias=False, indice_key=f"down{stride}"
                )
            else:
                key = f"same{stride}x{size}"
                module = self._spconv.SubMConv3d(
                    c_in, c_out, size, padding=size // 2, bias=False, indice_key=key
                )
            weight = layer.kernel3d.view(size, size, size, c_in, c_out).permute(4, 2, 1, 0, 3)
            module.weight.data.copy_(weight)
            made = module.eval().to(layer.kernel3d)
            object.__setattr__(layer, "_spconv", made)
        return made
