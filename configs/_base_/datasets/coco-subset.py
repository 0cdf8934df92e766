# COCO's part of coco-subset_lspet.py, alone.
_base_ = ['../data_roots.py', '../pipelines/udp_128x128.py']

skeletons = ['coco']

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
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='hpemap_mm.MultiSkeletonDataset',
        test_mode=True,
        pipeline={{_base_.val_pipeline}},
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
val_evaluator = dict(type='hpemap_mm.MultiSkeletonPCK')
test_evaluator = val_evaluator
