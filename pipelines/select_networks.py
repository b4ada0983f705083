"""Stage select_networks: remove what folders still hold of networks that are no longer trained."""

from hpoe.execution.copies import enter_copy
from hpoe.execution.pipeline import GOODNESS, NETWORKS, RECORDS
from hpoe.files import write_json
from hpoe.params import load_params
from hpoe.reporting import report_errors


@report_errors
def main() -> None:
    """Leave in the folders that later stages depend on only what belongs to the present networks.

    DVC keeps the outputs of a network that is no longer trained. In a folder that is a dependency
    they would count as changes. What is removed is in DVC's cache.
    """
    enter_copy()
    networks = load_params().train
    for record in RECORDS.glob("*@*.json"):
        network = record.stem.partition("@")[2]
        if network not in networks:
            (GOODNESS / f"{network}.parquet").unlink(missing_ok=True)
            record.unlink()
    write_json(NETWORKS, networks)


if __name__ == "__main__":
    main()
