# The embedded default, annotated as four datasets are. Made, in half a minute, by
# `python -m hpemap_mm.datasets.mannequin data/mannequin --images 960`.
_base_ = ['../data_roots.py', '../pipelines/udp_128x96.py']

skeletons = ['coco', 'mpii', 'aic', 'lsp']

train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        sampling='equal',
        entries=dict(
            mannequin_coco_train=dict(
                skeleton='coco',
                dataset=dict(
                    type='CocoDataset',
                    data_root={{_base_.data_roots.mannequin}},
                    ann_file='coco/train.json',
                    data_prefix=dict(img='images/train/'),
                ),
            ),
            mannequin_mpii_train=dict(
                skeleton='mpii',
                dataset=dict(
                    type='hpemap_mm.MpiiDataset',
                    data_root={{_base_.data_roots.mannequin}},
                    ann_file='mpii/train.json',
                    data_prefix=dict(img='images/train/'),
                ),
            ),
            mannequin_aic_train=dict(
                skeleton='aic',
                dataset=dict(
                    type='AicDataset',
                    data_root={{_base_.data_roots.mannequin}},
                    ann_file='aic/train.json',
                    data_prefix=dict(img='images/train/'),
                ),
            ),
            mannequin_lsp_train=dict(
                skeleton='lsp',
                dataset=dict(
                    type='hpemap_mm.LspDataset',
                    data_root={{_base_.data_roots.mannequin}},
                    ann_file='lsp/train.npz',
                    data_prefix=dict(img='images/train/'),
                ),
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=32,
    dataset=dict(
        entries=dict(
            mannequin_coco_val=dict(
                skeleton='coco',
                dataset=dict(
                    type='CocoDataset',
                    data_root={{_base_.data_roots.mannequin}},
                    ann_file='coco/val.json',
                    data_prefix=dict(img='images/val/'),
                ),
            ),
            mannequin_mpii_val=dict(
                skeleton='mpii',
                dataset=dict(
                    type='hpemap_mm.MpiiDataset',
                    data_root={{_base_.data_roots.mannequin}},
                    ann_file='mpii/val.json',
                    headbox_file='mpii/val_gt.mat',
                    data_prefix=dict(img='images/val/'),
                ),
            ),
            mannequin_aic_val=dict(
                skeleton='aic',
                dataset=dict(
                    type='AicDataset',
                    data_root={{_base_.data_roots.mannequin}},
                    ann_file='aic/val.json',
                    data_prefix=dict(img='images/val/'),
                ),
            ),
            mannequin_lsp_val=dict(
                skeleton='lsp',
                dataset=dict(
                    type='hpemap_mm.LspDataset',
                    data_root={{_base_.data_roots.mannequin}},
                    ann_file='lsp/val.npz',
                    data_prefix=dict(img='images/val/'),
                ),
            ),
        ),
    ),
)
test_dataloader = val_dataloader
