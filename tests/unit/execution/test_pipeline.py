"""The stages and their records, as dvc.yaml and paper/dvc.yaml describe them."""

from pathlib import Path

import pytest
import yaml

from hpoe.execution.pipeline import exists_per_network, record_path, stage_labels


@pytest.fixture(autouse=True)
def _repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)


def test_every_stage_has_a_label_and_some_have_one_per_network() -> None:
    labels = stage_labels(["default", "h25"])
    assert labels[:4] == ["download", "split", "train_layer1@default", "train_layer1@h25"]
    assert labels[-2:] == ["register", "publish"]
    assert exists_per_network("extract_goodness")
    assert not any(map(exists_per_network, ("evaluate", "baseline", "usps")))


@pytest.mark.parametrize("file", ["dvc.yaml", "paper/dvc.yaml"])
def test_each_stage_writes_its_record_where_dvc_expects_it(file: str) -> None:
    for stage, description in yaml.safe_load(Path(file).read_text())["stages"].items():
        if stage not in ("select_networks", "publish"):  # neither computes a result
            outs = [
                next(iter(out)) if isinstance(out, dict) else out  # with options such as `persist`
                for out in description.get("do", description)["outs"]
            ]
            names = {Path(out).name.partition("@")[0].removesuffix(".json") for out in outs}
            folder = str(record_path(stage).parent)
            assert stage in names
            assert [out for out in outs if Path(out).parent == Path(folder)] != []
