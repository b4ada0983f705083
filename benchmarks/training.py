"""Measure training against its matrix products alone, and against other libraries.

More `--epochs` and `--repeats` make it more exact; the defaults take a few minutes on two cores.
"""

from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.table import Table

from benchmarks import floor, pictures, race
from benchmarks.contenders import HPOE, Work
from benchmarks.measuring import console, machine, split_into, table
from hpoe.evaluation import drawing
from hpoe.files import write_json
from hpoe.method.recipe import Recipe
from hpoe.params import load_params
from hpoe.reporting import report_errors
from hpoe.settings import load_settings

REPORT, PICTURE = (Path(f"reports/benchmarks/training.{kind}") for kind in ("json", "png"))
UNITS = (500, 100)


@report_errors
def main(
    epochs: Annotated[int, typer.Option(min=1, help="Of each contender.")] = 3,
    repeats: Annotated[int, typer.Option(min=1, help="Of each contender.")] = 3,
) -> None:
    """Print, draw and keep what training costs on this machine."""
    params, settings = load_params(), load_settings()
    paper = replace(params.networks["h500"].recipe, epochs=epochs)
    layers = _layers(params.networks["default"].recipe, paper, settings.workers)
    console.print(_layer_table(layers, settings.workers))
    with TemporaryDirectory() as folder:
        split_into(Path(folder), params, settings)
        results = {
            units: race.race(
                Work(replace(paper, units=(units,) * 3), params.seed),
                Path(folder),
                Path(folder),
                settings.workers,
                repeats,
            )
            for units in UNITS
        }
        nothing = race.mean_image_error(Path(folder))
    floors = {
        layer.hidden: floor.IMAGES * settings.workers / layer.seconds_products
        for layer in layers
        if (layer.visible, layer.minibatch) == (floor.VISIBLE, paper.minibatch_size)
    }
    console.print(_race_table(results, floors, paper, nothing, settings.workers))
    default = params.networks["default"].minibatch_size
    report = {
        "machine": machine(settings.workers),
        **_figures(layers, results, default),
        "floor_repeats": floor.REPEATS,
        "race": {"minibatch": paper.minibatch_size, "epochs": epochs, "repeats": repeats},
        "mean_image_error": nothing,
        "floor_images_a_second": {str(units): floors[units] for units in UNITS},
    }
    write_json(REPORT, report)
    rates = {
        units: {name: result.images_a_second for name, result in found.items()}
        for units, found in results.items()
    }
    drawing.save(pictures.training(rates, floors), PICTURE)
    console.print(f"{REPORT}, {PICTURE}")


def _figures(
    layers: list[floor.Layer], results: dict[int, dict[str, race.Result]], minibatch: int
) -> dict[str, Any]:
    """Results by number of units; `minibatch` is the one of the floor's fraction."""
    return {
        "roofline_fraction": {
            str(units): floor.network_fraction(layers, units, minibatch) for units in UNITS
        },
        "speedup_over_fastest_peer": {
            str(units): race.speedup_over_fastest_peer(results[units]) for units in UNITS
        },
        "core_speedup_over_fastest_peer": {
            str(units): race.core_speedup(results[units]) for units in UNITS
        },
        "layers": [asdict(layer) for layer in layers],
        "contenders": {
            str(units): {name: asdict(result) for name, result in found.items()}
            for units, found in results.items()
        },
    }


def _layers(default: Recipe, paper: Recipe, workers: int) -> list[floor.Layer]:
    shapes = [
        (visible, units) for units in UNITS for visible in dict.fromkeys((floor.VISIBLE, units))
    ]
    recipes = {each.minibatch_size: each for each in (default, paper)}.values()
    return [
        floor.measure_layer(recipe, *shape, workers, floor.REPEATS)
        for recipe in recipes
        for shape in shapes
    ]


def _layer_table(layers: list[floor.Layer], workers: int) -> Table:
    shown = table(
        f"Training of one layer, {workers} processes with one thread each",
        *("visible x hidden", "minibatch", "ms per epoch", "median"),
        *("GFLOP/s", "products alone", "by", "fraction"),
        left=("by",),
    )
    for layer in layers:
        shown.add_row(
            f"{layer.visible} x {layer.hidden}",
            str(layer.minibatch),
            f"{layer.seconds_an_epoch * 1e3:.0f}",
            f"{layer.seconds_an_epoch_median * 1e3:.0f}",
            f"{layer.gflops:.0f}",
            f"{layer.gflops_products:.0f}",
            layer.products_by,
            f"{layer.roofline_fraction:.2f}",
        )
    return shown


def _race_table(
    results: dict[int, dict[str, race.Result]],
    floors: dict[int, float],
    recipe: Recipe,
    nothing: float,
    workers: int,
) -> Table:
    shown = table(
        f"First layers of ten digits, epochs: {recipe.epochs}, images per minibatch: "
        f"{recipe.minibatch_size}; held-out error of the mean image: {nothing:.1f}",
        *("units", "by", "cores as", "seconds", "images/s", "median"),
        *("per core", "held-out error"),
        left=("by", "cores as"),
    )
    for units, found in results.items():
        images = found[HPOE].images_a_second * min(found[HPOE].seconds)
        for name, result in sorted(found.items(), key=lambda each: -each[1].images_a_second):
            shown.add_row(
                str(units),
                name,
                result.way,
                f"{min(result.seconds):.1f}",
                f"{result.images_a_second:,.0f}",
                f"{result.images_a_second_median:,.0f}",
                f"{images / result.core_seconds:,.0f}",
                f"{result.reconstruction_error:.1f}",
            )
        floor_row = f"{floors[units]:,.0f}", "", f"{floors[units] / workers:,.0f}"
        shown.add_row(str(units), "(products alone)", "", "", *floor_row, "")
    return shown


if __name__ == "__main__":
    typer.run(main)
