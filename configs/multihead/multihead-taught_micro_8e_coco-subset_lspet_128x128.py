# Tied heads, and a slowly moving copy of the model for the joints that no tie reaches.
_base_ = ['./multihead-tied_micro_8e_coco-subset_lspet_128x128.py']

model = dict(teacher=dict(momentum=0.999, weight=0.3, min_score=0.3))
