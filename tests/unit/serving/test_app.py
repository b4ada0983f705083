"""The body of a response to /invocations."""

import asyncio
import json

import pytest

from hpoe.serving.app import ENCODED_AT_ONCE, predictions


@pytest.mark.parametrize(("n_classes", "records"), [(2, 1), (10, 1000), (1000, 25), (20_000, 3)])
def test_answers_are_encoded_as_json_does_it_whether_at_once_or_not(
    n_classes: int, records: int
) -> None:
    labels = [f"\N{MAPLE LEAF} {n}" for n in range(n_classes)]
    answers = [
        {"label": "a", "probabilities": dict.fromkeys(labels, 1 / (n + 3))} for n in range(records)
    ]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def encode() -> str:
        waiting = asyncio.create_task(others())
        encoded = await predictions(answers)
        waiting.cancel()
        return encoded

    assert asyncio.run(encode()) == json.dumps({"predictions": answers})
    assert turns >= min(records, n_classes * records // ENCODED_AT_ONCE)
