"""Stage usps: fetch, verify and split the USPS digits of section 6."""

from pathlib import Path

from hpoe.data import usps
from hpoe.data.split import save_class
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
        for label, images in usps.split(RAW, load_section_six().usps_unsupervised):
            save_class(USPS, label, images)


if __name__ == "__main__":
    main()
