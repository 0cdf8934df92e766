# 12 epochs: a short warm-up, then a cosine to 1%.
_base_ = ['./micro.py']

train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=12)
val_cfg = dict()
test_cfg = dict()
param_scheduler = [
    dict(type='LinearLR', begin=0, end=20, start_factor=0.05, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        end=12,
        eta_min_ratio=0.01,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
