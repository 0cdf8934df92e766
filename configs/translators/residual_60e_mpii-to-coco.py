_base_ = ['../_base_/pairs/mpii-to-coco.py', '../_base_/recipes/translator_60e.py']

# Persons of any annotator or detector: joints missing, thrown about, turned.
train_dataloader = dict(
    dataset=dict(
        augment=[
            dict(type='Rotate', degrees=10.0),
            dict(type='DropJoints', probability=0.3, share=0.6),
            dict(type='ThrowJoints', probability=0.3, share=0.3),
        ]
    )
)
model = dict(
    type='hpemap_mm.ResidualTranslator',
    source={{_base_.source}},
    target={{_base_.target}},
    width=96,
)
