# The way back: MPII's annotation, and what a COCO model predicts for the same persons. The file's
# eyes are one point, and so nearly are its ears: the sides of a face are not to be learnt from it.
_base_ = ['./coco-to-mpii.py']

source = 'mpii'
target = 'coco'

train_dataloader = dict(dataset=dict(reverse=True))
val_dataloader = dict(dataset=dict(reverse=True))
test_dataloader = dict(dataset=dict(reverse=True))
