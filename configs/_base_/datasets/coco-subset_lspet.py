# Small real training sets: 360 persons of COCO, 3,626 of Leeds Sports Pose Extended; tested on
# photographs that are in neither (367 and 506 persons).
_base_ = ['../data_roots.py', '../pipelines/udp_128x128.py']

skeletons = ['coco', 'lsp']

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='hpemap_mm.MultiSkeletonSampler', shuffle=True),
    dataset=dict(
        type='hpemap_mm.MultiSkeletonDataset',
        pipeline={{_base_.train_pipeline}},
        # 360 against 3,626 persons: an epoch that is proportional would hardly see COCO.
        sampling='equal',
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
            coco_subset_val=dict(
                skeleton='coco',
                dataset=dict(
                    type='CocoDataset',
                    data_root={{_base_.data_roots.samples}},
                    ann_file='coco_subset/person_keypoints_val2017.json',
                    data_prefix=dict(img='coco_subset/val2017/'),
                ),
            ),
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
