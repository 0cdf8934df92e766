# A few annotated photographs of COCO, MPII and AIC (12, 5 and 9 persons), for training and
# for testing alike: an overfit. It shows that targets, routing, flips and decoding agree on
# real files.
_base_ = ['../data_roots.py', '../pipelines/udp_128x128.py']

skeletons = ['coco', 'mpii', 'aic']

# Flips, and no other augmentation: nothing here is to generalise.
train_pipeline = [
    dict(type='hpemap_mm.LoadPoseImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='TopdownAffine', input_size=(128, 128), use_udp=True),
    dict(type='GenerateTarget', encoder={{_base_.codec}}),
    dict(type='hpemap_mm.PackSample'),
]
_entries = dict(
    real_coco=dict(
        skeleton='coco',
        dataset=dict(
            type='CocoDataset',
            data_root={{_base_.data_roots.samples}},
            ann_file='real/coco/test_coco.json',
            data_prefix=dict(img='real/coco/'),
        ),
    ),
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

train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        pipeline=train_pipeline, sampling='equal', samples_per_epoch=160, entries=_entries
    ),
)
val_dataloader = dict(
    batch_size=26, num_workers=0, persistent_workers=False, dataset=dict(entries=_entries)
)
test_dataloader = val_dataloader
