"""Labels: natural order, and names of files that are safe and lead back to the label."""

import re

from hypothesis import given
from hypothesis import strategies as st

from hpoe.labels import clean, file_name, in_order, label_of

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16)


@given(texts)
def test_a_label_comes_back_from_its_files_name(label: str) -> None:
    name = file_name(label)
    assert label_of(name) == label
    assert re.fullmatch(r"[A-Za-z0-9_=][A-Za-z0-9_=-]*", name)
    assert len(name) <= 3 * len(label.encode())


def test_names_of_usual_labels_are_these() -> None:
    names = {"7": "7", "T-shirt, top": "T-shirt=2C=20top", "-1": "=2D1", ".a~": "=2Ea=7E"}
    assert {label: file_name(label) for label in names} == names


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_numbers_are_in_the_order_of_their_values(numbers: list[int]) -> None:
    assert in_order(map(str, numbers)) == [str(number) for number in sorted(numbers)]


@given(st.lists(texts, max_size=6).flatmap(lambda every: st.permutations(every)))
def test_the_order_does_not_depend_on_the_order_before(labels: list[str]) -> None:
    assert in_order(labels) == in_order(reversed(labels)) == in_order(in_order(labels))


def test_text_and_numbers_are_compared_part_by_part() -> None:
    assert in_order(["a10", "B", "a2", "10", "9", "b1", "a"]) == [
        *("9", "10", "a", "a2", "a10", "B", "b1")
    ]


def test_a_label_is_composed_and_has_no_white_space_around_it() -> None:
    assert clean(" e\u0301 ") == "\u00e9"
