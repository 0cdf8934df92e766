"""Draw every skeleton on photographs: python tools/demo.py IMAGE... --checkpoint --config."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import hpemap_mm  # noqa: F401 - prepares MMPose before anything imports it
from hpemap_mm.commandline import relative_to_here, run_tool


def main(argv: Sequence[str] | None = None) -> int:
    """Predict each image, write one picture with all skeletons side by side."""
    parser = argparse.ArgumentParser(description='Draw every skeleton on photographs.')
    parser.add_argument('images', nargs='+', type=Path, metavar='IMAGE')
    parser.add_argument('--checkpoint', required=True, help='weights of the model')
    parser.add_argument(
        '--config',
        help='its config; converted checkpoints do without (tools/convert_checkpoint.py)',
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo_pictures'), metavar='DIR')
    parser.add_argument(
        '--boxes',
        nargs=4,
        type=float,
        action='append',
        metavar=('X1', 'Y1', 'X2', 'Y2'),
        help='box of a person in pixels, once per person (default: the whole image)',
    )
    parser.add_argument('--device', help='cpu or cuda (default: cuda where there is one)')
    parser.add_argument(
        '--min-score', type=float, default=0.2, help='joints below it are not drawn (default 0.2)'
    )
    args = parser.parse_args(argv)

    from hpemap_mm.apis import load_model, predict
    from hpemap_mm.engine.images import read_image, write_image
    from hpemap_mm.skeletons import get_skeleton
    from hpemap_mm.visualization import crop_to, label, pose_panel, row

    model = load_model(args.config, args.checkpoint, device=args.device)
    for path in args.images:
        people = predict(model, path, args.boxes)
        image = read_image(path)
        whole = [[0, 0, image.shape[1], image.shape[0]]]
        picture, offset, scale = crop_to(image, whole, margin=0, height=420)
        panels = [label(picture, path.name, f'{len(people)} boxes')]
        for name in people[0]:
            poses = [person[name].moved(offset, scale) for person in people]
            skeleton = get_skeleton(name)
            panels.append(
                pose_panel(
                    picture,
                    poses,
                    skeleton,
                    name,
                    f'{len(skeleton)} joints',
                    min_score=args.min_score,
                )
            )
        target = args.out / f'{path.stem}.jpg'
        write_image(target, row(panels))
        print(relative_to_here(target))
    return 0


if __name__ == '__main__':
    run_tool(main)
