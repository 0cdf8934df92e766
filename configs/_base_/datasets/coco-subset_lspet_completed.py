# Both small training sets, completed: every person with COCO's and LSP's joints, as far as they are
# known, in one sample for a joint space. Made by
# `python tools/complete_dataset.py configs/completion/complete_coco-subset_lspet.py CHECKPOINT
# --out data/completed`. The sets still share an epoch equally.
_base_ = ['./coco-subset_lspet.py']

_completed = dict(
    type='hpemap_mm.CompletedDataset',
    completed={{_base_.data_roots.completed}},
    skeletons=['coco', 'lsp'],
    # Which joints are labels; ['gt'] alone would be the data as it was.
    provenance=['gt', 'derived', 'translated', 'predicted', 'fused'],
    # Labels count by their variance against an annotation's.
    weighting=dict(type='std'),
)
train_dataloader = dict(
    dataset=dict(
        entries=dict(
            coco_subset_train=dict(
                _delete_=True, dataset=dict(**_completed, entries=['coco_subset_train'])
            ),
            lspet_train=dict(_delete_=True, dataset=dict(**_completed, entries=['lspet_train'])),
        ),
    ),
)
