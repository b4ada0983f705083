"""USPS as section 6 of the paper uses it: in its order, as it is."""

from hpoe.params import Data, Split

USPS_DATA = Data(
    source="usps",
    path=None,
    image_size=(16, 16),
    preparation="as_is",
    skip_unreadable=False,
    columns=None,
)


def usps_split(unsupervised: float) -> Split:
    """The split by the share of a digit's training images that trains its RBMs.

    USPS has no supervised set of its own, and section 6 does not say how the paper cut it: what is
    left is supervised.
    """
    return Split(
        classes="all",
        unsupervised_per_class=unsupervised,
        supervised_per_class=1 - unsupervised,
        test="official",
        test_images=None,
        shuffle=False,
    )
