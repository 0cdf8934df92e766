_base_ = ['../_base_/pairs/coco-to-crowdpose.py', '../_base_/recipes/translator_60e.py']

train_dataloader = dict(
    batch_size=32,  # few persons: more steps
    dataset=dict(augment={{_base_.damage}}),
)
model = dict(
    type='hpemap_mm.ResidualTranslator',
    source={{_base_.source}},
    target={{_base_.target}},
    width=64,
    dropout=0.1,
)
