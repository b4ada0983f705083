"""Requests without a server: tests/serving sends these and many more over HTTP."""

import json

import pytest

from hpoe.errors import RequestError
from hpoe.serving.requests import image_in, images_in

TEXTS = ["YQ==", "Yg=="]
JSON = "application/json"


@pytest.mark.parametrize(
    "content",
    [
        {"dataframe_records": [{"image": text} for text in TEXTS]},
        {"dataframe_split": {"columns": ["image"], "data": [[text] for text in TEXTS]}},
        {"instances": TEXTS},
        {"inputs": TEXTS},
    ],
    ids=lambda content: next(iter(content)),
)
def test_all_four_json_forms_have_the_texts_in_order(content: object) -> None:
    assert images_in(json.dumps(content).encode(), JSON, 2) == TEXTS


def test_csv_has_the_texts_in_order() -> None:
    assert images_in("\n".join(["image", *TEXTS]).encode(), "text/csv", 2) == TEXTS


@pytest.mark.parametrize(
    ("content", "content_type", "status", "says"),
    [
        ({"inputs": ["YQ==", 3]}, JSON, 400, "record 1: `image` is a number"),
        ({"inputs": ["YQ=="] * 3}, JSON, 400, "too many records: send at most 2"),
        ({"inputs": []}, JSON, 400, "the request has no records"),
        ({"inputs": TEXTS}, "text/plain", 415, "the Content-Type must be"),
    ],
)
def test_a_bad_request_is_refused_with_a_sentence(
    content: object, content_type: str, status: int, says: str
) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        images_in(json.dumps(content).encode(), content_type, 2)
    assert caught.value.status == status


def test_a_request_to_explain_has_one_image() -> None:
    assert image_in(b'{"image": "YQ=="}', JSON) == "YQ=="
    with pytest.raises(RequestError, match="an object with `image` alone"):
        image_in(b'{"inputs": ["YQ=="]}', JSON)
