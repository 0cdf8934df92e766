import numpy as np
import pytest
import torch
from scipy.special import expit
from translator_people import COCO, MPII

from hpemap_mm.translators.mirror import SCALAR, MirrorMLP, X, Y, even_odd, mirror_matrix

#: A left and a right joint, and one in the middle.
FLIPS = [1, 0, 2]
IN = mirror_matrix(COCO.flip_indices, (X, Y, SCALAR))
OUT = mirror_matrix(MPII.flip_indices, (X, Y, SCALAR))


def network(*, depth=2, width=12, dropout=0.0, seed=0):
    """With weights at random in all layers."""
    torch.manual_seed(seed)
    made = MirrorMLP(IN, OUT, width=width, depth=depth, dropout=dropout)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def values(count=30, seed=0):
    return torch.randn(len(IN), count, generator=torch.Generator().manual_seed(seed))


def test_a_mirror_by_hand():
    matrix = mirror_matrix(FLIPS, (X, Y))
    # x of left, right, middle, then their y.
    np.testing.assert_array_equal(matrix @ [1, 2, 3, 4, 5, 6], [-2, -1, -3, 5, 4, 6])


@pytest.mark.parametrize('matrix', [mirror_matrix(FLIPS, (X, Y)), IN, OUT])
def test_even_and_odd_values(matrix):
    even, odd = (basis.numpy().astype(float) for basis in even_odd(matrix))

    np.testing.assert_allclose(matrix @ even, even, atol=1e-7)
    np.testing.assert_allclose(matrix @ odd, -odd, atol=1e-7)
    both = np.concatenate([even, odd], 1)
    np.testing.assert_allclose(both.T @ both, np.eye(len(matrix)), atol=1e-6)


def test_numbers_of_even_and_odd_values():
    even, odd = even_odd(mirror_matrix(FLIPS, (X, Y)))
    # x: the pair gives one of each, the middle an odd one; y: the middle an even one.
    assert (even.shape[1], odd.shape[1]) == (1 + 2, 2 + 1)


def test_it_starts_from_no_correction():
    assert not MirrorMLP(IN, OUT, width=8, depth=3)(values()).any()


@pytest.mark.parametrize('depth', [1, 2, 3, 6])
def test_it_commutes_with_mirroring(depth):
    made = network(depth=depth)
    mirror_in, mirror_out = (torch.tensor(m, dtype=torch.float32) for m in (IN, OUT))
    with torch.no_grad():
        found, wanted = made(mirror_in @ values()), mirror_out @ made(values())
        plain = made(values())

    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5 * float(plain.abs().max()))
    assert (found - plain).abs().max() > 0.1


def test_and_so_while_units_are_left_out():
    made = network(depth=2, dropout=0.5).train()
    mirror_in, mirror_out = (torch.tensor(m, dtype=torch.float32) for m in (IN, OUT))
    answers = []
    for given in (mirror_in @ values(), values(), values()):
        torch.manual_seed(len(answers) // 2)  # the first two have the same units
        answers.append(made(given))

    torch.testing.assert_close(answers[0], mirror_out @ answers[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(answers[1], answers[2])


def test_no_unit_is_left_out_when_it_translates():
    made = network(dropout=0.5)
    assert torch.equal(made(values()), made(values()))


def test_against_numpy():
    made = network(depth=2)
    weights = {name: value.numpy().astype(float) for name, value in made.state_dict().items()}
    (even_in, odd_in), (even_out, odd_out) = (
        [basis.numpy().astype(float) for basis in even_odd(matrix)] for matrix in (IN, OUT)
    )

    def activated(even, odd):
        plus, minus = ((v * expit(v)) for v in (even + odd, even - odd))
        return plus + minus, plus - minus

    given = values().numpy().astype(float)
    even = weights['even.0.weight'] @ even_in.T @ given + weights['even.0.bias'][:, None]
    odd = weights['odd.0.weight'] @ odd_in.T @ given
    more, less = activated(even, odd)
    even = even + weights['even.1.weight'] @ more + weights['even.1.bias'][:, None]
    odd = odd + weights['odd.1.weight'] @ less
    more, less = activated(even, odd)
    wanted = even_out @ (weights['last_even.weight'] @ more + weights['last_even.bias'][:, None])
    wanted += odd_out @ weights['last_odd.weight'] @ less

    np.testing.assert_allclose(made(values()).detach().numpy(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('depth', [1, 3])
def test_in_place_shortcuts_change_nothing(depth):
    made, given = network(depth=depth), values()
    learning = made(given)
    with torch.no_grad():
        np.testing.assert_array_equal(made(given).numpy(), learning.detach().numpy())
    np.testing.assert_array_equal(given.numpy(), values().numpy())


def test_gradients_against_differences():
    made = network(depth=3, width=3).double()
    given = values(4).double()
    assert torch.autograd.gradcheck(lambda v: made(v), given.requires_grad_())
    weight = made.odd[1].weight

    made(given).square().sum().backward()
    found = float(weight.grad[0, 1])
    with torch.no_grad():
        sums = []
        for step in (1e-5, -2e-5):
            weight[0, 1] += step
            sums.append(float(made(given).square().sum()))
    assert found == pytest.approx((sums[0] - sums[1]) / 2e-5, rel=1e-5)


@pytest.mark.parametrize('sizes', [{'width': 0, 'depth': 2}, {'width': 8, 'depth': 0}])
def test_no_network(sizes):
    with pytest.raises(ValueError, match='width and depth are at least 1, got'):
        MirrorMLP(IN, OUT, **sizes)
