# For keypoints of any detector or annotator: nothing is taken off them. The same weights fit.
_base_ = ['./residual_60e_coco-to-mpii.py']

model = dict(correct_shift=False)
