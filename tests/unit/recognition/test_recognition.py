"""What preprocessing costs a classifier: its errors on pictures and on MNIST's own images."""

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling
from sklearn.svm import SVC

from hpoe.data.mnist import Mnist
from hpoe_recognition.formats import MNIST
from hpoe_recognition.images import Limits, read_image

FILTERS = tuple(
    Resampling[name] for name in ("NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS")
)
LEAST_CONTRAST = 80  # grey levels between ink and paper
Bytes = NDArray[np.uint8]


def placed(digit: Bytes, rng: np.random.Generator) -> NDArray[np.float64]:
    """A digit enlarged 3 to 30 times somewhere on a canvas up to twice as large, ink 0..1."""
    side = round(28 * np.exp(rng.uniform(np.log(3), np.log(30))))
    filtering = FILTERS[rng.integers(len(FILTERS))]
    large = np.asarray(Image.fromarray(digit).resize((side, side), filtering))
    height, width = (round(side * rng.uniform(1.05, 2)) for _ in range(2))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    canvas = np.zeros((height, width))
    canvas[top : top + side, left : left + side] = large / 255
    return canvas


def two_colours(rng: np.random.Generator) -> NDArray[np.int64]:
    """Of ink and paper, either the darker."""
    while True:
        colours = rng.integers(0, 256, (2, 3))
        if abs(np.diff(colours @ (0.299, 0.587, 0.114))[0]) >= LEAST_CONTRAST:
            return colours


def sent(digit: Bytes, rng: np.random.Generator) -> str:
    """A digit as somebody might send it: tinted, light or dark, off centre, JPEG of quality 60."""
    ink, paper = two_colours(rng)
    picture = paper + (ink - paper) * placed(digit, rng)[..., None]
    buffer = io.BytesIO()
    Image.fromarray(np.round(picture).astype(np.uint8)).save(buffer, "JPEG", quality=60)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.slow
def test_tinted_jpegs_of_any_size_cost_at_most_half_a_point(mnist: Mnist) -> None:
    """A support vector machine, 3,000 training images, every fifth test image.

    Its errors rise from about 4 % by chance of plus or minus 0.3 points, one standard deviation.
    """
    x, y = mnist.train_images[:3000], mnist.train_labels[:3000]
    machine = SVC(C=5, gamma=0.02).fit(x.reshape(len(x), -1) / 255, y)
    images, labels = mnist.test_images[::5], mnist.test_labels[::5]
    pictures = [sent(image, np.random.default_rng(at)) for at, image in enumerate(images)]
    read = np.stack([read_image(picture, Limits(), MNIST) for picture in pictures])
    raw, after = (
        float(np.mean(machine.predict(some.reshape(len(some), -1) / 255) != labels))
        for some in (images, read)
    )
    assert raw < 0.06
    assert after <= raw + 0.005
