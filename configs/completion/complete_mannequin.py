# Four datasets of mannequins, each annotated in its own way, into one with all four skeletons.
_base_ = ['../multihead/multihead_micro_12e_mannequin_128x96.py']

completion = dict(
    skeletons={{_base_.skeletons}},
    entries={{_base_.train_dataloader.dataset.entries}},
    # Persons that the model was not trained on: by them it is known how far off it is.
    calibration={{_base_.val_dataloader.dataset.entries}},
    translators=[
        dict(type='hpemap_mm.PretrainedTranslator', source='coco', target='mpii'),
        dict(type='hpemap_mm.PretrainedTranslator', source='mpii', target='coco'),
    ],
)
