# LSPET's part of coco-subset_lspet.py, alone.
_base_ = ['../data_roots.py', '../pipelines/udp_128x128.py']

skeletons = ['lsp']

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='hpemap_mm.MultiSkeletonSampler', shuffle=True),
    dataset=dict(
        type='hpemap_mm.MultiSkeletonDataset',
        pipeline={{_base_.train_pipeline}},
        samples_per_epoch=1600,
        entries=dict(
            lspet_train=dict(
                skeleton='lsp',
                dataset=dict(
                    type='hpemap_mm.LspDataset',
                    data_root={{_base_.data_roots.samples}},
                    ann_file='lspet/lspet_train.npz',
                    data_prefix=dict(img='lspet/images/'),
                ),
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='hpemap_mm.MultiSkeletonDataset',
        test_mode=True,
        pipeline={{_base_.val_pipeline}},
        entries=dict(
            lspet_val=dict(
                skeleton='lsp',
                dataset=dict(
                    type='hpemap_mm.LspDataset',
                    data_root={{_base_.data_roots.samples}},
                    ann_file='lspet/lspet_val.npz',
                    data_prefix=dict(img='lspet/images/'),
                ),
            ),
        ),
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='hpemap_mm.MultiSkeletonPCK')
test_evaluator = val_evaluator
