"""The command `hpoe`: says what to install where only the estimators are."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from hpoe.cli import app
    except ModuleNotFoundError as error:
        sys.exit(
            f"error: the command line needs the package {error.name}: "
            "run `pip install 'hpoe[pipeline,serve]'`"
        )
    app()


if __name__ == "__main__":
    main()
