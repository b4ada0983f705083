"""What is removed of networks that are not trained any more, and what is not."""

import subprocess
from pathlib import Path

import pytest

from hpoe.execution.selection import remove_unselected
from hpoe.files import digest

OF_DVC = {
    "data/goodness/default.parquet": "trained",
    "data/goodness/h25.parquet": "trained before",
    "reports/runs/train_layer1@h25.json": "{}",
    "reports/runs/evaluate.json": "{ }",
}
OF_A_USER = {"data/goodness/mine.parquet": "mine", "data/goodness/notes.txt": "trained before"}


def test_only_outputs_of_other_networks_that_dvc_can_restore_are_removed(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["dvc", "init", "--quiet", "--no-scm"], check=True)
    (tmp_path / "dvc.yaml").write_bytes((repository / "dvc.yaml").read_bytes())
    for name, text in {**OF_DVC, **OF_A_USER}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for md5 in (digest(tmp_path / name, "md5") for name in OF_DVC):
        cached = tmp_path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.touch()
    said: list[str] = []
    remove_unselected(["default"], said.append)
    left = {name for name in {**OF_DVC, **OF_A_USER} if (tmp_path / name).exists()}
    removed = {"data/goodness/h25.parquet", "reports/runs/train_layer1@h25.json"}
    assert left == {*OF_DVC, *OF_A_USER} - removed
    (line,) = said
    assert line.startswith("data/goodness/mine.parquet is of no network that is trained")
