_base_ = ['../_base_/pairs/acae.py', '../_base_/recipes/translator_60e.py']

model = dict(type='hpemap_mm.ACAETranslator', skeletons={{_base_.skeletons}}, width=128)
