# COCO's persons get the joints of MPII and LSP, LSP Extended's those of COCO and MPII. Nothing here
# is annotated in MPII's way: its joints come from the ontology and the translator.
_base_ = ['../multihead/multihead_micro_8e_coco-subset_lspet_128x128.py']

completion = dict(
    skeletons=['coco', 'mpii', 'lsp'],
    entries={{_base_.train_dataloader.dataset.entries}},
    # Persons that the model was not trained on: by them it is known how far off it is.
    calibration={{_base_.val_dataloader.dataset.entries}},
    translators=[dict(type='hpemap_mm.PretrainedTranslator', source='coco', target='mpii')],
)
