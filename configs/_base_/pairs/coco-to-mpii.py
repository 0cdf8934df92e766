# A COCO model's predictions for the persons of MPII train, and MPII's annotation of them.
_base_ = ['../data_roots.py', './loaders.py']

source = 'coco'
target = 'mpii'
pairs = dict(
    type='hpemap_mm.KeypointPairs',
    name='mpii',
    source=dict(
        root={{_base_.data_roots.samples}},
        file='mpii/vitpose-b_coco17_on_mpii_train_part.npz',
        skeleton=source,
        kind='predictions',
        base=1,
    ),
    target=dict(
        root={{_base_.data_roots.samples}}, file='mpii/mpii_train_part.json', skeleton=target
    ),
    match='rows',
    split={{_base_.split}},
)

train_dataloader = dict(dataset=dict(pairs, part='train'))
val_dataloader = dict(dataset=dict(pairs, part='dev'))
test_dataloader = dict(dataset=dict(pairs, part='test'))
