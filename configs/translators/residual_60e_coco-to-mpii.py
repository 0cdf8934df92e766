_base_ = ['../_base_/pairs/coco-to-mpii.py', '../_base_/recipes/translator_60e.py']

# Persons of any detector: joints missing, thrown about, turned.
train_dataloader = dict(
    dataset=dict(
        augment=[
            dict(type='Rotate', degrees=10.0, law='normal'),
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
    # This file's joints all lie a little to the right; see SourceShift.
    correct_shift=True,
)
