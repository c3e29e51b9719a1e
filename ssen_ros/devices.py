"""Which device a configuration means."""

import torch

from ssen_ros.errors import ConfigError


def device_of(parameter: str, name: str) -> torch.device:
    """`auto` (the GPU where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises ConfigError, which names the parameter, for any other, and for a GPU that torch does not find.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"{parameter} = {name!r}: expected auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"{parameter} = {name!r}: expected auto, cpu, cuda or cuda:N")
    gpus = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise ConfigError(f"{parameter} = {name!r}: torch finds {gpus} CUDA GPUs here; use auto or cpu")
    return device
