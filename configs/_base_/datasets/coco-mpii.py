# COCO 2017 and MPII, each in its own skeleton; ground-truth boxes for validation.
_base_ = ['./coco-2017.py']

skeletons = ['coco', 'mpii']

train_dataloader = dict(
    batch_size=128,
    dataset=dict(
        sampling='proportional',
        entries=dict(
            mpii_train=dict(
                skeleton='mpii',
                dataset=dict(
                    type='hpemap_mm.MpiiDataset',
                    data_root={{_base_.data_roots.mpii}},
                    ann_file='annotations/mpii_train.json',
                    data_prefix=dict(img='images/'),
                ),
            ),
        ),
    ),
)
_mpii_val = dict(
    skeleton='mpii',
    dataset=dict(
        type='hpemap_mm.MpiiDataset',
        data_root={{_base_.data_roots.mpii}},
        ann_file='annotations/mpii_val.json',
        headbox_file='annotations/mpii_gt_val.mat',
        data_prefix=dict(img='images/'),
    ),
)
val_dataloader = dict(dataset=dict(entries=dict(mpii_val=_mpii_val)))
test_dataloader = dict(dataset=dict(entries=dict(mpii_val=_mpii_val)))
