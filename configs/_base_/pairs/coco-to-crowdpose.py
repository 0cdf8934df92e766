# 2,315 persons of COCO that CrowdPose labelled too: limbs are the same labels, head and neck new.
_base_ = ['../data_roots.py', './loaders.py']

source = 'coco'
target = 'crowdpose'
pairs = dict(
    type='hpemap_mm.KeypointPairs',
    name='crowdpose',
    source=dict(
        root={{_base_.data_roots.samples}},
        file='coco/coco17_crowdpose14_pairs.npz',
        skeleton=source,
        kind='truth',
        array='coco17',
        image_ids='coco_image_id',
    ),
    target=dict(
        root={{_base_.data_roots.samples}},
        file='coco/coco17_crowdpose14_pairs.npz',
        skeleton=target,
        kind='truth',
        array='crowdpose14',
        image_ids='coco_image_id',
    ),
    match='rows',
    split=dict(dev=0.15, test=0.25, seed=0),
)

train_dataloader = dict(dataset=dict(pairs, part='train'))
val_dataloader = dict(dataset=dict(pairs, part='dev'))
test_dataloader = dict(dataset=dict(pairs, part='test'))
