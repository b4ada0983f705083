"""Stage shared_model: one density model for all digits, compared with separate ones (section 6)."""

import torch
import typer

from hpoe.data.split import labels_in, load_class
from hpoe.evaluation.refitting import refit
from hpoe.evaluation.scoring import LAYERS, labelled_images
from hpoe.execution.pipeline import DATA_SETS, PAPER, DataSet
from hpoe.execution.stage import stage
from hpoe.files import write_json
from hpoe.method.fitting import fit_layers
from hpoe.method.hierarchy import activities
from hpoe.method.rbm import goodness, visible_units
from hpoe.paper import section_six
from hpoe.paper.section_six import Key
from hpoe.params import load_section_six
from hpoe.reporting import report_errors


@report_errors
def main(data_set: DataSet) -> None:
    """Train both; classify by a logistic net on goodness, and on hidden activities."""
    with stage("shared_model", data_set) as running:
        recipes = getattr(load_section_six(), data_set)
        split, seed, params = DATA_SETS[data_set], running.params.seed, running.params.classifier
        torch.set_num_threads(running.settings.workers)
        table, images = labelled_images(split)
        v = visible_units(images)
        separate = []
        for digit in labels_in(split):
            own = visible_units(load_class(split, digit).unsupervised)
            key = Key(seed, f"separate {data_set}", digit)
            separate += fit_layers(recipes.separate, own, 1, key.generators)
        inputs = {"separate": torch.stack([goodness(rbm, v) for rbm in separate], dim=1).numpy()}
        pooled, _ = section_six.pooled(split, seed)
        key = Key(seed, f"shared {data_set}")
        shared = fit_layers(recipes.shared, pooled, len(LAYERS), key.generators)
        validation = (table["set"] == "validation").to_numpy()
        labels = table.loc[validation, "label"].to_numpy()
        specificity = []
        for layer in LAYERS:
            h = activities(shared[:layer], v)
            inputs[f"shared_layer{layer}"] = h.double().numpy()
            specificity.append(section_six.class_specificity(h.numpy()[validation], labels))
        found = {}
        for name, scores in inputs.items():
            found[name] = refit(params, table, scores).rates
            rate = found[name]["test_error_rate"]
            running.run.metrics[f"{name}_test_error_rate"] = rate
            running.say(f"{data_set}, {name.replace('_', ' ')}: test error {rate:.2%}")
        write_json(
            PAPER / f"shared_model_{data_set}.json", {**found, "class_specificity": specificity}
        )


if __name__ == "__main__":
    typer.run(main)
