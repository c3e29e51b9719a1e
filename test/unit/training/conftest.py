"""Two toy rooms, and the network that is trained on them."""

import pytest
from training_rooms import REGISTER_TINY, toy_room

from ssen_ros.io.samples import save_sample
from ssen_ros.models import (
    ARCHITECTURES,
)


@pytest.fixture(autouse=True, scope="module")
def tiny_network():
    exec(REGISTER_TINY, {})
    yield
    del ARCHITECTURES["Tiny"]


@pytest.fixture
def rooms(tmp_path):
    (tmp_path / "rooms").mkdir()
    for seed in range(2):
        save_sample(tmp_path / "rooms" / f"{seed:06d}.npz", toy_room(seed))
    return tmp_path / "rooms"
