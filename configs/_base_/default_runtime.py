# What every run has in common: hooks, seeds, logs.
default_scope = 'mmpose'
custom_imports = dict(imports=['hpemap_mm'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=10, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
custom_hooks = [
    # BatchNorm's running statistics are averaged over the ranks after each epoch.
    dict(type='SyncBuffersHook'),
    # A resumed run draws the same dropout as one that never stopped.
    dict(type='hpemap_mm.IterationSeedHook'),
    # Checkpoints that open under torch.load(weights_only=True).
    dict(type='hpemap_mm.PlainCheckpointHook'),
    # A taught model's teacher goes into its checkpoints; without one, nothing happens.
    dict(type='hpemap_mm.TeacherHook'),
    # Where the cross matrix is evaluated, the model answers in all its skeletons.
    dict(type='hpemap_mm.CrossMatrixHook'),
]

randomness = dict(seed=0)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # Where there is no GPU, tools/train.py joins its processes by gloo instead.
    dist_cfg=dict(backend='nccl'),
)

visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True, num_digits=4)
log_level = 'INFO'
load_from = None
resume = False
