"""The ontology: consistent with itself, with the skeletons, and with the data."""

import copy
import json
import tomllib

import numpy as np
import pytest

from hpemap_mm.skeletons import canonical_joints, get_ontology, get_skeleton, list_skeletons
from hpemap_mm.skeletons.ontology import ONTOLOGY_FILE, Ontology, flip_name


@pytest.fixture(scope='module')
def raw() -> dict:
    return tomllib.loads(ONTOLOGY_FILE.read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def skeletons() -> list:
    return [get_skeleton(name) for name in list_skeletons()]


def test_consistent(skeletons) -> None:
    assert [str(problem) for problem in get_ontology().check(skeletons)] == []


def test_every_canonical_joint_is_used(skeletons) -> None:
    used = {canonical for skeleton in skeletons for canonical in canonical_joints(skeleton)}
    assert used == set(get_ontology().definitions)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda raw: raw['skeletons']['mpii']['joints'].pop('pelvis'), "'pelvis' has no canonical"),
        (lambda raw: raw['skeletons']['mpii']['joints'].update(tail='nose'), "no joint 'tail'"),
        (
            lambda raw: raw['skeletons']['mpii']['joints'].update(pelvis='thorax'),
            "'pelvis' and 'thorax' are both 'thorax'",
        ),
        (
            lambda raw: raw['skeletons']['aic']['joints'].update(neck='left_eye'),
            "expected 'right_eye'",
        ),
        (lambda raw: raw['near']['neck']['members'].append('neckk'), "'neckk' is no canonical"),
        (lambda raw: raw['near']['neck']['members'].append('head_top'), 'in one near group'),
        (lambda raw: raw['near']['neck']['members'].append('left_ear'), "'left_ear' has no mirror"),
        (
            lambda raw: raw['derived']['pelvis'].update(mean_of=['left_hip']),
            'not the same on both sides',
        ),
        (lambda raw: raw['derived']['pelvis'].update(mean_of=['pelvis']), 'depends on itself'),
        (lambda raw: raw['doubtful']['hip'].update(joints=['left_hip']), 'not the same on both'),
    ],
)
def test_the_check_sees_faults(raw, skeletons, change, message) -> None:
    broken = copy.deepcopy(raw)
    change(broken)
    problems = Ontology.from_dict(broken).check(skeletons)
    assert any(message in str(problem) for problem in problems)


def test_flip_name() -> None:
    assert flip_name('h36m_left_hip') == 'h36m_right_hip'
    assert flip_name('right_ear') == 'left_ear'
    assert flip_name('nose') == 'nose'
    assert flip_name('h36m_left_hip') in get_ontology().definitions


def test_sides_are_expanded() -> None:
    ontology = get_ontology()
    assert ontology.near['left_hip'].members == ('left_hip', 'h36m_left_hip')
    assert ontology.near['left_hip'].name == 'left_hip'
    assert ontology.derived['pelvis'].sources == ('left_hip', 'right_hip')
    assert ontology.definitions['left_hip'].endswith('(left)')


def test_a_skeleton_may_have_the_joints_of_another(raw) -> None:
    ontology = Ontology.from_dict(raw)
    assert ontology.skeletons['apt36k'] == ontology.skeletons['ap10k']
    animal = {name for name in ontology.definitions if name.startswith('animal_')}
    assert set(ontology.skeletons['ap10k'].values()) == animal
    assert animal.isdisjoint(ontology.near) and animal.isdisjoint(ontology.derived)


def test_face_sides_match_the_image(shared_data) -> None:
    """In a face that looks at the camera, the person's left points lie right in the image."""
    truth = json.loads((shared_data / 'real/coco/test_coco_wholebody.json').read_text())
    whole = get_skeleton('coco_wholebody')
    face = [i for i, joint in enumerate(whole.joints) if joint.startswith('face-')]
    canonical = canonical_joints(whole)
    checked = 0
    for person in truth['annotations']:
        if not person['face_valid']:
            continue
        points = dict(
            zip(
                [canonical[i] for i in face],
                np.reshape(person['face_kpts'], (-1, 3))[:, 0],
                strict=True,
            )
        )
        lefts = [name for name in points if 'left' in name.split('_')]
        ahead = [points[name] > points[flip_name(name)] for name in lefts]
        assert len(lefts) == 29
        checked += np.mean(ahead) == 1.0
    assert checked >= 2


# ------------------------------------------------------------------ derivations against the data


def distance(points, a, b, unit):
    """Median distance, in units, of two (N, 2) arrays on the rows where all are valid."""
    return float(np.median(np.linalg.norm(a - b, axis=-1)[points] / unit[points]))


def test_mpii_pelvis_and_thorax(shared_data) -> None:
    people = json.loads((shared_data / 'mpii/mpii_train_part.json').read_text())
    mpii = get_skeleton('mpii')
    xy = np.array([person['joints'] for person in people])
    labelled = np.array([person['joints_vis'] for person in people]) > 0
    head = 0.75 * np.linalg.norm(
        xy[:, mpii.index('upper_neck')] - xy[:, mpii.index('head_top')], axis=-1
    )
    ontology = get_ontology()
    medians = {}
    for joint in ('pelvis', 'thorax', 'upper_neck'):
        sources = [mpii.index(source) for source in ontology.derived[joint].sources]
        needed = [mpii.index(joint), *sources, mpii.index('upper_neck'), mpii.index('head_top')]
        rows = labelled[:, needed].all(1) & (head > 1)
        assert rows.sum() > 19_000
        mean = xy[:, sources].mean(1)
        medians[joint] = distance(rows, xy[:, mpii.index(joint)], mean, head)
    assert medians['pelvis'] < 0.01 and ontology.derived['pelvis'].exact
    assert medians['thorax'] < 0.01 and ontology.derived['thorax'].exact
    assert medians['upper_neck'] > 0.2 and not ontology.derived['upper_neck'].exact


def test_crowdpose_limbs_are_cocos(shared_data) -> None:
    with np.load(shared_data / 'coco/coco17_crowdpose14_pairs.npz') as pairs:
        coco_kpts, crowd_kpts = pairs['coco17'], pairs['crowdpose14']
    coco, crowd = get_skeleton('coco'), get_skeleton('crowdpose')
    meaning = dict(zip(canonical_joints(coco), range(len(coco)), strict=True))
    limbs = [
        (k, meaning[canonical])
        for k, canonical in enumerate(canonical_joints(crowd))
        if canonical in meaning
    ]
    assert len(limbs) == 12
    crowd_ids, coco_ids = map(list, zip(*limbs, strict=True))
    theirs, ours = crowd_kpts[:, crowd_ids], coco_kpts[:, coco_ids]
    labelled = (theirs[..., 2] > 0) & (ours[..., 2] > 0)
    agree = np.all(theirs[..., :2] == ours[..., :2], axis=-1)[labelled]
    assert agree.size > 20_000 and agree.mean() > 0.998


def test_crowdpose_and_lsp_necks_are_no_midpoints(shared_data) -> None:
    """Why those derivations are marked as not exact."""
    with np.load(shared_data / 'coco/coco17_crowdpose14_pairs.npz') as pairs:
        crowd = pairs['crowdpose14'].astype(float)
    with np.load(shared_data / 'lspet/lspet_train.npz') as train:
        lsp = train['joints'].astype(float)
    for name, people, canonical in (
        ('crowdpose', crowd, 'crowdpose_neck'),
        ('lsp', lsp, 'lsp_neck'),
    ):
        skeleton = get_skeleton(name)
        xy, at = people[..., :2], skeleton.index
        shoulders = xy[:, [at('left_shoulder'), at('right_shoulder')]].mean(1)
        hips = xy[:, [at('left_hip'), at('right_hip')]].mean(1)
        torso = np.linalg.norm(shoulders - hips, axis=-1)
        needed = [at(j) for j in skeleton.joints if j.endswith(('shoulder', 'hip')) or j == 'neck']
        rows = ((people[..., 2] > 0) & (xy >= 0).all(-1))[:, needed].all(1) & (torso > 5)
        assert 0.1 < distance(rows, xy[:, at('neck')], shoulders, torso) < 0.2
        assert not get_ontology().derived[canonical].exact


def test_halpe_val_repeats_coco_and_leaves_neck_and_hip_out(shared_data) -> None:
    halpe_file = json.loads((shared_data / 'real/halpe/test_halpe.json').read_text())
    whole_file = json.loads((shared_data / 'real/coco/test_coco_wholebody.json').read_text())
    halpe, whole = get_skeleton('halpe'), get_skeleton('coco_wholebody')
    theirs = {person['id']: person for person in whole_file['annotations']}
    offsets = []
    for person in halpe_file['annotations']:
        points = np.reshape(person['keypoints'], (-1, 3))[: len(halpe)].astype(float)
        assert points[[halpe.index('neck'), halpe.index('hip')]].max() == 0  # never labelled
        other = theirs[person['id']]
        others = np.reshape(other['keypoints'] + other['foot_kpts'], (-1, 3))
        np.testing.assert_array_equal(points[:17], others[:17])
        if points[halpe.index('head'), 2] and points[halpe.index('nose'), 2]:  # upright persons
            assert points[halpe.index('head'), 1] < points[halpe.index('nose'), 1]
        for joint, canonical in zip(halpe.joints, canonical_joints(halpe), strict=True):
            if joint.endswith(('toe', 'heel')):
                mine = points[halpe.index(joint)]
                other_point = others[whole.index(canonical)]
                if mine[2] > 0 and other_point[2] > 0:
                    size = np.hypot(*person['bbox'][2:])
                    offsets.append(np.linalg.norm(mine[:2] - other_point[:2]) / size)
    assert len(offsets) > 20 and np.median(offsets) < 0.02  # same definition, another annotator
