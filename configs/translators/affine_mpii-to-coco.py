_base_ = ['../_base_/pairs/mpii-to-coco.py', '../_base_/recipes/translator_fit.py']

model = dict(type='hpemap_mm.AffineTranslator', source={{_base_.source}}, target={{_base_.target}})
