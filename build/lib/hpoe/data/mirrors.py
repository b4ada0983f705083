"""Files from public mirrors."""

from pathlib import Path

import pooch

SECONDS_TO_CONNECT = 10


def download(url: str, folder: Path) -> bytes:
    """A file's content, fetched into `folder` with a progress bar; its digest is the caller's care.

    Raises:
        OSError: it could not be reached.
    """
    pooch.get_logger().setLevel("WARNING")  # the progress bar says it all
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=SECONDS_TO_CONNECT)
    path = pooch.retrieve(url, known_hash=None, path=folder, downloader=downloader)
    return Path(path).read_bytes()
