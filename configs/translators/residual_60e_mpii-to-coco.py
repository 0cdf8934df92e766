_base_ = ['../_base_/pairs/mpii-to-coco.py', '../_base_/recipes/translator_60e.py']

train_dataloader = dict(dataset=dict(augment={{_base_.damage}}))
model = dict(
    type='hpemap_mm.ResidualTranslator',
    source={{_base_.source}},
    target={{_base_.target}},
    width=96,
)
