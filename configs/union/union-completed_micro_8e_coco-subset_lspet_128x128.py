# Trained on completed data: one pass of an image teaches all its joints.
_base_ = ['../_base_/recipes/micro_8e.py', '../_base_/datasets/coco-subset_lspet_completed.py']

joint_space = dict(kind='union', skeletons={{_base_.skeletons}})
train_dataloader = dict(dataset=dict(joint_space=joint_space))
model = dict(
    type='hpemap_mm.JointSpacePoseEstimator',
    joint_space=joint_space,
    head=dict(decoder={{_base_.codec}}),
)
