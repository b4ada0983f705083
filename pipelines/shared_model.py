"""Stage shared_model: one density model for all digits, and separate ones beside it (section 6)."""

import numpy as np
import torch
import typer

from hpoe.data.split import digits_in, load_digit
from hpoe.evaluation.refitting import refit
from hpoe.evaluation.scoring import LAYERS, labelled_images
from hpoe.execution.pipeline import DATA_SETS, PAPER, DataSet
from hpoe.execution.stage import report_errors, stage
from hpoe.files import write_json
from hpoe.method.hierarchy import activities
from hpoe.method.rbm import visible_units
from hpoe.paper.section_six import (
    Key,
    class_specificity,
    layer_one_goodness,
    pooled,
    train_layers,
)
from hpoe.params import load_section_six


@report_errors
def main(data_set: DataSet) -> None:
    """Train both; classify by a logistic net on hidden activities, and on goodness."""
    with stage("shared_model", data_set) as running:
        recipes = getattr(load_section_six(), data_set)
        split, seed, params = DATA_SETS[data_set], running.params.seed, running.params.classifier
        torch.set_num_threads(running.settings.workers)
        table, images = labelled_images(split)
        v = visible_units(images)
        separate = [
            train_layers(
                recipes.separate,
                visible_units(load_digit(split, digit).unsupervised),
                1,
                Key(seed, f"separate {data_set}", digit),
            )[0]
            for digit in digits_in(split)
        ]
        found = {"separate": refit(params, table, layer_one_goodness(separate, v)).rates}
        running.say(f"{data_set}, separate models: {found['separate']['test_error_rate']:.2%}")
        key = Key(seed, f"shared {data_set}")
        shared = train_layers(recipes.shared, pooled(split, seed)[0], len(LAYERS), key)
        validation = (table["set"] == "validation").to_numpy()
        labels = table.loc[validation, "label"].to_numpy(np.int64)
        specificity = []
        for layer in LAYERS:
            h = activities(shared[:layer], v)
            found[f"shared_layer{layer}"] = refit(params, table, h.double().numpy()).rates
            specificity.append(class_specificity(h.numpy()[validation], labels))
            rate = found[f"shared_layer{layer}"]["test_error_rate"]
            running.say(f"{data_set}, shared model, layer {layer}: {rate:.2%}")
        running.run.metrics |= {
            f"{k}_test_error_rate": r["test_error_rate"] for k, r in found.items()
        }
        write_json(
            PAPER / f"shared_model_{data_set}.json", {**found, "class_specificity": specificity}
        )


if __name__ == "__main__":
    typer.run(main)
