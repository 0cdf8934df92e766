# Loaders of whole batches of keypoint pairs, and how translators are judged.
train_dataloader = dict(
    batch_size=256,
    num_workers=0,
    collate_fn=dict(type='hpemap_mm.as_is'),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=0,
    collate_fn=dict(type='hpemap_mm.as_is'),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
# A tuning part and a test part of a file's images; nothing is tuned on the latter.
split = dict(dev=0.06, test=0.10, seed=0)

val_cfg = dict(type='hpemap_mm.TranslatorValLoop')
val_evaluator = []
test_cfg = dict(
    type='hpemap_mm.TranslatorTestLoop',
    corruptions=[
        dict(name='30% missing', missing=0.3),
        dict(name='10% thrown', thrown=0.1),
    ],
)
test_evaluator = dict(type='hpemap_mm.CrossEvaluator')

# Persons of any annotator or detector: turned, joints missing, joints thrown about.
damage = [
    dict(type='Rotate', degrees=10.0),
    dict(type='DropJoints', probability=0.3, share=0.6),
    dict(type='ThrowJoints', probability=0.3, share=0.3),
]
