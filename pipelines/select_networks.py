"""Stage select_networks: remove what networks have left behind that are not trained any more."""

from hpoe.execution.pipeline import SELECTED
from hpoe.execution.selection import remove_unselected
from hpoe.files import write_json
from hpoe.params import load_params
from hpoe.reporting import report_errors, say


@report_errors
def main() -> None:
    """Remove outputs of other networks from folders that stages read, and list those trained."""
    networks = load_params().train
    remove_unselected(networks, say)
    write_json(SELECTED, networks)


if __name__ == "__main__":
    main()
