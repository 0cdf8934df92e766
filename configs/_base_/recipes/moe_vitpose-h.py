# ViTPose++ decays the layers of H as those of L; ViTPose (vitpose-h.py) does so by 0.85. S, B and
# L are the same in both.
_base_ = ['./vitpose-h.py']

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
