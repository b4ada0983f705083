"""The pipeline of a user's project, derived from the one of this repository.

`python -m tests.unit.project.derivation` writes it to src/hpoe/project, after a change of dvc.yaml.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "src/hpoe/project/templates/pipeline.yaml"
SOURCES = ROOT / "src/hpoe/project/sources.json"
LEFT_OUT = ("download", "paper_figures")
"""Stages that a project lacks: its images are there already, and it has no paper."""
COMMAND = re.compile(r"PYTHONPATH=src:\$PYTHONPATH python pipelines/(\w+)\.py")
CODE = re.compile(r"^      - ((?:src|pipelines)/.*)\n", re.MULTILINE)
HEAD = """\
# The pipeline, made by `hpoe init`; its stages run from the installed hpoe. `dvc repro` runs those
# whose inputs have changed: images, params, or the code of hpoe, whose digests are in code.json.
stages:
  # Runs every time, in a second: DVC cannot see by itself that another version is installed.
  code:
    cmd: python -m hpoe.project.code
    always_changed: true
    outs:
      - code.json:
          cache: false
          persist: true
"""


def own_stages() -> dict[str, str]:
    """The text of each stage of this repository's dvc.yaml that a project has, by its name."""
    _, _, body = (ROOT / "dvc.yaml").read_text().partition("\nstages:\n")
    texts = {re.findall(r"^  (\w+):$", each, re.M)[0]: each for each in body.split("\n\n")}
    return {name: f"{text.rstrip()}\n" for name, text in texts.items() if name not in LEFT_OUT}


def project_stage(name: str, text: str) -> str:
    """A stage as a project has it: of the installed code, and of the user's images."""
    text = COMMAND.sub(r"python -m hpoe.pipelines.\1", text)
    text = CODE.sub("", text).replace("      - data/raw\n", "      - ${data.path}\n")
    text = re.sub(r"    deps:\n(?!      -)", "", text)
    code = f"    params:\n      - code.json:\n          - {name}\n"
    before = "    params:\n" if "    params:\n" in text else "    outs:\n"
    return text.replace(before, code + before.removeprefix("    params:\n"), 1)


def pipeline() -> str:
    """The text of a project's dvc.yaml."""
    stages = [project_stage(name, text) for name, text in own_stages().items()]
    return "\n".join([HEAD, *stages])


def sources() -> dict[str, list[str]]:
    """The installed files and folders that each stage of a project depends on."""
    return {
        name: [
            f"hpoe/{path}" if path.startswith("pipelines/") else path.removeprefix("src/")
            for path in CODE.findall(text)
        ]
        for name, text in own_stages().items()
    }


if __name__ == "__main__":
    TEMPLATE.write_text(pipeline())
    SOURCES.write_text(json.dumps(sources(), indent=2) + "\n")
