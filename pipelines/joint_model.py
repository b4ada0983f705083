"""Stage joint_model: one density model of pixels and labels, classified by clamping (section 6)."""

import torch
import typer

from hpoe.evaluation.measures import error_rates
from hpoe.evaluation.scoring import labelled_images
from hpoe.execution.pipeline import DATA_SETS, PAPER, DataSet
from hpoe.execution.stage import stage
from hpoe.files import write_json
from hpoe.method.rbm import visible_units
from hpoe.paper.section_six import Key, joint_predictions, pooled, train_joint
from hpoe.params import load_section_six
from hpoe.reporting import report_errors


@report_errors
def main(data_set: DataSet) -> None:
    """Train it on the unsupervised images and their labels; clamp each label in turn."""
    with stage("joint_model", data_set) as running:
        recipe = getattr(load_section_six(), data_set).joint
        split, seed = DATA_SETS[data_set], running.params.seed
        torch.set_num_threads(running.settings.workers)
        rbm = train_joint(recipe, *pooled(split, seed), Key(seed, f"joint {data_set}"))
        table, images = labelled_images(split)
        rates = error_rates(joint_predictions(rbm, table, visible_units(images)))
        running.run.metrics |= rates
        running.say(f"{data_set}, joint model: test error {rates['test_error_rate']:.2%}")
        write_json(PAPER / f"joint_model_{data_set}.json", rates)


if __name__ == "__main__":
    typer.run(main)
