# COCO 2017 and MPII, each in its own skeleton; ground-truth boxes for validation.
_base_ = ['../data_roots.py', '../pipelines/udp_256x192.py']

skeletons = ['coco', 'mpii']

train_dataloader = dict(
    batch_size=128,
    dataset=dict(
        sampling='proportional',
        entries=dict(
            coco_train=dict(
                skeleton='coco',
                dataset=dict(
                    type='CocoDataset',
                    data_root={{_base_.data_roots.coco}},
                    ann_file='annotations/person_keypoints_train2017.json',
                    data_prefix=dict(img='train2017/'),
                ),
            ),
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
val_dataloader = dict(
    batch_size=64,
    dataset=dict(
        entries=dict(
            coco_val=dict(
                skeleton='coco',
                dataset=dict(
                    type='CocoDataset',
                    data_root={{_base_.data_roots.coco}},
                    ann_file='annotations/person_keypoints_val2017.json',
                    data_prefix=dict(img='val2017/'),
                ),
            ),
            mpii_val=dict(
                skeleton='mpii',
                dataset=dict(
                    type='hpemap_mm.MpiiDataset',
                    data_root={{_base_.data_roots.mpii}},
                    ann_file='annotations/mpii_val.json',
                    headbox_file='annotations/mpii_gt_val.mat',
                    data_prefix=dict(img='images/'),
                ),
            ),
        ),
    ),
)
test_dataloader = val_dataloader
