# COCO 2017, MPII and AI Challenger: every person with the joints of all three.
_base_ = ['../multihead/multihead_vitpose-b_8xb128-210e_coco-mpii-aic_256x192.py']

completion = dict(
    skeletons={{_base_.skeletons}},
    entries={{_base_.train_dataloader.dataset.entries}},
    # Persons that the model was not trained on: by them it is known how far off it is.
    calibration={{_base_.val_dataloader.dataset.entries}},
    translators=[
        dict(type='hpemap_mm.PretrainedTranslator', source='coco', target='mpii'),
        dict(type='hpemap_mm.PretrainedTranslator', source='mpii', target='coco'),
    ],
    batch_size=128,
)
