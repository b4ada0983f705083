"""Which versions of an image models choose."""

import numpy as np

from hpoe.evaluation.refitting import chosen_versions


def test_choices_are_counted_for_an_images_own_models_and_the_others() -> None:
    rng = np.random.default_rng(0)
    scores, own = rng.standard_normal((3, 40, 6)), rng.random((40, 6)) < 0.3
    found = chosen_versions(scores, own)
    for row, models in zip(found, (own, ~own), strict=True):
        picked = [scores[:, n, m].argmax() for n, m in zip(*np.nonzero(models), strict=True)]
        expected = [np.mean(np.array(picked) == version) for version in range(3)]
        np.testing.assert_allclose(row, expected)
