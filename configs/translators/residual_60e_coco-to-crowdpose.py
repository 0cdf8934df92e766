_base_ = ['../_base_/pairs/coco-to-crowdpose.py', '../_base_/recipes/translator_60e.py']

# Persons of any annotator or detector: joints missing, thrown about, turned.
train_dataloader = dict(
    batch_size=32,  # few persons: more steps
    dataset=dict(
        augment=[
            dict(type='Rotate', degrees=10.0),
            dict(type='DropJoints', probability=0.3, share=0.6),
            dict(type='ThrowJoints', probability=0.3, share=0.3),
        ]
    ),
)
model = dict(
    type='hpemap_mm.ResidualTranslator',
    source={{_base_.source}},
    target={{_base_.target}},
    width=64,
    dropout=0.1,
)
