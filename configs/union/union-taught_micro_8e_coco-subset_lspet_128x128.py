# Joints that are not annotated are taught by a slowly moving copy of the model.
_base_ = ['./union_micro_8e_coco-subset_lspet_128x128.py']

model = dict(teacher=dict(momentum=0.999, weight=0.3, min_score=0.3))
