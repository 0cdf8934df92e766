_base_ = ['../_base_/pairs/coco-to-mpii.py', '../_base_/recipes/translator_60e.py']

# The predecessor's network, with squared errors and Adam, without augmentation.
train_dataloader = dict(batch_size=64)
model = dict(
    type='hpemap_mm.MLPTranslator',
    source={{_base_.source}},
    target={{_base_.target}},
    correct_shift=True,
)
optim_wrapper = dict(
    _delete_=True, optimizer=dict(type='Adam', lr=1e-4), clip_grad=dict(max_norm=5.0)
)
