"""A fine-tuned network averaged with the one that it was started from.

A short training on other rooms forgets what the long one before knew; between the two lie weights that are
better on both sorts of rooms than either (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR
2022). Where the new network is deeper, the old one's missing blocks are the identity, as `start_from` of a
training has them; outputs that the old one lacks stay the new one's.
"""

from torch import Tensor

from ssen_ros.models import Checkpoint, network_of
from ssen_ros.training.train import start_from


def average(tuned: Checkpoint, start: Checkpoint, share: float) -> Checkpoint:
    """`share` of the tuned weights and the rest of those that it started from.

    Raises CheckpointError where a network cannot be built.
    """
    begun = network_of(tuned.spec)
    added = start_from(begun, tuned.spec, start)
    before, after = begun.state_dict(), tuned.model.state_dict()
    known = start.spec.out_channels
    mixed: dict[str, Tensor] = {}
    for name, tensor in after.items():
        in_added = name.startswith(tuple(f"{block}." for block in added))
        switch = name.endswith((".norm2.bn.weight", ".norm2.bn.bias"))  # 0 in the identity: no more is needed
        if not tensor.is_floating_point() or (in_added and not switch):
            mixed[name] = tensor
            continue
        mixed[name] = share * tensor + (1 - share) * before[name]
        if name.startswith("final."):
            mixed[name][..., known:] = tensor[..., known:]
    begun.load_state_dict(mixed)
    told = {"averaged": {"share": share, "rest": "of the weights that the training started from"}}
    return Checkpoint(tuned.spec, begun.eval(), tuned.provenance | told)
