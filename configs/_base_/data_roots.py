# Where the data lies: the one place to edit. Each root can also be set by its environment
# variable, as in `HPEMAP_COCO=/data/coco python tools/train.py ...`.
data_roots = dict(
    # train2017/ val2017/ annotations/person_keypoints_{train,val}2017.json, and for WholeBody
    # annotations/coco_wholebody_{train,val}_v1.0.json
    coco='{{$HPEMAP_COCO:data/coco}}',
    # images/ annotations/mpii_{train,val}.json annotations/mpii_gt_val.mat, as MMPose has them
    mpii='{{$HPEMAP_MPII:data/mpii}}',
    # ai_challenger_keypoint_{train,validation}_*/ annotations/aic_{train,val}.json, likewise
    aic='{{$HPEMAP_AIC:data/aic}}',
    # data/ annotations/ap10k-{train,val,test}-split1.json, as its archive and MMPose have them
    ap10k='{{$HPEMAP_AP10K:data/ap10k}}',
    # annotations/{train,val}_annotations_1.json, and the images, whose names in those files are
    # paths from this folder, as ViTPose has them
    apt36k='{{$HPEMAP_APT36K:data/apt36k}}',
    # made by `python -m hpemap_mm.datasets.mannequin data/mannequin --images 960`
    mannequin='{{$HPEMAP_MANNEQUIN:data/mannequin}}',
    # coco.json lsp.json ..., as `python tools/complete_dataset.py` writes them
    completed='{{$HPEMAP_COMPLETED:data/completed}}',
    # a folder with a few photographs of several datasets: real/ coco_subset/ lspet/
    samples='{{$HPEMAP_DATA:../shared/data}}',
)
