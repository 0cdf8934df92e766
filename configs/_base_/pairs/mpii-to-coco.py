# MPII's annotation, and what a COCO model predicts for the same persons. The file's eyes are one
# point, and so nearly are its ears: left and right of the face are not to be learnt from it.
_base_ = ['../data_roots.py', './loaders.py']

source = 'mpii'
target = 'coco'
pairs = dict(
    type='hpemap_mm.KeypointPairs',
    name='mpii',
    source=dict(
        root={{_base_.data_roots.samples}},
        file='mpii/vitpose-b_coco17_on_mpii_train_part.npz',
        skeleton=target,
        kind='predictions',
        base=1,
    ),
    target=dict(
        root={{_base_.data_roots.samples}}, file='mpii/mpii_train_part.json', skeleton=source
    ),
    match='rows',
    reverse=True,
    split={{_base_.split}},
)

train_dataloader = dict(dataset=dict(pairs, part='train'))
val_dataloader = dict(dataset=dict(pairs, part='dev'))
test_dataloader = dict(dataset=dict(pairs, part='test'))
