# The six of ViTPose++: COCO 2017, AI Challenger, MPII, AP-10K, APT-36K and COCO-WholeBody.
# Each is augmented and encoded alike, in UDP; ViTPose++ leaves UDP out of AIC's, the animals' and
# WholeBody's training, and half bodies out of MPII's.
_base_ = ['./coco-mpii-aic.py']

# In ViTPose++'s order, which is that of its experts.
skeletons = ['coco', 'aic', 'mpii', 'ap10k', 'apt36k', 'coco_wholebody']

train_dataloader = dict(
    dataset=dict(
        entries=dict(
            ap10k_train=dict(
                skeleton='ap10k',
                dataset=dict(
                    type='AP10KDataset',
                    data_root={{_base_.data_roots.ap10k}},
                    ann_file='annotations/ap10k-train-split1.json',
                    data_prefix=dict(img='data/'),
                ),
            ),
            apt36k_train=dict(
                skeleton='apt36k',
                dataset=dict(
                    type='AP10KDataset',
                    data_root={{_base_.data_roots.apt36k}},
                    ann_file='annotations/train_annotations_1.json',
                    data_prefix=dict(img=''),
                ),
            ),
            coco_wholebody_train=dict(
                skeleton='coco_wholebody',
                dataset=dict(
                    type='CocoWholeBodyDataset',
                    data_root={{_base_.data_roots.coco}},
                    ann_file='annotations/coco_wholebody_train_v1.0.json',
                    data_prefix=dict(img='train2017/'),
                ),
            ),
        ),
    ),
)
_apt36k_val = dict(
    skeleton='apt36k',
    dataset=dict(
        type='AP10KDataset',
        data_root={{_base_.data_roots.apt36k}},
        ann_file='annotations/val_annotations_1.json',
        data_prefix=dict(img=''),
    ),
)
_wholebody_val = dict(
    skeleton='coco_wholebody',
    dataset=dict(
        type='CocoWholeBodyDataset',
        data_root={{_base_.data_roots.coco}},
        ann_file='annotations/coco_wholebody_val_v1.0.json',
        data_prefix=dict(img='val2017/'),
    ),
)
val_dataloader = dict(
    dataset=dict(
        entries=dict(
            ap10k_val=dict(
                skeleton='ap10k',
                dataset=dict(
                    type='AP10KDataset',
                    data_root={{_base_.data_roots.ap10k}},
                    ann_file='annotations/ap10k-val-split1.json',
                    data_prefix=dict(img='data/'),
                ),
            ),
            apt36k_val=_apt36k_val,
            coco_wholebody_val=_wholebody_val,
        ),
    ),
)
# AP-10K has a test split of its own: the one that is reported.
test_dataloader = dict(
    dataset=dict(
        entries=dict(
            ap10k_test=dict(
                skeleton='ap10k',
                dataset=dict(
                    type='AP10KDataset',
                    data_root={{_base_.data_roots.ap10k}},
                    ann_file='annotations/ap10k-test-split1.json',
                    data_prefix=dict(img='data/'),
                ),
            ),
            apt36k_val=_apt36k_val,
            coco_wholebody_val=_wholebody_val,
        ),
    ),
)
