"""Stage usps: fetch, verify and split the USPS digits of section 6."""

from pathlib import Path

from hpoe.data import usps
from hpoe.data.division import make_split
from hpoe.data.section_six import USPS_DATA, usps_split
from hpoe.execution.pipeline import USPS
from hpoe.execution.stage import stage
from hpoe.params import load_section_six
from hpoe.reporting import report_errors

RAW = Path("data/usps/raw")


@report_errors
def main() -> None:
    """Fetch the files that are missing, and split the images."""
    with stage("usps") as running:
        usps.fetch(RAW, running.settings.usps_dir, running.say)
        sizes = usps_split(load_section_six().usps_unsupervised)
        workers, seed = running.settings.workers, running.params.seed
        make_split(USPS, USPS_DATA, sizes, seed, raw=RAW, workers=workers, say=running.say)


if __name__ == "__main__":
    main()
