# The recipe of the networks: AdamW, a short warm-up, a cosine to nothing.
_base_ = ['../default_runtime.py']

max_epochs = 60
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=10)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, betas=(0.9, 0.99), weight_decay=0.01),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=200),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=0,
        by_epoch=True,
        convert_to_iter_based=True,
        begin=0,
        end=max_epochs,
    ),
]
custom_hooks = [
    dict(type='hpemap_mm.IterationSeedHook'),
    dict(type='hpemap_mm.PlainCheckpointHook'),
    dict(type='hpemap_mm.CalibrationHook'),
    dict(type='hpemap_mm.ThreadsHook', threads=1),  # steps of some milliseconds
]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=10, max_keep_ckpts=1),
)
