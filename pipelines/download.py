"""Stage download: fetch MNIST's or USPS's files to data/raw and verify them."""

from hpoe.data.fetching import fetch_source, is_complete
from hpoe.execution.pipeline import RAW
from hpoe.execution.stage import stage
from hpoe.params import load_params
from hpoe.reporting import report_errors
from hpoe.settings import load_settings


@report_errors
def main() -> None:
    """Fetch the files that are missing; a source that has a path is read where it is."""
    data = load_params().data
    if load_settings().restore_only and is_complete(data.source, RAW):
        return  # DVC runs this stage again, because it restores no output that persists
    with stage("download") as running:
        if fetch_source(data.source, RAW, running.settings, running.say):
            running.say(f"{data.source.upper()} is complete, and its SHA-256 digests are correct")
        else:
            RAW.mkdir(parents=True, exist_ok=True)
            running.say(f"nothing to fetch: the images are read from {data.path}")


if __name__ == "__main__":
    main()
