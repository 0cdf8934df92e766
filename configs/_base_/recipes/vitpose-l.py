_base_ = ['./vitpose-b.py']

model = dict(backbone=dict(arch='L'), head=dict(in_channels=1024))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
