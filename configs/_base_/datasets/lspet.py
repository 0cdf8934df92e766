# 3,626 persons of Leeds Sports Pose Extended, tested on 506 others.
_base_ = ['../data_roots.py', '../pipelines/udp_128x128.py']

skeletons = ['lsp']

train_dataloader = dict(
    batch_size=16,
    dataset=dict(
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
    dataset=dict(
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
