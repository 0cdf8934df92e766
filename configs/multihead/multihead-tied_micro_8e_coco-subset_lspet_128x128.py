# The head that a sample's dataset does not annotate agrees with what is known of the same joints.
_base_ = ['./multihead_micro_8e_coco-subset_lspet_128x128.py']

model = dict(consistency=dict(type='ontology', weight=0.3))
