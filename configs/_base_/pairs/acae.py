# COCO, MPII, CrowdPose and LSP: persons in two of them, and in one alone.
_base_ = ['../data_roots.py', './loaders.py']

skeletons = ['coco', 'mpii', 'crowdpose', 'lsp']
detected = dict(
    name='mpii',
    source=dict(
        root={{_base_.data_roots.samples}},
        file='mpii/vitpose-b_coco17_on_mpii_train_part.npz',
        skeleton='coco',
        kind='predictions',
        base=1,
    ),
    target=dict(
        root={{_base_.data_roots.samples}}, file='mpii/mpii_train_part.json', skeleton='mpii'
    ),
    split={{_base_.split}},
    correct_shift=True,
)
labelled = dict(
    name='crowdpose',
    source=dict(
        root={{_base_.data_roots.samples}},
        file='coco/coco17_crowdpose14_pairs.npz',
        skeleton='coco',
        kind='truth',
        array='coco17',
        image_ids='coco_image_id',
    ),
    target=dict(
        root={{_base_.data_roots.samples}},
        file='coco/coco17_crowdpose14_pairs.npz',
        skeleton='crowdpose',
        kind='truth',
        array='crowdpose14',
        image_ids='coco_image_id',
    ),
    split={{_base_.split}},
)
crowdpose = dict(
    name='crowdpose_alone',
    source=dict(
        root={{_base_.data_roots.samples}},
        file='coco/coco17_crowdpose14_pairs.npz',
        skeleton='crowdpose',
        kind='truth',
        array='crowdpose14',
        image_ids='coco_image_id',
    ),
    target='same',
    split={{_base_.split}},
)
lsp = dict(
    name='lspet',
    source=dict(root={{_base_.data_roots.samples}}, file='lspet/lspet_train.npz', skeleton='lsp'),
    target='same',
    split={{_base_.split}},
)
train_dataloader = dict(
    dataset=dict(
        type='hpemap_mm.ConcatPairs',
        skeletons=skeletons,
        entries=[
            dict(detected, part='train', augment={{_base_.damage}}),
            dict(detected, part='train', augment={{_base_.damage}}, reverse=True),
            dict(labelled, part='train', augment={{_base_.damage}}),
            dict(labelled, part='train', augment={{_base_.damage}}, reverse=True),
            dict(crowdpose, part='train', augment={{_base_.damage}}),
            dict(lsp, part='train', augment={{_base_.damage}}),
        ],
        weights=[5, 3, 1, 1, 0.5, 1],
        length=27000,
    )
)
val_dataloader = dict(
    dataset=dict(
        type='hpemap_mm.ConcatPairs',
        skeletons=skeletons,
        entries=[
            dict(detected, part='dev'),
            dict(detected, part='dev', reverse=True, name='mpii_back'),
            dict(labelled, part='dev'),
            dict(labelled, part='dev', reverse=True, name='crowdpose_back'),
            dict(lsp, part='dev'),
        ],
    )
)
test_dataloader = dict(
    dataset=dict(
        type='hpemap_mm.ConcatPairs',
        skeletons=skeletons,
        entries=[
            dict(detected, part='test'),
            dict(detected, part='test', reverse=True, name='mpii_back'),
            dict(labelled, part='test'),
            dict(labelled, part='test', reverse=True, name='crowdpose_back'),
        ],
    )
)
