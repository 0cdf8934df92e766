_base_ = ['../_base_/recipes/micro_12e.py', '../_base_/datasets/mannequin.py']

joint_space = dict(kind='concat', skeletons={{_base_.skeletons}})
train_dataloader = dict(dataset=dict(joint_space=joint_space))
model = dict(
    type='hpemap_mm.JointSpacePoseEstimator',
    joint_space=joint_space,
    head=dict(decoder={{_base_.codec}}),
)
