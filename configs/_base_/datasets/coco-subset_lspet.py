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
# Tested on two more, of which nothing was trained on: what do these skeletons know of others?
test_dataloader = dict(
    dataset=dict(
        entries=dict(
            **_lspet_val,
            real_mpii=dict(
                skeleton='mpii',
                dataset=dict(
                    type='hpemap_mm.MpiiDataset',
                    data_root={{_base_.data_roots.samples}},
                    ann_file='real/mpii/test_mpii.json',
                    data_prefix=dict(img='real/mpii/'),
                ),
            ),
            real_aic=dict(
                skeleton='aic',
                dataset=dict(
                    type='AicDataset',
                    data_root={{_base_.data_roots.samples}},
                    ann_file='real/aic/test_aic.json',
                    data_prefix=dict(img='real/aic/'),
                ),
            ),
        )
    )
)
