_base_ = ['../_base_/pairs/coco-to-mpii.py', '../_base_/recipes/translator_60e.py']

train_dataloader = dict(dataset=dict(augment={{_base_.damage}}))
model = dict(
    type='hpemap_mm.ResidualTranslator',
    source={{_base_.source}},
    target={{_base_.target}},
    width=96,
    # This file's joints all lie a little to the right; see SourceShift.
    correct_shift=True,
)
