"""Reading completed files: which labels there are, what they weigh, where they end up."""

import json

import numpy as np
import pytest
from completed_files import AREA, PERSONS, point, write
from mmengine.registry import init_default_scope

from hpemap_mm.datasets import CompletedDataset, MultiSkeletonDataset
from hpemap_mm.datasets.completed import label_weights
from hpemap_mm.errors import DataError
from hpemap_mm.registry import DATASETS
from hpemap_mm.skeletons import JointSpace, annotator_stds, get_skeleton

COCO, LSP = get_skeleton('coco'), get_skeleton('lsp')
SIZE = AREA**0.5


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / 'done', PERSONS)


def read(folder, **options):
    return DATASETS.build(dict(type='hpemap_mm.CompletedDataset', completed=str(folder), **options))


def labelled(info, joints):
    """Names of the labelled joints -> weight."""
    visible = info['keypoints_visible'][0]
    return {joints[k]: pytest.approx(float(visible[k, 1])) for k in np.flatnonzero(visible[:, 0])}


def test_filled_joints_are_labels(folder):
    dataset = read(folder, skeleton='coco')
    assert len(dataset) == 2
    first = dataset.get_data_info(0)
    assert labelled(first, COCO.joints) == {'nose': 1, 'left_knee': 1, 'right_knee': 1}
    at = COCO.index('right_knee')
    np.testing.assert_allclose(first['keypoints'][0, at], point(COCO, 'right_knee'))
    assert first['keypoints'].shape == (1, 17, 2) and first['keypoints'].dtype == np.float32
    unlabelled = first['keypoints_visible'][0, :, 0] == 0
    assert not first['keypoints'][0, unlabelled].any()
    assert first['img_path'] == str(folder / 'images' / '1.png')
    assert first['bbox'].tolist() == [[4, 4, 60, 44]]
    assert (first['num_keypoints'], first['id'], first['area']) == (3, 1, AREA)


def test_provenance_switched_off_is_unlabelled(folder):
    dataset = read(folder, skeleton='coco', provenance=['gt', 'translated'])
    persons = [labelled(dataset.get_data_info(i), COCO.joints) for i in range(2)]
    assert persons == [{'nose': 1, 'left_knee': 1}, {'left_eye': 1}]
    # A person without a label left is none.
    only = read(folder, skeleton='coco', provenance=['gt'])
    assert [only.get_data_info(i)['id'] for i in range(len(only))] == [1]


def test_only_some_entries(folder):
    dataset = read(folder, skeleton='lsp', entries=['b'])
    assert [info['id'] for info in (dataset.get_data_info(i) for i in range(len(dataset)))] == [2]
    with pytest.raises(DataError, match=r"no persons of the entries \['c'\].*\['a', 'b'\]"):
        read(folder, skeleton='lsp', entries=['c'])


def test_weights_by_hand():
    reference = np.array([0.02, 0.02, 0.02, 0.04])
    stds = np.array([0.04, 0.01, 0.5, 0.04])
    annotated = np.array([False, False, True, False])
    # Twice the deviation: a quarter. Surer than an annotator: no more than one. Annotated: 1.
    found = label_weights(stds, annotated, reference, 0.0)
    np.testing.assert_allclose(found, [0.25, 1, 1, 1])
    # With a blur of 0.03: (0.0004 + 0.0009) / (0.0016 + 0.0009).
    np.testing.assert_allclose(label_weights(stds, annotated, reference, 0.03), [0.52, 1, 1, 1])


def weight(skeleton, joint, std, blur):
    """Of a joint whose standard deviation is ``std`` px, by hand."""
    annotator = annotator_stds(skeleton)[skeleton.index(joint)]
    return (annotator**2 + blur**2) / ((std / SIZE) ** 2 + blur**2)


@pytest.mark.parametrize('blur', [0.05, 0.1])
def test_weights_of_files(folder, blur):
    info = read(folder, skeleton='coco', weighting=dict(type='std', blur=blur)).get_data_info(0)
    expected = weight(COCO, 'right_knee', 2.4, blur)
    assert 0.2 < expected < 0.8
    assert labelled(info, COCO.joints) == {'nose': 1, 'left_knee': 1, 'right_knee': expected}
    default = read(folder, skeleton='coco', weighting=dict(type='std')).get_data_info(0)
    assert (labelled(default, COCO.joints) == labelled(info, COCO.joints)) == (blur == 0.05)


def test_an_annotators_deviation_is_cocos():
    # 0.087 is COCO's published sigma of the knee, over both axes.
    for skeleton in (COCO, LSP):
        knee = annotator_stds(skeleton)[skeleton.index('left_knee')]
        assert knee == pytest.approx(0.087 / 2**0.5)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(), "skeleton='<name>'"),
        (dict(skeleton='coco', skeletons=['lsp']), "skeleton='<name>'"),
        (dict(skeleton='coco', provenance=['guessed']), r"\['guessed'\].*'fused'"),
        (dict(skeleton='coco', provenance=[]), 'empty'),
        (dict(skeleton='coco', weighting=dict(type='mean')), "type='std'"),
        (dict(skeleton='coco', weighting=dict(type='std', blur=-1)), 'from 0'),
        (dict(skeleton='coco', weighting=dict(type='std', std=1)), 'blur=0.05'),
        (dict(skeleton='coco', entries='a'), 'list of names'),
        (dict(skeleton='coco', ann_file='x.json'), 'ann_file'),
        (dict(skeleton='coco', test_mode=True, provenance=['predicted']), 'no truth'),
    ],
)
def test_contradictions(folder, options, message):
    with pytest.raises(ValueError, match=message):
        read(folder, **options)


def test_a_test_holds_a_model_to_annotations_only(folder):
    dataset = read(folder, skeleton='lsp', test_mode=True)
    first = dataset.get_data_info(0)
    assert first['keypoints_visible'].shape == (1, 14)
    names = [LSP.joints[k] for k in np.flatnonzero(first['keypoints_visible'][0])]
    assert names == ['left_knee']  # derived; the fused head top is not


def changed(folder, name, change):
    path = folder / f'{name}.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c.pop('info'), 'not a completed dataset'),
        (lambda c: c['info']['hpemap_mm'].update(skeleton='mpii'), "'mpii'.*'coco' is expected"),
        (lambda c: c['info']['hpemap_mm'].update(provenance=['none', 'x']), 'origins'),
        (lambda c: c['categories'][0]['keypoints'].reverse(), 'other joints'),
        (lambda c: c['annotations'][0]['keypoints_std'].pop(), 'another number of joints'),
    ],
)
def test_faulty_files(folder, change, message):
    changed(folder, 'coco', change)
    with pytest.raises(DataError, match=message):
        read(folder, skeleton='coco', weighting=dict(type='std'))


def test_a_filled_joint_needs_its_deviation_only_for_weights(folder):
    knee = COCO.index('right_knee')
    changed(folder, 'coco', lambda c: c['annotations'][0]['keypoints_std'].__setitem__(knee, None))
    assert len(read(folder, skeleton='coco')) == 2
    with pytest.raises(DataError, match='annotation 1 has a filled joint without'):
        read(folder, skeleton='coco', weighting=dict(type='std'))


def test_files_of_different_runs(folder):
    changed(folder, 'lsp', lambda c: c['annotations'].pop())
    with pytest.raises(DataError, match='other persons than coco.json'):
        read(folder, skeletons=['coco', 'lsp'])


def merged(folder, pipeline=(), space=None, **options):
    skeletons = options.pop('skeletons', ['coco', 'lsp'])
    dataset = dict(
        type='hpemap_mm.CompletedDataset',
        completed=str(folder),
        skeletons=skeletons,
        **options,
    )
    return MultiSkeletonDataset(
        {'all': dict(dataset=dataset)}, pipeline=pipeline, joint_space=space
    )


def test_one_sample_teaches_all_its_joints(folder):
    space = JointSpace.union('coco', 'lsp', 'mpii')
    dataset = merged(folder, space=space, weighting=dict(type='std'))
    samples = {dataset[i]['id']: dataset[i] for i in range(2)}
    first, second = samples[1], samples[2]
    assert first['keypoints_visible'].shape == (1, len(space), 2)
    assert labelled(first, space.joints) == {
        'nose': 1,
        'left_knee': 1,
        'right_knee': weight(COCO, 'right_knee', 2.4, 0.05),
        'lsp_head_top': weight(LSP, 'head_top', 3.0, 0.05),
    }
    # The annotation wins, in whichever skeleton it is; the derived joint says the same.
    for sample, skeleton, joint in ((first, COCO, 'left_knee'), (second, LSP, 'left_wrist')):
        np.testing.assert_allclose(
            sample['keypoints'][0, space.index(joint)], point(skeleton, joint)
        )
    assert [first['skeleton'], second['skeleton']] == ['coco', 'lsp']
    assert first['joint_space'] == space.name
    assert first['flip_indices'] == space.flip_indices.tolist()
    # Joints that only MPII has are nobody's here.
    mpii_only = space.index('pelvis')
    assert mpii_only not in first['upper_body_ids'] + first['lower_body_ids']
    assert not first['dataset_keypoint_weights'][mpii_only]
    assert dataset.skeleton_of('all').name == 'concat(coco,lsp)'
    assert 'keypoints_annotated' not in first


def target(folder, pipeline, *, flip):
    """Heatmaps and weights of the first person in the space, with nothing random but the flip."""
    steps = []
    for step in pipeline:
        if step['type'] == 'RandomFlip':
            step = dict(step, prob=float(flip))
        if step['type'] == 'RandomBBoxTransform':
            step = dict(step, shift_prob=0.0, rotate_prob=0.0, scale_factor=(1.0, 1.0))
        if step['type'] != 'RandomHalfBody':
            steps.append(step)
    space = JointSpace.union('coco', 'lsp')
    dataset = merged(folder, steps, space, weighting=dict(type='std'))
    samples = [dataset[i]['data_samples'] for i in range(2)]
    sample = next(s for s in samples if s.metainfo['id'] == 1)
    weights = sample.gt_instance_labels.keypoint_weights[0].numpy()
    heatmaps = sample.gt_fields.heatmaps.numpy()
    told = {space.joints[j]: weights[j] for j in np.flatnonzero(weights)}
    peaked = {space.joints[j] for j in np.flatnonzero(heatmaps.max((1, 2)) > 0.5)}
    assert peaked == set(told)
    return heatmaps, told, space


def test_the_target_has_the_weights_and_flips_by_name(folder, pipeline):
    heatmaps, told, space = target(folder, pipeline, flip=False)
    knee, top = weight(COCO, 'right_knee', 2.4, 0.05), weight(LSP, 'head_top', 3.0, 0.05)
    assert told == pytest.approx(
        {'nose': 1, 'left_knee': 1, 'right_knee': knee, 'lsp_head_top': top}
    )
    mirrored, told, _ = target(folder, pipeline, flip=True)
    assert told == pytest.approx(
        {'nose': 1, 'right_knee': 1, 'left_knee': knee, 'lsp_head_top': top}
    )
    flips = space.flip_indices.tolist()
    np.testing.assert_allclose(mirrored, heatmaps[flips][..., ::-1], atol=1e-4)


def test_several_skeletons_need_a_space_and_training(folder):
    with pytest.raises(ValueError, match='needs a joint_space'):
        merged(folder)
    with pytest.raises(ValueError, match=r"'lsp' is not in the joint space"):
        merged(folder, space=JointSpace.union('coco', 'mpii'))
    entries = {
        'all': dict(
            dataset=dict(
                type='hpemap_mm.CompletedDataset', completed=str(folder), skeletons=['coco', 'lsp']
            )
        )
    }
    with pytest.raises(ValueError, match='a test is in one'):
        MultiSkeletonDataset(entries, joint_space=JointSpace.union('coco', 'lsp'), test_mode=True)


def test_a_multi_head_model_has_an_entry_for_each(folder):
    def entry(name):
        return dict(
            dataset=dict(type='hpemap_mm.CompletedDataset', completed=str(folder), skeleton=name)
        )

    dataset = MultiSkeletonDataset({'c': entry('coco'), 'l': entry('lsp')})
    assert {dataset[i]['skeleton'] for i in range(len(dataset))} == {'coco', 'lsp'}
    summary = {s.name: s for s in dataset.summary()}
    assert summary['c'].labelled[COCO.index('left_knee')] == 1
    assert sum(summary['l'].labelled) == 5
    with pytest.raises(ValueError, match="skeleton='mpii', but its dataset reads 'coco'"):
        MultiSkeletonDataset({'c': dict(entry('coco'), skeleton='mpii')})


def test_missing_files_and_images_are_told_together(folder):
    (folder / 'lsp.json').unlink()
    (folder / 'images' / '2.png').unlink()
    with pytest.raises(DataError) as error:
        merged(folder, space=JointSpace.union('coco', 'lsp'))
    text = str(error.value)
    assert 'lsp.json' in text and 'is missing' in text and '2.png' in text
    assert f'tools/complete_dataset.py CONFIG CHECKPOINT --out {folder}' in text


def test_data_root_and_images_elsewhere(folder, tmp_path):
    dataset = read('done', skeleton='coco', data_root=str(tmp_path))
    assert dataset.get_data_info(0)['img_path'] == str(folder / 'images' / '1.png')
    dataset = read(folder, skeleton='coco', data_prefix=dict(img='/elsewhere'))
    assert dataset.get_data_info(0)['img_path'] == '/elsewhere/1.png'


def test_stock_mmpose_reads_the_same_joints(folder):
    stock = DATASETS.build(
        dict(
            type='CocoDataset',
            ann_file=str(folder / 'coco.json'),
            data_prefix=dict(img=str(folder / 'images')),
        )
    )
    ours = read(folder, skeleton='coco')
    for i in range(2):
        theirs, mine = stock.get_data_info(i), ours.get_data_info(i)
        np.testing.assert_array_equal(theirs['keypoints'], mine['keypoints'])
        np.testing.assert_array_equal(
            theirs['keypoints_visible'], mine['keypoints_visible'][..., 0]
        )
        np.testing.assert_array_equal(theirs['bbox'], mine['bbox'])


def test_it_is_the_class_that_is_registered():
    assert DATASETS.get('hpemap_mm.CompletedDataset') is CompletedDataset
