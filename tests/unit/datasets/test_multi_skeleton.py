import itertools
import json
import logging
import pickle
from collections import Counter

import numpy as np
import pytest
from mmengine.logging import MMLogger
from scipy.io import savemat
from torch.utils.data import DataLoader

from hpemap_mm.datasets import BadImageError, MultiSkeletonDataset, MultiSkeletonSampler
from hpemap_mm.errors import DataError
from hpemap_mm.skeletons import JointSpace

SPACE = {'kind': 'union', 'skeletons': ['coco', 'mpii', 'aic', 'lsp']}


@pytest.fixture
def warnings(monkeypatch):
    """What the project logs as warnings."""
    seen = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(
        logger, 'handle', lambda r: seen.append(r.getMessage()) if r.levelno >= 30 else None
    )
    assert logger.isEnabledFor(logging.WARNING)
    return seen


def test_two_entries_of_one_class_stay_two(world, pipeline):
    own = [*pipeline[:-1], {'type': 'hpemap_mm.PackSample', 'extra_meta_keys': ('area',)}]
    dataset = MultiSkeletonDataset(
        {
            'coco_a': {**world.entry('coco'), 'weight': 1},
            'coco_b': {**world.entry('coco', indices=[2]), 'pipeline': own, 'weight': 1},
            'aic': {**world.entry('aic'), 'weight': 2},
        },
        pipeline=pipeline,
        sampling='explicit',
        samples_per_epoch=8,
    )
    assert dataset.entries == ('coco_a', 'coco_b', 'aic')
    assert dataset.lens == {'coco_a': 3, 'coco_b': 1, 'aic': 3}
    assert dataset.counts == {'coco_a': 2, 'coco_b': 2, 'aic': 4}
    assert len(dataset) == 8
    metas = [sample['data_samples'].metainfo for sample in dataset]
    assert Counter(meta['dataset_name'] for meta in metas) == dataset.counts
    for i, meta in enumerate(metas):
        assert meta['skeleton'] == ('aic' if meta['dataset_name'] == 'aic' else 'coco')
        assert dataset.entry_of(i) == meta['dataset_name']
        assert ('area' in meta) == (meta['dataset_name'] == 'coco_b')
    assert {m['id'] for m in metas if m['dataset_name'] == 'coco_b'} == {101}


def test_every_skeleton_keeps_its_own_joints(world, pipeline):
    entries = {name: world.entry(name) for name in ('coco', 'mpii', 'aic', 'lsp')}
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline)
    assert len(dataset) == 3 + 3 + 3 + 2
    for sample in dataset:
        labels = sample['data_samples']
        skeleton = dataset.skeleton_of(labels.metainfo['dataset_name'])
        assert labels.gt_fields.heatmaps.shape[0] == len(skeleton)
        assert list(labels.metainfo['flip_indices']) == skeleton.flip_indices.tolist()
        assert labels.gt_instances.keypoints.dtype == np.float32
        assert labels.gt_instance_labels.keypoint_weights.dtype.is_floating_point
        assert labels.gt_instance_labels.keypoint_weights[0, 0] in (0, 1)


def test_in_a_joint_space_all_samples_have_its_joints(world, pipeline):
    entries = {name: world.entry(name) for name in ('coco', 'mpii', 'aic', 'lsp')}
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline, joint_space=SPACE)
    space = JointSpace.from_config(SPACE)
    assert dataset.metainfo['num_keypoints'] == len(space)
    for sample in dataset:
        labels = sample['data_samples']
        assert labels.gt_fields.heatmaps.shape[0] == len(space)
        assert labels.metainfo['joint_space'] == space.name
        assert list(labels.metainfo['flip_indices']) == space.flip_indices.tolist()
        own = space.indices(labels.metainfo['skeleton'])
        weights = labels.gt_instance_labels.keypoint_weights.numpy()
        assert not np.delete(weights, own, axis=1).any()


EVALUATION = [
    {'type': 'hpemap_mm.LoadPoseImage'},
    {'type': 'GetBBoxCenterScale'},
    {'type': 'TopdownAffine', 'input_size': (48, 64), 'use_udp': True},
    {'type': 'hpemap_mm.PackSample'},
]


@pytest.mark.parametrize('joint_space', [None, SPACE])
def test_unlabelled_joints_weigh_nothing_and_occluded_ones_do(world, pipeline, joint_space):
    """Joint 0 is unlabelled in each format's own way; COCO's and AIC's joint 1 is occluded."""
    entries = {name: world.entry(name) for name in ('coco', 'mpii', 'aic', 'lsp')}
    steps = [step for step in pipeline if not step['type'].startswith('Random')]
    dataset = MultiSkeletonDataset(entries, pipeline=steps, joint_space=joint_space)
    for sample in dataset:
        labels = sample['data_samples']
        weights = labels.gt_instance_labels.keypoint_weights[0].numpy()
        if joint_space is not None:
            weights = weights[dataset.joint_space.indices(labels.metainfo['skeleton'])]
        assert weights.tolist() == [0] + [1] * (len(weights) - 1)


def test_mpiis_crop_is_padded_once(world):
    dataset = MultiSkeletonDataset(
        {'mpii': world.entry('mpii')}, pipeline=EVALUATION, test_mode=True
    )
    meta = dataset[0]['data_samples'].metainfo
    # centre (30, 25 + 15 * 0.2) - 1; side 200 * 0.2 * 1.25 = 50, made 3:4
    np.testing.assert_allclose(meta['input_center'], [29, 27])
    np.testing.assert_allclose(meta['input_scale'], [50, 50 / 0.75], rtol=1e-6)


def test_workers_may_be_spawned(world, pipeline):
    entries = {name: world.entry(name) for name in ('coco', 'mpii', 'lsp')}
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline, joint_space=SPACE)
    sent = pickle.loads(pickle.dumps(dataset))
    for index in (0, 20):
        assert sent[index]['inputs'].equal(dataset[index]['inputs'])


def test_truth_comes_back_out_of_the_space(world):
    """In an evaluation's pipeline nothing is moved: gather gives the annotation."""
    entries = {name: world.entry(name) for name in ('coco', 'mpii', 'aic')}
    settings = {'pipeline': EVALUATION, 'test_mode': True}
    plain = MultiSkeletonDataset(entries, **settings)
    spaced = MultiSkeletonDataset(entries, joint_space=SPACE, **settings)
    space = JointSpace.from_config(SPACE)
    assert len(plain) == len(spaced) == 9
    for own, ours in zip(plain, spaced, strict=True):
        own, ours = own['data_samples'], ours['data_samples']
        skeleton = plain.skeleton_of(own.metainfo['dataset_name'])
        truth = space.gather(skeleton, ours.gt_instances.keypoints)
        np.testing.assert_array_equal(truth, own.gt_instances.keypoints)
        assert ours.metainfo['id'] == own.metainfo['id']


def test_a_test_takes_every_person_once_in_order(world, pipeline):
    entries = {'mpii': world.entry('mpii'), 'coco': world.entry('coco')}
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline, test_mode=True)
    found = [(dataset.entry_of(i), dataset.get_data_info(i)['id']) for i in range(len(dataset))]
    # MMPose reads COCO files image by image: 100 and 102 are on the first.
    assert found == [*(('mpii', i) for i in range(3)), *(('coco', i) for i in (100, 102, 101))]
    assert dataset.dataset_of('mpii').test_mode
    assert dataset.entry_of(-1) == 'coco'
    for outside in (6, -7):
        with pytest.raises(IndexError, match='outside a dataset of 6'):
            dataset[outside]


def test_each_person_comes_once_before_any_comes_twice(world):
    dataset = MultiSkeletonDataset(
        {'coco': world.entry('coco'), 'aic': world.entry('aic')}, samples_per_epoch=4
    )
    found = [dataset.locate(i) for i in range(4 * 3)]  # three epochs: 6 places of 2 + 2 each
    assert set(Counter(found).values()) == {2}
    assert [dataset.locate(4 + i) for i in range(4)] == found[4:8]


def test_epochs_differ_and_repeat_when_asked_again(world, pipeline):
    dataset = MultiSkeletonDataset({'coco': world.entry('coco')}, pipeline=pipeline)
    first, second, again = (
        [dataset[epoch * 3 + i]['inputs'].numpy().tobytes() for i in range(3)]
        for epoch in (0, 1, 0)
    )
    assert first == again
    assert not set(first) & set(second)


def test_mmengines_test_mode_and_metainfo(world):
    dataset = MultiSkeletonDataset({'a': world.entry('aic'), 'b': world.entry('coco')})
    meta = dataset.metainfo
    assert meta['dataset_name'] == 'aic'
    assert meta['num_keypoints'] == 14
    assert meta['entry_skeletons'] == {'a': 'aic', 'b': 'coco'}
    assert meta['skeleton_links']


def test_lazy(world):
    world.files['coco'].unlink()
    dataset = MultiSkeletonDataset({'coco': world.entry('coco')}, lazy_init=True)
    assert dataset.skeleton_of('coco').name == 'coco'
    assert dataset.metainfo['num_keypoints'] == 17
    with pytest.raises(DataError, match='annotation file is missing'):
        dataset.full_init()


def test_faults_of_all_entries_are_told_at_once(world):
    (world.images / '002.jpg').unlink()
    world.files['aic'].write_text('[]')
    entries = {name: world.entry(name) for name in ('coco', 'mpii', 'aic')}
    entries['gone'] = world.entry('coco', ann_file='gone.json', data_root=str(world.root))
    with pytest.raises(DataError) as caught:
        MultiSkeletonDataset(entries)
    text = str(caught.value)
    assert text.startswith('4 problems found')
    assert "(entry 'coco'): 1 of 2 images are not in the folder: 002.jpg" in text
    assert "(entry 'mpii'): 1 of 2 images" in text
    assert "(entry 'aic'): is not in COCO's format" in text
    assert "(entry 'gone'): the annotation file is missing" in text


def test_faults_found_in_reading_are_told_together_too(world):
    savemat(world.root / 'gt.mat', {'headboxes_src': np.zeros((2, 2, 1))})
    entries = {
        'mpii': world.entry('mpii', headbox_file=str(world.root / 'gt.mat')),
        'coco': world.entry('coco', indices=[]),
    }
    with pytest.raises(DataError) as caught:
        MultiSkeletonDataset(entries, test_mode=True)
    first, second = caught.value.problems
    assert 'has 1 head boxes' in first.what
    assert 'no person is left' in second.what


def test_checks_may_be_left_out(world):
    (world.images / '002.jpg').unlink()
    entries = {'coco': world.entry('coco')}
    assert len(MultiSkeletonDataset(entries, check_images=False)) == 3
    assert len(MultiSkeletonDataset(entries, check_files=False)) == 3


def test_filters_that_leave_nobody(world):
    with pytest.raises(DataError, match="entry 'coco': no person is left after reading"):
        MultiSkeletonDataset({'coco': world.entry('coco', indices=[])})


def test_a_dataset_with_more_joints_is_read_in_the_skeleton(world, contents):
    """MMPose's HalpeDataset has 136 joints, of which the first 26 are 'halpe'."""
    content = contents.coco(136)
    world.files['coco'].write_text(json.dumps(content))
    dataset = MultiSkeletonDataset({'halpe': world.entry('coco', type='HalpeDataset')})
    skeleton = dataset.skeleton_of('halpe')
    info = dataset.get_data_info(0)
    assert len(skeleton) == 26
    expected = np.array(content['annotations'][0]['keypoints']).reshape(136, 3)[:26]
    np.testing.assert_array_equal(info['keypoints'][0], expected[:, :2])
    np.testing.assert_array_equal(info['keypoints_visible'][0], np.minimum(1, expected[:, 2]))
    assert info['flip_indices'] == skeleton.flip_indices.tolist()
    assert info['dataset_keypoint_weights'].shape == (26,)


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        ({'skeleton': 'mpii'}, ValueError, r'CocoDataset does not have the joints .* has no \['),
        (
            {'skeleton': 'koko'},
            KeyError,
            r"'e': unknown skeleton 'koko'. Available: \['coco'",
        ),
        ({'wieght': 2}, ValueError, r"unknown keys \['wieght'\]. Keys of an entry"),
        ({'weight': 2}, ValueError, r"\['e'\] give a weight, which sampling 'proportional'"),
    ],
)
def test_entries_that_contradict_themselves(world, change, error, message):
    with pytest.raises(error, match=message):
        MultiSkeletonDataset({'e': {**world.entry('coco'), **change}})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'pipeline': [{'type': 'RandomFlip'}]}, 'its dataset has a pipeline'),
        ({'test_mode': True}, 'its dataset has test_mode=True, but the merged'),
    ],
)
def test_datasets_that_contradict_the_wrapper(world, change, message):
    with pytest.raises(ValueError, match=message):
        MultiSkeletonDataset({'e': world.entry('coco', **change)})


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'on_bad_image': 'ignore'}, "'error' or 'skip', got 'ignore'"),
        ({'on_bad_image': 'skip', 'test_mode': True}, 'is for training'),
        ({'samples_per_epoch': 3, 'test_mode': True}, 'is for training'),
        ({'samples_per_epoch': 0}, 'at least one sample'),
        ({'seed': -1}, 'integer >= 0, got -1'),
        ({'seed': None}, 'integer >= 0, got None'),
        ({'joint_space': {'kind': 'union', 'skeletons': ['mpii']}}, "'coco' is not in the joint"),
        ({'sampling': 'fair'}, "Unknown sampling 'fair'"),
    ],
)
def test_settings_that_contradict_each_other(world, settings, message):
    with pytest.raises(ValueError, match=message):
        MultiSkeletonDataset({'coco': world.entry('coco')}, **settings)


def test_wrappers_are_not_entries(world):
    combined = {
        'type': 'CombinedDataset',
        'metainfo': {'from_file': 'configs/_base_/datasets/coco.py'},
        'datasets': [world.entry('coco')['dataset']],
    }
    with pytest.raises(ValueError, match='CombinedDataset is no dataset of one annotation file'):
        MultiSkeletonDataset({'e': {'dataset': combined}})


def test_an_entry_without_a_file(world):
    with pytest.raises(DataError, match="entry 'e': no annotation file is given"):
        MultiSkeletonDataset({'e': world.entry('coco', ann_file='')})


def test_no_entries_and_unknown_entries(world):
    with pytest.raises(ValueError, match='at least one entry'):
        MultiSkeletonDataset({})
    with pytest.raises(KeyError, match=r"Unknown entry 'aic'. Available: \['coco'\]"):
        MultiSkeletonDataset({'coco': world.entry('coco')}).skeleton_of('aic')


def test_errors_name_the_entry_that_cannot_be_built(world):
    with pytest.raises(TypeError) as caught:
        MultiSkeletonDataset({'e': world.entry('coco', annfile='a.json')})
    assert "while building entry 'e'" in caught.value.__notes__[0]


# -- bad images -------------------------------------------------------------------------------


def test_bad_images_are_errors_by_default(world, pipeline):
    (world.images / '002.jpg').write_bytes(b'')
    dataset = MultiSkeletonDataset({'coco': world.entry('coco')}, pipeline=pipeline)
    with pytest.raises(BadImageError, match=r"002.jpg \(entry 'coco'\): the image is empty"):
        list(dataset)


def test_skipping_takes_the_next_person_and_says_so(world, pipeline, warnings):
    (world.images / '002.jpg').unlink()  # that of the last of 3 persons
    dataset = MultiSkeletonDataset(
        {'coco': world.entry('coco')}, pipeline=pipeline, on_bad_image='skip'
    )
    wanted = [dataset.locate(i)[1] for i in range(3)]
    found = [sample['data_samples'].metainfo['sample_idx'] for sample in dataset]
    assert found == [{0: 0, 1: 1, 2: 0}[person] for person in wanted]
    assert dataset.skipped == {'coco': {str(world.images / '002.jpg'): 'the image is missing'}}
    list(dataset)
    skipped = [text for text in warnings if 'skipped' in text]
    assert len(skipped) == 1
    assert "002.jpg (entry 'coco'): the image is missing; skipped (1 images" in skipped[0]


def test_skipping_is_the_same_under_workers(world, pipeline):
    (world.images / '002.jpg').write_bytes(b'\xff\xd8')
    entries = {'coco': world.entry('coco'), 'aic': world.entry('aic')}
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline, on_bad_image='skip')
    found = []
    for workers in (0, 2):
        sampler = MultiSkeletonSampler(dataset, seed=0)
        loader = DataLoader(
            dataset, batch_size=None, sampler=sampler, num_workers=workers, collate_fn=lambda x: x
        )
        found.append([sample['inputs'].numpy().tobytes() for sample in loader])
    assert found[0] == found[1]


def test_skipping_ends_where_nothing_is_left(world, pipeline):
    for image in world.images.iterdir():
        image.unlink()
    dataset = MultiSkeletonDataset(
        {'coco': world.entry('coco')}, pipeline=pipeline, on_bad_image='skip'
    )
    with pytest.raises(BadImageError, match="entry 'coco': not one of 3 persons gives a sample"):
        dataset[0]
    assert set(dataset.skipped['coco']) == {str(world.images / f'00{i}.jpg') for i in (1, 2)}


def only(ids):
    """A transform that drops every person but those."""
    return lambda results: results if results['id'] in ids else None


def test_pipelines_that_drop_a_sample(world):
    dataset = MultiSkeletonDataset({'coco': world.entry('coco')}, pipeline=[only({101})])
    assert [sample['id'] for sample in dataset] == [101] * 3
    test = MultiSkeletonDataset(
        {'coco': world.entry('coco')}, pipeline=[only({101})], test_mode=True
    )
    with pytest.raises(DataError, match='the pipeline returned nothing'):
        test[0]


# -- indices without an epoch -----------------------------------------------------------------


def test_other_samplers_are_told_apart(world, warnings):
    dataset = MultiSkeletonDataset({'coco': world.entry('coco')})
    list(dataset)
    assert warnings == []  # one epoch of epoch 0: nothing has repeated yet
    dataset[0]
    dataset[1]
    assert len(warnings) == 1
    assert 'hpemap_mm.MultiSkeletonSampler' in warnings[0]


def test_no_warning_where_the_sampler_or_the_mode_is_right(world, warnings):
    marked = MultiSkeletonDataset({'coco': world.entry('coco')})
    MultiSkeletonSampler(marked, seed=0)
    test = MultiSkeletonDataset({'coco': world.entry('coco')}, test_mode=True)
    for dataset, _ in itertools.product((marked, test), range(3)):
        list(dataset)
    assert warnings == []


# -- reports ----------------------------------------------------------------------------------


def test_summary(world):
    dataset = MultiSkeletonDataset(
        {'coco': world.entry('coco'), 'mpii': world.entry('mpii', indices=1)},
        sampling='equal',
        samples_per_epoch=10,
    )
    coco, mpii = dataset.summary()
    assert (coco.name, coco.skeleton, coco.persons, coco.images) == ('coco', 'coco', 3, 2)
    assert (coco.share, coco.per_epoch) == (0.5, 5)
    assert coco.files == (str(world.files['coco']), str(world.images))
    assert coco.labelled == (0, *[3] * 16)
    assert coco.labelled_histogram == {16: 3}
    assert (mpii.persons, mpii.images, mpii.per_epoch) == (1, 1, 5)
    assert mpii.labelled == (0, *[1] * 15)


# -- real files -------------------------------------------------------------------------------


REAL = {
    'coco': ('CocoDataset', 'coco/test_coco.json', 'coco', 12),
    'mpii': ('hpemap_mm.MpiiDataset', 'mpii/test_mpii.json', 'mpii', 5),
    'aic': ('AicDataset', 'aic/test_aic.json', 'aic', 9),
    'crowdpose': ('CrowdPoseDataset', 'crowdpose/test_crowdpose.json', 'crowdpose', 4),
    'halpe': ('HalpeDataset', 'halpe/test_halpe.json', 'coco', 12),
    'ochuman': ('OCHumanDataset', 'ochuman/test_ochuman.json', 'ochuman', 5),
    'coco_wholebody': ('CocoWholeBodyDataset', 'coco/test_coco_wholebody.json', 'coco', 12),
    'jhmdb': ('JhmdbDataset', 'jhmdb/test_jhmdb_sub1.json', 'jhmdb', 3),
    'posetrack18': (
        'PoseTrack18Dataset',
        'posetrack18/annotations/test_posetrack18_val.json',
        'posetrack18',
        14,
    ),
}


@pytest.mark.parametrize('space', [False, True])
def test_real_files_of_every_format(shared_data, pipeline, space):
    folder = shared_data / 'real'
    entries = {
        name: {
            'dataset': {
                'type': kind,
                'ann_file': str(folder / file),
                'data_prefix': {'img': str(folder / images)},
            }
        }
        for name, (kind, file, images, _) in REAL.items()
    }
    joint_space = {'kind': 'union', 'skeletons': list(REAL)} if space else None
    dataset = MultiSkeletonDataset(entries, pipeline=pipeline, joint_space=joint_space)
    assert dataset.lens == {name: persons for name, (*_, persons) in REAL.items()}
    for sample in dataset:
        labels = sample['data_samples']
        name = labels.metainfo['dataset_name']
        assert labels.metainfo['skeleton'] == name
        joints = dataset.metainfo['num_keypoints'] if space else len(dataset.skeleton_of(name))
        weights = labels.gt_instance_labels.keypoint_weights
        assert weights.shape == (1, joints)
        peaks = labels.gt_fields.heatmaps.flatten(1).max(dim=1).values
        assert not peaks[weights[0] == 0].any()
