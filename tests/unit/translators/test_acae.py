import numpy as np
import pytest
import torch
from translator_people import COCO, CROWDPOSE, MPII, pairs_of, people, sizes_of

from hpemap_mm.skeletons import JointSpace, get_skeleton
from hpemap_mm.translators.acae import ACAETranslator
from hpemap_mm.translators.remap import RemapTranslator

LSP = get_skeleton('lsp')
ALL = [COCO, MPII, CROWDPOSE, LSP]
NAMES = [skeleton.name for skeleton in ALL]


def made(*, seed=None, skeletons=NAMES, **options):
    torch.manual_seed(0)
    whole = ACAETranslator(skeletons=skeletons, **{'width': 16, **options})
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in whole.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return whole


def batch(whole, source, target, count=20, seed=0, *, missing=0.0):
    """Of ConcatPairs: keypoints and target (B, J, 2), NaN where not of their skeletons."""
    values = []
    for skeleton, lost in ((source, missing), (target, 0.0)):
        points = np.full((count, len(whole.space), 2), np.nan)
        points[:, whole.space.indices(skeleton)] = people(skeleton, count, seed, missing=lost)
        values.append(torch.tensor(points, dtype=torch.float32))
    return values


def test_weights_sum_to_one_for_each_skeleton_and_treat_both_sides_alike():
    whole = made(seed=1)
    encoder, decoder = (value.detach().double().numpy() for value in whole.weights())
    latent, joints = whole.latent.flip_indices, whole.space.flip_indices
    for skeleton in ALL:
        part = encoder[:, whole.space.indices(skeleton)]
        np.testing.assert_allclose(part.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(decoder.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder, encoder[latent][:, joints], atol=1e-6)
    np.testing.assert_allclose(decoder, decoder[joints][:, latent], atol=1e-6)
    start = made().weights()[0].detach().numpy()
    assert np.abs(encoder - start).max() > 0.05


@pytest.mark.parametrize('width', [0, 16])
@pytest.mark.parametrize(
    ('source', 'target'), [(COCO, MPII), (MPII, COCO), (COCO, CROWDPOSE), (LSP, MPII), (MPII, MPII)]
)
def test_it_starts_from_the_ontology(width, source, target):
    rng = np.random.default_rng(0)
    points = 300 + 50 * rng.standard_normal((20, len(source), 2))
    found = made(width=width).between(source, target)(points)
    remap = RemapTranslator(source=source, target=target)(points)
    known = remap.answered
    np.testing.assert_allclose(found.keypoints[known], remap.keypoints[known], rtol=1e-5)
    assert known.any() and found.answered.all() and (found.origins == 3).all()


def test_a_pair_is_a_translator():
    pair = made().between('coco', MPII)
    assert (pair.name, pair.source, pair.target) == ('acae', COCO, MPII)
    with pytest.raises(ValueError, match='acae reads coco'):
        pair(np.zeros((1, 16, 2)))


@pytest.mark.parametrize('pair', [('coco', 'aic'), ('aic', 'coco'), (get_skeleton('aic'), 'coco')])
def test_skeletons_that_it_lacks(pair):
    with pytest.raises(KeyError, match=r"'aic'.*\['coco', 'mpii', 'crowdpose', 'lsp'\]"):
        made().between(*pair)


def test_without_network_it_is_two_matrices():
    whole = made(width=0, seed=2)
    points = people(COCO, 10)
    encoder, decoder = (value.detach().double().numpy() for value in whole.weights())
    encoder, decoder = encoder[:, whole.space.indices(COCO)], decoder[whole.space.indices(MPII)]
    found = whole.between('coco', 'mpii')(points).keypoints
    np.testing.assert_allclose(found, decoder @ (encoder @ points), rtol=1e-5)


@pytest.mark.parametrize('width', [0, 16])
def test_loss_flows_to_the_joints_of_the_pair_only(width):
    whole = made(width=width, seed=3, sparsity=0.0)
    points, truth = batch(whole, COCO, MPII, missing=0.3)
    losses = whole(points, target=truth, mode='loss')
    losses['loss'].backward()

    own = {skeleton.name: whole.space.indices(skeleton).tolist() for skeleton in ALL}
    assert whole.decoder.grad[own['mpii']].any() and whole.encoder.grad[:, own['coco']].any()
    for name in ('coco', 'crowdpose', 'lsp'):
        assert not whole.decoder.grad[own[name]].any()
        assert not whole.log_scales.grad[own[name]].any()
    for name in ('mpii', 'crowdpose', 'lsp'):
        assert not whole.encoder.grad[:, own[name]].any()
    for name, parameter in whole.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name


def test_loss_is_that_of_the_pairs_answers():
    """Both are the mean over persons of one Student law, about the pair's answers."""
    whole = made(seed=4, sparsity=0.0)
    with torch.no_grad():
        whole.log_freedom.fill_(30.0)  # a Gaussian
    points, truth = batch(whole, COCO, MPII)
    pair = whole.between('coco', 'mpii')
    pair.calibration.gains.fill_(1.0)
    own = whole.space.indices(COCO), whole.space.indices(MPII)
    answer = pair(points[:, own[0]].double())
    # In pixels here, in sizes there: the difference is the logarithm of the squared sizes.
    off = np.square(answer.keypoints - truth[:, own[1]].double().numpy()).sum(-1)
    variance = np.square(answer.sigmas.astype(float))
    in_pixels = (np.log(variance) + off / variance / 2).mean()
    assert float(whole(points, target=truth)['loss']) == pytest.approx(
        in_pixels - 2 * np.log(robust_sizes(points, own[0])).mean(), rel=1e-3
    )


def robust_sizes(points, own):
    from hpemap_mm.translators.frame import frame_of

    given = points[:, own].double()
    return frame_of(given, torch.ones(given.shape[:2], dtype=torch.bool))[1].numpy()


def test_sparsity_is_the_mean_weight():
    whole = made(seed=5, sparsity=0.25)
    encoder, decoder = whole.weights()
    losses = whole(*batch(whole, COCO, MPII), mode='loss')
    wanted = 0.25 * (encoder.abs().mean() + decoder.abs().mean())
    torch.testing.assert_close(losses['loss_sparsity'], wanted)


def test_it_does_not_translate_by_itself():
    whole = made()
    with pytest.raises(ValueError, match=r'take .between\(source, target\)'):
        whole(torch.zeros(1, len(whole.space), 2))
    with pytest.raises(ValueError, match='between'):
        whole(*batch(whole, COCO, MPII), mode='predict')


def test_it_learns_a_pair_and_leaves_the_others():
    """Heads on COCO's shoulders, say: of all joints MPII's head top is what changes most."""
    whole = made(width=0)
    points, truth = batch(whole, COCO, MPII, 64)
    optimizer = torch.optim.Adam(whole.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = sum(whole(points, target=truth, mode='loss').values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1

    fresh, head = people(COCO, 50, 5), MPII.index('head_top')
    wanted = people(MPII, 50, 5)[:, head]
    errors = [
        np.linalg.norm(w.between('coco', 'mpii')(fresh).keypoints[:, head] - wanted, axis=-1)
        for w in (made(width=0), whole)
    ]
    assert errors[1].mean() < 0.5 * errors[0].mean()


def pairs(source, target, *, error, seed=0, count=200):
    points = people(source, count, seed)
    truth = RemapTranslator(source=source, target=target)(points).keypoints
    truth = np.where(np.isfinite(truth), truth, points.mean(1, keepdims=True))
    truth += error * np.random.default_rng(seed).standard_normal(truth.shape)
    return pairs_of(source, points, target, truth, name=f'{source.name}-{target.name}')


def test_pairs_never_seen_take_the_least_sure_calibration():
    whole = made()
    whole.calibrate(
        [pairs(COCO, MPII, error=2), pairs(LSP, MPII, error=9), pairs(MPII, COCO, error=4)]
    )
    answers = {a.name: whole.between(a, MPII) for a in ALL}
    gains = {name: float(pair.calibration.gains.median()) for name, pair in answers.items()}
    assert gains['lsp'] > 2 * gains['coco']
    assert gains['crowdpose'] == gains['mpii'] == gains['lsp']
    back = whole.between('crowdpose', 'coco').calibration
    assert torch.equal(back.radii, whole.between('mpii', 'coco').calibration.radii)
    # Nothing is known of a target that no pair has.
    assert whole.between('coco', 'lsp').calibration.table() is None

    answer = answers['coco'](people(COCO, 50, 3))
    assert np.isfinite(answer.sigmas).all() and np.isfinite(answer.radius(0.9)).all()


def test_too_few_pairs_are_not_the_least_sure():
    whole = made()
    few = pairs(LSP, MPII, error=90, count=5)
    for given in ([few, pairs(COCO, MPII, error=2)], [pairs(COCO, MPII, error=2), few]):
        whole.calibrate(given)
        found = whole.between('crowdpose', 'mpii').calibration
        assert torch.equal(found.gains, whole.between('coco', 'mpii').calibration.gains)


def test_a_single_pair_of_files_will_do():
    whole = made(skeletons=['coco', 'mpii'])
    whole.calibrate(pairs(COCO, MPII, error=2))
    assert whole.between('coco', 'mpii').calibration.table() is not None


def test_it_is_kept_with_the_weights():
    one, other = made(seed=6), made()
    one.calibrate([pairs(COCO, MPII, error=2)])
    pair = other.between('coco', 'mpii')  # before the weights come
    other.load_state_dict(one.state_dict())
    points = people(COCO, 10, missing=0.3)
    found, wanted = pair(points), one.between('coco', 'mpii')(points)
    np.testing.assert_array_equal(found.keypoints, wanted.keypoints)
    np.testing.assert_array_equal(found.sigmas, wanted.sigmas)
    np.testing.assert_array_equal(found.radii, wanted.radii)


def test_there_and_back():
    """At the start a joint that both have comes back to where it was."""
    whole, points = made(), people(COCO, 10)
    there = whole.between('coco', 'mpii')(points).keypoints
    back = whole.between('mpii', 'coco')(there).keypoints
    hip = COCO.index('left_hip')
    off = np.linalg.norm(back - points, axis=-1) / sizes_of(points)[:, None]
    assert off[:, hip].max() < 1e-5 and off[:, COCO.index('nose')].min() > 0.1


@pytest.mark.parametrize('latent', ['joints', 'union'])
def test_the_latent_points(latent):
    skeletons = ['coco', 'mpii', 'crowdpose']
    whole = ACAETranslator(skeletons=skeletons, width=0, latent=latent)
    points = people(get_skeleton('coco'), 4)

    answer = whole.between('coco', 'mpii')(points)

    union = JointSpace.union(*skeletons, merge='near')
    assert len(whole.latent) == len(union if latent == 'union' else whole.space)
    # Untrained, a joint that both have is copied, whatever the latent points are.
    elbow = get_skeleton('mpii').index('left_elbow')
    expected = points[:, get_skeleton('coco').index('left_elbow')]
    np.testing.assert_allclose(answer.keypoints[:, elbow], expected, atol=1e-3)


def test_latent_points_of_another_kind():
    with pytest.raises(ValueError, match='latent is one of'):
        ACAETranslator(skeletons=['coco', 'mpii'], latent='points')
