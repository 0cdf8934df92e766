# Fitted in one go, or not at all; the uncertainty is calibrated on the tuning part.
_base_ = ['../default_runtime.py']

train_cfg = dict(type='hpemap_mm.FitLoop')
optim_wrapper = dict()  # MMEngine asks for one
custom_hooks = [dict(type='hpemap_mm.PlainCheckpointHook')]
default_hooks = dict(checkpoint=dict(save_param_scheduler=False))  # there is none
