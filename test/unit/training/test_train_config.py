"""Configurations of a training."""

from dataclasses import replace

import numpy as np
import pytest
from training_rooms import CHECKOUT, OURS, PLAIN

from ssen_ros.errors import ConfigError
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.training.config import TrainConfig, load_config, network_spec
from ssen_ros.training.train import learning_rate


def test_the_paper_and_its_code_as_configured():
    paper = load_config(CHECKOUT / "config/training/paper.yaml", "embedding")
    assert (paper.architecture, paper.voxel_size, paper.features) == ("MinkUNet34C", 0.02, "rgb,xyz")
    assert (paper.gamma_intra, paper.delta_inter, paper.delta_intra) == (10, 0.1, 0.5)
    assert (paper.embedding_width, paper.p) == (8, 1.0)
    assert (paper.intra_pairs, paper.background) == ("present", "predicted")
    assert (paper.batch_size, paper.steps, paper.weight_decay, paper.clip_norm) == (8, 50_000, 0, 0)
    assert (paper.max_voxels, paper.crop_share, paper.start_from) == (0, 0, "")
    assert network_spec("semantic", paper).class_names == CLASS_NAMES
    assert paper.augmentation.spacing_share == paper.augmentation.floorless_share == 0.0
    rates = [learning_rate(paper, step, step / paper.steps) for step in (0, 9_999, 10_000, 49_999)]
    np.testing.assert_allclose(rates, [1e-4, 1e-4, 0.8e-4, 0.8**4 * 1e-4])
    assert paper.augmentation == replace(PLAIN, color_jitter=0.03, scale=0.2, tilt_deg=5.0, max_tilt_deg=10.0)

    code = load_config(CHECKOUT / "config/training/released_code.yaml", "embedding")
    extras = dict(
        features="rgb",
        intra_pairs="largest_id",
        background="mixed",
        start_from="semantic.safetensors",
        clip_norm=0.5,
        first_kernel_size=5,
        augmentation=replace(paper.augmentation, scale=0.1, mirror=True, grid_shift=0.02, color_shift=0.05),
    )
    assert code == replace(paper, **extras)


def test_our_configuration_has_a_part_for_each_network():
    path = CHECKOUT / "config/training/simulated.yaml"
    semantic, embedding = load_config(path, "semantic"), load_config(path, "embedding")
    assert semantic.class_balance == 0.5 and semantic.start_from == ""
    assert embedding.start_from == "runs/semantic/weights.safetensors" and "xyz" in embedding.features
    assert semantic.voxel_size == embedding.voxel_size


def test_config_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("p: 0.5\nsteps: 3\naugmentation: {scale: 0.1}\nembedding: {p: 0.0}\n")
    expected = TrainConfig(p=0.5, steps=3, augmentation=replace(OURS, scale=0.1))
    assert load_config(path, "semantic") == expected
    assert load_config(path, "embedding") == replace(expected, p=0.0)
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match="c.yaml: .*codec"):
        load_config(path, "semantic")
    for text, words in [
        ("seed: -1", r"seed = -1: expected a value in \[0, inf\]"),
        ("p: 2.0", r"p = 2.0.*\[0.0, 1.0\]"),
        ("lr: 1", "unknown parameter 'lr'"),
        ("- 1", "mapping"),
        ("semantic: 3", "mapping"),
        ("semantic: {lr: 1}", "unknown parameter 'lr'"),
        ("augmentation: 3", "augmentation = 3: expected a mapping"),
        ("augmentation: {size: 3}", "unknown parameter 'augmentation.size'"),
    ]:
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_config(path, "embedding")
