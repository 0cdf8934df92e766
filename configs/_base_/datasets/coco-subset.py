# 360 persons of COCO 2017, tested on 367 others.
_base_ = ['../data_roots.py', '../pipelines/udp_128x128.py']

skeletons = ['coco']

train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        samples_per_epoch=1600,
        entries=dict(
            coco_subset_train=dict(
                skeleton='coco',
                dataset=dict(
                    type='CocoDataset',
                    data_root={{_base_.data_roots.samples}},
                    ann_file='coco_subset/person_keypoints_train2017.json',
                    data_prefix=dict(img='coco_subset/train2017/'),
                ),
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=64,
    dataset=dict(
        entries=dict(
            coco_subset_val=dict(
                skeleton='coco',
                dataset=dict(
                    type='CocoDataset',
                    data_root={{_base_.data_roots.samples}},
                    ann_file='coco_subset/person_keypoints_val2017.json',
                    data_prefix=dict(img='coco_subset/val2017/'),
                ),
            ),
        ),
    ),
)
test_dataloader = val_dataloader
