"""Draw some persons of a completed dataset, one annotated in each of some skeletons.

docs/images/completed-mannequins.jpg is of mannequins, as the README completes them:

    python benchmarks/draw_completed.py data/mannequin_completed --annotated coco lsp aic
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from hpemap_mm.engine.completion_pictures import draw_row, read_rows
from hpemap_mm.engine.images import read_image
from hpemap_mm.files import atomic_path

WIDTH, QUALITY = 1200, 85


def main() -> None:
    """Choose, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('completed', type=Path, help='what tools/complete_dataset.py wrote')
    parser.add_argument('--annotated', nargs='+', default=['coco', 'lsp', 'aic'])
    parser.add_argument('--seed', type=int, default=3)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/completed.jpg'))
    args = parser.parse_args()
    table = args.completed / 'completed.parquet'
    about = json.loads(pq.read_schema(table).metadata[b'hpemap_mm'])
    persons = pq.read_table(table, columns=['id', 'skeleton']).to_pylist()
    random = np.random.default_rng(args.seed)
    ids = [
        int(random.choice([person['id'] for person in persons if person['skeleton'] == name]))
        for name in args.annotated
    ]
    rows = read_rows(table, ids)
    root = args.completed / about['image_root']
    drawn = [
        draw_row(read_image(root / rows[i]['image']), rows[i], list(about['joints'])) for i in ids
    ]
    picture = np.vstack(drawn)
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    picture = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done, encoded = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise SystemExit(f'{args.out}: the picture could not be encoded')
    with atomic_path(args.out) as partial:
        partial.write_bytes(encoded.tobytes())
    print(args.out)


if __name__ == '__main__':
    main()
