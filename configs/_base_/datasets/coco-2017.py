# COCO 2017 alone, 64 to a GPU as in ViTPose; ground-truth boxes for validation. Not coco.py: from
# here MMPose would read that as its metainfo, `configs/_base_/datasets/coco.py`.
_base_ = ['../data_roots.py', '../pipelines/udp_256x192.py']

skeletons = ['coco']

train_dataloader = dict(
    batch_size=64,
    dataset=dict(
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
        ),
    ),
)
test_dataloader = val_dataloader
