"""Pictures of coloured shapes, and what happens to pictures between datasets."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps


def scene(seed: int, *, width: int = 320, height: int = 240) -> Image.Image:
    """A picture like no other: soft light, forty shapes, some grain."""
    rng = np.random.default_rng(seed)
    soft = rng.uniform(40, 200, (4, 5, 3)).astype(np.float32)
    canvas = cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        centre = tuple(int(v) for v in rng.uniform(0, 1, 2) * (width, height))
        axes = tuple(int(v) for v in rng.uniform(4, 45, 2))
        colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    canvas += rng.normal(0, 4, canvas.shape)
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def moved_by_a_person(image: Image.Image, seed: int) -> Image.Image:
    """The same scene a moment later: a quarter of it shows something else."""
    other = scene(seed, width=image.width // 2, height=image.height // 2)
    later = image.copy()
    later.paste(other, (image.width // 4, image.height // 4))
    return later


def jpeg(image: Image.Image, quality: int = 95, **options) -> bytes:
    with io.BytesIO() as file:
        image.save(file, 'JPEG', quality=quality, **options)
        return file.getvalue()


def resized(image: Image.Image, scale: float) -> Image.Image:
    return image.resize((round(image.width * scale), round(image.height * scale)))


def cropped(image, left, top, right, bottom) -> Image.Image:
    """Shares of the width and height that are cut off."""
    width, height = image.size
    return image.crop(
        (
            round(width * left),
            round(height * top),
            width - round(width * right),
            height - round(height * bottom),
        )
    )


#: What copies are made of a picture, and how they are to be called.
COPIES = {
    're-encoded': (lambda image: jpeg(image, 30), 'near'),
    'smaller': (lambda image: jpeg(resized(image, 0.3)), 'near'),
    'larger': (lambda image: jpeg(resized(image, 1.5)), 'near'),
    'cropped on each side': (lambda image: jpeg(cropped(image, *[0.05] * 4)), 'near'),
    'cropped on one side': (lambda image: jpeg(cropped(image, 0.05, 0.05, 0, 0)), 'near'),
    'mirrored': (lambda image: jpeg(ImageOps.mirror(image)), 'mirrored'),
    'mirrored, cropped': (
        lambda image: jpeg(ImageOps.mirror(cropped(image, *[0.05] * 4))),
        'mirrored',
    ),
    'cropped, re-encoded': (lambda image: jpeg(cropped(image, *[0.05] * 4), 40), 'near'),
    'grey': (lambda image: jpeg(image.convert('L')), 'near'),
}


def write(path: Path, content: Image.Image | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else jpeg(content))
    return path
