# ViTPose's and ViTPose++'s schedule for several datasets: 8 GPUs x 128, AdamW 1e-3, 210 epochs,
# steps at 170 and 200 (https://github.com/ViTAE-Transformer/ViTPose, vitPose+_*_udp.py).
_base_ = ['../default_runtime.py']

train_cfg = dict(by_epoch=True, max_epochs=210, val_interval=10)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(
    constructor='hpemap_mm.LayerDecayConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.1),
    paramwise_cfg=dict(layer_decay_rate=0.75),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', begin=0, end=500, start_factor=0.001, by_epoch=False),
    dict(type='MultiStepLR', begin=0, end=210, milestones=[170, 200], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=1024)
