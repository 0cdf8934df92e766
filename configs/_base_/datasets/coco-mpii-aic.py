# COCO 2017, MPII and AI Challenger.
_base_ = ['./coco-mpii.py']

skeletons = ['coco', 'mpii', 'aic']

train_dataloader = dict(
    dataset=dict(
        entries=dict(
            aic_train=dict(
                skeleton='aic',
                dataset=dict(
                    type='AicDataset',
                    data_root={{_base_.data_roots.aic}},
                    ann_file='annotations/aic_train.json',
                    data_prefix=dict(
                        img='ai_challenger_keypoint_train_20170902/keypoint_train_images_20170902/'
                    ),
                ),
            ),
        ),
    ),
)
_aic_val = dict(
    skeleton='aic',
    dataset=dict(
        type='AicDataset',
        data_root={{_base_.data_roots.aic}},
        ann_file='annotations/aic_val.json',
        data_prefix=dict(
            img='ai_challenger_keypoint_validation_20170911/keypoint_validation_images_20170911/'
        ),
    ),
)
val_dataloader = dict(dataset=dict(entries=dict(aic_val=_aic_val)))
test_dataloader = dict(dataset=dict(entries=dict(aic_val=_aic_val)))
