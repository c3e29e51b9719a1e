"""The paper's Eq. 1-4: values by hand, and gradients by finite differences."""

import pytest
import torch

from ssen_ros.labels import IGNORE_INDEX
from ssen_ros.training.losses import consistency_loss, embedding_loss, object_loss, semantic_loss

# Two instances on a line: {0, 0.4, 0.8} with mean 0.4, and {0.6, 1.0} with mean 0.8; one row of no instance.
EMBEDDINGS = torch.tensor([[0.0], [0.4], [0.8], [0.6], [1.0], [9.0]], dtype=torch.float64)
LABELS = torch.tensor([4, 4, 4, 7, 7, -1])
# Eq. 4 with delta_inter 0.1: l = (0.3 + 0 + 0.3) / 3 = 0.2 and (0.1 + 0.1) / 2 = 0.1
# Eq. 2 with delta_intra 0.5: both ordered pairs have [1 - 0.4]+ = 0.6
INTRA = 0.6


@pytest.mark.parametrize(
    "p, inter",
    [
        (0.0, (0.2 + 0.1) / 2),
        (0.5, (3**0.5 * 0.2 + 2**0.5 * 0.1) / (3**0.5 + 2**0.5)),
        (1.0, (3 * 0.2 + 2 * 0.1) / 5),
    ],
)
def test_value_by_hand(p, inter):
    loss = embedding_loss(EMBEDDINGS, LABELS, p=p)
    assert loss.inter.item() == pytest.approx(inter)
    assert loss.intra.item() == pytest.approx(INTRA)
    assert loss.total.item() == pytest.approx(inter + 10 * INTRA)


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_gradients(p):
    torch.manual_seed(0)
    embeddings = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 5, 5, -1, -1])
    scene = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1])

    def terms(e):
        loss = embedding_loss(e, labels, scene, p=p, delta_intra=2.0)
        return loss.total, loss.inter, loss.intra

    assert torch.autograd.gradcheck(terms, (embeddings,))


def test_push_counts_every_ordered_pair():
    means = torch.tensor([[0.0], [0.3], [2.0]], dtype=torch.float64)
    loss = embedding_loss(means, torch.arange(3))
    assert loss.intra.item() == pytest.approx(2 * (1 - 0.3) / (3 * 2))


def test_scenes_do_not_push_each_other():
    embeddings = torch.zeros(2, 4)
    assert embedding_loss(embeddings, torch.tensor([0, 1]), torch.tensor([0, 1])).intra.item() == 0.0
    assert embedding_loss(embeddings, torch.tensor([0, 1])).intra.item() == pytest.approx(1.0)


def test_perfect_embedding_costs_nothing():
    embeddings = torch.tensor([[0.0, 0.0], [0.05, 0.0], [1.2, 0.0], [1.25, 0.0]])
    assert embedding_loss(embeddings, torch.tensor([0, 0, 1, 1])).total.item() == 0.0


def test_no_instance_keeps_the_graph():
    embeddings = torch.ones(3, 2, requires_grad=True)
    embedding_loss(embeddings, torch.full((3,), -1)).total.backward()
    assert embeddings.grad is not None and not embeddings.grad.any()


def test_identical_points_have_a_finite_gradient():
    embeddings = torch.ones(4, 2, requires_grad=True)
    embedding_loss(embeddings, torch.tensor([0, 0, 1, 1])).total.backward()
    assert embeddings.grad.isfinite().all()


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_p_outside_its_interval(p):
    with pytest.raises(ValueError, match=r"expected a value in \[0, 1\]"):
        embedding_loss(EMBEDDINGS, LABELS, p=p)


def test_unannotated_voxels_teach_nothing():
    logits = torch.zeros(3, 20, requires_grad=True)
    loss = semantic_loss(logits, torch.tensor([3, -1, -1]))
    loss.backward()
    assert loss.item() == pytest.approx(torch.log(torch.tensor(20.0)).item())
    assert logits.grad[0].any() and not logits.grad[1:].any()
    assert semantic_loss(logits, torch.full((3,), -1)).item() == 0.0


def test_class_weights_by_hand():
    logits = torch.zeros(3, 20)
    logits[0, 3] = 2.0
    label = torch.tensor([3, 5, 5])
    weight = torch.ones(20)
    weight[5] = 4.0
    each = -torch.log_softmax(logits, 1)[torch.arange(3), label]
    expected = (each[0] + 4 * each[1] + 4 * each[2]) / 9
    assert semantic_loss(logits, label, weight).item() == pytest.approx(expected.item())


def test_consistency_by_hand():
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.0, 1.0]], requires_grad=True)
    p, q = (torch.softmax(logits.detach()[row], 0).double() for row in (0, 1))
    expected = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2
    assert consistency_loss(logits, torch.tensor([[0, 1]])).item() == pytest.approx(expected.item())
    both = consistency_loss(logits, torch.tensor([[0, 1], [0, 2]]))  # the second pair agrees
    assert both.item() == pytest.approx(expected.item() / 2)
    both.backward()
    assert logits.grad[:2].any(dim=1).all()
    assert consistency_loss(logits, torch.zeros(0, 2, dtype=torch.int64)).item() == 0.0


def test_the_released_codes_divisor_by_hand():
    """Two of five numbers are there, 0.6 apart: the paper has (1 - 0.6) * 2 / 2, the code that sum / 40."""
    embeddings = torch.tensor([[0.0, 0.0], [0.6, 0.0]])
    label = torch.tensor([2, 5])
    assert embedding_loss(embeddings, label).intra.item() == pytest.approx(0.4)
    released = embedding_loss(embeddings, label, intra_pairs="largest_id")
    assert released.intra.item() == pytest.approx(0.8 / 40)
    alone = embedding_loss(embeddings, torch.tensor([1, 1]), intra_pairs="largest_id")
    assert alone.intra.item() == 0.0


def test_scenes_with_an_instance_are_counted():
    embeddings = torch.zeros(4, 2)
    label, scene = torch.tensor([1, 2, -1, 3]), torch.tensor([0, 0, 1, 2])
    assert embedding_loss(embeddings, label, scene).scenes == 2


def test_objects_count_alike_and_are_named_by_all_of_their_voxels():
    """One large, one small, in two scenes under the same number; a sliver, and what is of no object."""
    scene = torch.tensor([0] * 32 + [1] * 16 + [0] * 12)
    label = torch.tensor([4] * 32 + [6] * 16 + [2] * 3 + [0] * 8 + [IGNORE_INDEX])
    instance = torch.tensor([1] * 32 + [1] * 16 + [3] * 3 + [-1] * 8 + [1])
    logits = torch.randn(60, 22, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = object_loss(logits, label, instance, scene)
    votes = torch.log_softmax(logits, 1)
    chair, table = votes[:32].mean(0).log_softmax(0)[4], votes[32:48].mean(0).log_softmax(0)[6]
    assert loss.item() == pytest.approx(-(chair + table).item() / 2)
    loss.backward()
    assert logits.grad is not None and not logits.grad[48:].any()
    large, small = logits.grad[:32].abs().sum(), logits.grad[32:48].abs().sum()
    assert 0.5 < large / small < 2
    assert object_loss(logits[48:], label[48:], instance[48:], scene[48:]).item() == 0
