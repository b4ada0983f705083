"""Stage publish: complete the execution's run in MLflow with the results that are reused."""

from hpoe.execution.copies import share_stores
from hpoe.execution.reuse import publish_reused
from hpoe.params import load_params
from hpoe.reporting import report_errors, say
from hpoe.settings import load_settings


@report_errors
def main() -> None:
    """Find the stages that DVC did not run in this execution, and show their results in its run."""
    share_stores()
    publish_reused(load_params(), load_settings(), say)


if __name__ == "__main__":
    main()
