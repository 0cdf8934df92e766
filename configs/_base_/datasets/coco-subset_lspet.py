# Both small real training sets. Their entries shared equally: 360 against 3,626 persons, an epoch
# that is proportional would hardly see COCO.
_base_ = ['./coco-subset.py']

skeletons = ['coco', 'lsp']

train_dataloader = dict(
    dataset=dict(
        sampling='equal',
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
_lspet_val = dict(
    lspet_val=dict(
        skeleton='lsp',
        dataset=dict(
            type='hpemap_mm.LspDataset',
            data_root={{_base_.data_roots.samples}},
            ann_file='lspet/lspet_val.npz',
            data_prefix=dict(img='lspet/images/'),
        ),
    ),
)
val_dataloader = dict(dataset=dict(entries=_lspet_val))
test_dataloader = dict(dataset=dict(entries=_lspet_val))
