"""Heads tied to each other: what is said by hand, and where the gradient goes."""

import copy

import numpy as np
import pytest
import torch
from mmpose.registry import KEYPOINT_CODECS
from pose_worlds import (
    CLASSIC,
    HEATMAP_SIZE,
    INPUT_SIZE,
    MOE,
    SIMCC_HEAD,
    SIMPLE,
    SOFTMAX,
    UDP,
    images,
    multi_head,
    sample,
    total,
)

from hpemap_mm.models.consistency import Lesson, OntologyTies, TranslatorTies
from hpemap_mm.models.consistency.lessons import Consistency, first_of, labels, said, tied
from hpemap_mm.models.consistency.maps import centres, gaussians, peaks, raw_output
from hpemap_mm.skeletons import get_skeleton

COCO, MPII, LSP = (get_skeleton(name) for name in ('coco', 'mpii', 'lsp'))
TIES = dict(type='ontology', weight=0.5)


def encoded(points, sigma=2):
    """The codec's heatmaps of points in heatmap pixels, (K, H, W)."""
    codec = KEYPOINT_CODECS.build(dict(UDP, sigma=sigma))
    scale = (np.array(INPUT_SIZE) - 1) / (np.array(HEATMAP_SIZE) - 1)
    keypoints = np.asarray(points, np.float32)[None] * scale
    return torch.from_numpy(
        codec.encode(keypoints.astype(np.float32), np.ones(keypoints.shape[:2], np.float32))[
            'heatmaps'
        ]
    )


POINTS = [(5.3, 7.8), (0.2, 0.4), (10.9, 14.6), (4.0, 9.0), (11.6, 3.1), (-1.2, 5.0)]


def test_centres_undo_the_codec_also_at_the_border():
    found = centres(encoded(POINTS)[None], 2.0)[0]
    np.testing.assert_allclose(found, POINTS, atol=1e-3)


def test_gaussians_are_the_codecs():
    points = torch.tensor(POINTS[:5])[None]
    drawn = gaussians(points, HEATMAP_SIZE, 2.0)[0]
    # Where the codec's square window ends it has 0 for at most exp(-4.5) = 0.011.
    np.testing.assert_allclose(drawn, encoded(POINTS[:5]), atol=0.012)
    assert (drawn.flatten(1).argmax(1) == encoded(POINTS[:5]).flatten(1).argmax(1)).all()


def test_peaks_are_where_the_heatmap_has_them():
    points, scores = peaks(0.5 * encoded(POINTS[:1])[None])
    # Decoding is UDP's, for which the blurred Gaussian must not be cut off.
    np.testing.assert_allclose(points[0], POINTS[:1], atol=0.1)
    assert scores[0, 0] == pytest.approx(0.5, abs=0.02)


def test_the_ontology_by_hand():
    ties = OntologyTies()
    points = torch.zeros(1, len(COCO), 2)
    weights = torch.zeros(1, len(COCO))
    for joint, point, weight in (
        ('left_wrist', (1, 2), 1.0),
        ('left_hip', (2, 4), 0.25),
        ('right_hip', (6, 4), 1.0),
        ('left_shoulder', (9, 9), 1.0),
        ('nose', (3, 3), 1.0),
    ):
        points[0, COCO.index(joint)] = torch.tensor(point, dtype=torch.float32)
        weights[0, COCO.index(joint)] = weight
    points[0, COCO.index('right_shoulder')] = torch.nan  # unlabelled: not read
    found, shares = ties.bring(COCO, MPII, points, weights, 2.0)
    told = {MPII.joints[k]: found[0, k].tolist() for k in shares[0].nonzero()[:, 0].tolist()}
    assert told == {
        'left_wrist': [1, 2],
        'left_hip': [2, 4],
        'right_hip': [6, 4],
        'left_shoulder': [9, 9],
        'pelvis': [4, 4],
    }
    # A mean counts as much as the least sure of its joints; the thorax lacks a shoulder.
    assert shares[0, MPII.index('pelvis')] == 0.25
    assert shares[0, MPII.index('thorax')] == 0
    assert torch.isfinite(found).all()


def test_near_joints_only_where_asked():
    points, weights = torch.rand(1, len(LSP), 2), torch.ones(1, len(LSP))
    for near in (False, True):
        _, shares = OntologyTies(near=near).bring(LSP, MPII, points, weights, 2.0)
        assert bool(shares[0, MPII.index('head_top')]) == near


class Shifting:
    """Moves the mean of what is there by (1, 0), with a standard deviation of 2."""

    source, target = COCO, MPII

    class calibration:  # noqa: N801
        table = staticmethod(lambda: np.ones((16, 3)))

    def translate(self, keypoints):
        answer = np.full((len(keypoints), len(MPII), 2), np.nan, np.float32)
        answer[:] = np.nanmean(keypoints, 1, keepdims=True) + [1, 0]
        sigmas = np.full(answer.shape[:2], 2.0)
        sigmas[:, MPII.index('head_top')] = np.nan
        return type('T', (), dict(keypoints=answer, sigmas=sigmas))


def test_a_translator_fills_what_the_ontology_leaves():
    ties = TranslatorTies(translators=[Shifting()])
    points, weights = torch.zeros(1, len(COCO), 2), torch.zeros(1, len(COCO))
    points[0, COCO.index('left_wrist')] = torch.tensor([4.0, 6.0])
    weights[0, COCO.index('left_wrist')] = 1
    found, shares = ties.bring(COCO, MPII, points, weights, 2.0)
    at = {joint: (found[0, k].tolist(), shares[0, k].item()) for k, joint in enumerate(MPII.joints)}
    assert at['left_wrist'] == ([4, 6], 1)  # the ontology's, not the translator's
    assert at['upper_neck'] == ([5, 6], 0.5)  # as uncertain as the unit: half
    assert at['head_top'][1] == 0
    # Of a pair without a translator the ontology alone speaks.
    _, shares = ties.bring(MPII, COCO, torch.rand(1, 16, 2), torch.ones(1, 16), 2.0)
    assert shares[0, COCO.index('nose')] == 0 and shares[0, COCO.index('left_wrist')] == 1


def test_translators_by_config_and_those_that_cannot_be_weighed():
    ties = TranslatorTies(
        translators=[dict(type='hpemap_mm.PretrainedTranslator', source='coco', target='mpii')]
    )
    person = sample('coco', seed=3)
    own = labels([person], 2.0)
    found, shares = ties.bring(COCO, MPII, own.points, own.weights, 2.0)
    assert (shares > 0).all() and torch.isfinite(found).all()
    assert ties.translator(COCO, MPII).source.name == 'coco'
    assert ties.translator(MPII, COCO) is None

    class Vague(Shifting):
        class calibration:  # noqa: N801
            table = staticmethod(lambda: None)

    with pytest.raises(ValueError, match='not calibrated'):
        TranslatorTies(translators=[Vague()]).bring(COCO, MPII, own.points, own.weights, 2.0)
    with pytest.raises(ValueError, match='needs some'):
        TranslatorTies(translators=[])


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(weight=0.1), r"Available: \['ontology', 'translators'\]"),
        (dict(type='ontology', weight=0), 'weight must be positive'),
        (dict(type='ontology', strength=2), 'strength'),
        (dict(type='ontology', min_score=0), 'min_score must be positive'),
    ],
)
def test_wrong_configs(config, message):
    with pytest.raises(ValueError, match=message):
        multi_head(consistency=config)


def test_heads_and_backbones_that_cannot_be_tied():
    with pytest.raises(ValueError, match=r"Head 'mpii' \(SimCCHead\) has no UDP heatmaps"):
        multi_head(heads=dict(mpii=dict(SIMCC_HEAD, _delete_=True)), consistency=TIES)
    with pytest.raises(ValueError, match='mixture of experts'):
        multi_head(backbone=MOE, consistency=TIES)


def test_labels_and_predictions():
    person = sample('coco', seed=1, unlabelled=(3,))
    person.gt_fields.heatmaps[3] = torch.nan  # never read
    own = labels([person], 2.0)
    assert own.weights[0].tolist() == [1.0] * 3 + [0.0] + [1.0] * 13
    assert torch.isfinite(own.points).all()
    maps = torch.stack([0.2 * encoded(POINTS[:1])[0], 0.6 * encoded(POINTS[:1])[0]])[None]
    lesson = said(maps, 0.3)
    assert lesson.weights[0].tolist() == [0, pytest.approx(0.6, abs=0.02)]
    both = first_of(
        Lesson(torch.zeros(1, 2, 2), torch.tensor([[1.0, 0.0]])),
        Lesson(torch.ones(1, 2, 2), torch.tensor([[0.5, 0.5]])),
    )
    assert both.points[0].tolist() == [[0, 0], [1, 1]]
    assert both.weights[0].tolist() == [1, 0.5]


def batch():
    return images(3), [sample('coco', seed=0), sample('mpii', seed=1), sample('coco', seed=2)]


@pytest.mark.parametrize('head', [SIMPLE, SOFTMAX, CLASSIC], ids=['simple', 'softmax', 'classic'])
def test_off_by_default_and_other_losses_are_unchanged(head):
    x, samples = batch()
    plain = multi_head(head=head)(x, samples, mode='loss')
    model = multi_head(head=head, consistency=TIES)
    losses = model(x, samples, mode='loss')
    assert set(losses) == set(plain) | {'coco.loss_tied', 'mpii.loss_tied'}
    for key, value in plain.items():
        assert torch.equal(losses[key], value)
    assert losses['mpii.loss_tied'] > 0 and losses['coco.loss_tied'] > 0
    assert set(model.state_dict()) == set(multi_head(head=head).state_dict())


@pytest.mark.parametrize('head', [SIMPLE, SOFTMAX], ids=['simple', 'softmax'])
def test_the_gradient_flows_into_the_untied_head_only(head):
    """One COCO sample: MPII's head learns from it, COCO's head does not."""
    model = multi_head(head=head, consistency=TIES).train()
    x, samples = images(1), [sample('coco', seed=5, unlabelled=range(9))]
    losses = model(x, samples, mode='loss')
    assert losses['coco.loss_tied'] == 0
    losses['mpii.loss_tied'].backward()
    reached = {
        name.split('.')[1] if name.startswith('heads') else 'backbone'
        for name, p in model.named_parameters()
        if p.grad is not None and p.grad.abs().sum() > 0
    }
    assert reached == {'mpii', 'backbone'}


def test_the_gradient_is_at_tied_joints_only():
    model = multi_head(('coco', 'lsp'), head=SIMPLE, consistency=TIES)
    x, samples = images(1), [sample('coco', seed=5)]
    raw = {}
    for name, head in model.heads.items():
        raw[name] = raw_output(head, model.extract_feat(x)).detach().requires_grad_()
    lessons = tied(
        Consistency.from_config(TIES),
        skeletons=model.skeletons,
        heads=model.heads,
        raw=raw,
        samples=samples,
        groups={'coco': [0]},
    )
    lessons['lsp'].loss(model.heads['lsp'], raw['lsp'], 'lsp').backward()
    touched = {LSP.joints[k] for k in raw['lsp'].grad.abs().sum((0, 2, 3)).nonzero()[:, 0].tolist()}
    assert touched == set(LSP.joints) - {'neck', 'head_top'}
    assert raw['coco'].grad is None
    # What is said is where the annotation is.
    wrist = lessons['lsp'].points[0, LSP.index('left_wrist')]
    own = labels(samples, 2.0).points[0, COCO.index('left_wrist')]
    assert torch.equal(wrist, own)


def test_the_loss_by_hand():
    """A head that says what the annotation says has a lower loss; it is the mean over samples."""
    model = multi_head(('coco', 'lsp'), head=SIMPLE, consistency=TIES)
    samples = [sample('coco', seed=5), sample('lsp', seed=6)]
    x = images(2)
    both = model(x, samples, mode='loss')
    alone = model(x[:1], samples[:1], mode='loss')
    assert both['lsp.loss_tied'].item() == pytest.approx(
        alone['lsp.loss_tied'].item() / 2, rel=1e-4
    )
    # Squared error of the head's heatmaps against the wrist's and the other tied joints' targets.
    head = model.heads['lsp']
    with torch.no_grad():
        output = head(model.extract_feat(x[:1]))
        target = gaussians(labels(samples[:1], 2.0).points, HEATMAP_SIZE, 2.0)
        error = 0.0
        for joint in set(LSP.joints) - {'neck', 'head_top'}:
            difference = output[0, LSP.index(joint)] - target[0, COCO.index(joint)]
            error += difference.square().sum().item()
    expected = 0.5 * error / output.numel()
    assert alone['lsp.loss_tied'].item() == pytest.approx(expected, rel=1e-4)


def test_unannotated_joints_follow_the_own_heads_sure_answers():
    model = multi_head(('coco', 'mpii'), head=SIMPLE, consistency=dict(TIES, min_score=0.3))
    samples = [sample('coco', seed=5, unlabelled=range(17))]
    raw = {name: torch.zeros(1, len(s), *HEATMAP_SIZE[::-1]) for name, s in model.skeletons.items()}
    wrist = COCO.index('left_wrist')
    raw['coco'][0, wrist] = 0.8 * encoded([(5.0, 8.0)])[0]
    raw['coco'][0, COCO.index('left_elbow')] = 0.1 * encoded([(5.0, 8.0)])[0]
    lessons = tied(
        model.consistency,
        skeletons=model.skeletons,
        heads=model.heads,
        raw=raw,
        samples=samples,
        groups={'coco': [0]},
    )
    weights = lessons['mpii'].weights[0]
    assert weights.nonzero()[:, 0].tolist() == [MPII.index('left_wrist')]
    assert weights.sum().item() == pytest.approx(0.8, abs=0.02)
    found = lessons['mpii'].points[0, MPII.index('left_wrist')]
    np.testing.assert_allclose(found, [5, 8], atol=0.1)


def test_heads_without_any_tie_keep_a_zero_that_reaches_their_parameters():
    """All samples of one head: a distributed run then has gradients for the same parameters."""
    model = multi_head(('coco', 'mpii', 'aic'), consistency=TIES).train()
    x, samples = images(2), [sample('coco', seed=0), sample('coco', seed=1)]
    total(model(x, samples, mode='loss')).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize('head', [SIMPLE, SOFTMAX], ids=['simple', 'softmax'])
def test_mixed_precision_reaches_all_weights(head):
    model = multi_head(head=head, consistency=TIES, teacher=dict(min_score=1e-3)).train()
    x, samples = batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(x, samples, mode='loss')
    total(losses).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        if name.startswith('heads') and name.endswith('weight'):
            assert parameter.grad.abs().sum() > 0, name


def test_it_trains():
    """MPII's head learns wrists from COCO's annotations alone."""
    torch.manual_seed(0)
    model = multi_head(
        ('coco', 'mpii'), head=SIMPLE, consistency=dict(type='ontology', weight=1.0)
    ).train()
    x, samples = images(2), [sample('coco', seed=0), sample('coco', seed=1)]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    values = []
    for _ in range(30):
        losses = model(x, copy.deepcopy(samples), mode='loss')
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
        values.append(losses['mpii.loss_tied'].item())
    assert values[-1] < 0.2 * values[0]
