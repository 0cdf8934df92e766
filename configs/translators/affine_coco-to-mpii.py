_base_ = ['../_base_/pairs/coco-to-mpii.py', '../_base_/recipes/translator_fit.py']

model = dict(
    type='hpemap_mm.AffineTranslator',
    source={{_base_.source}},
    target={{_base_.target}},
    # This file's joints all lie a little to the right; see SourceShift.
    correct_shift=True,
)
