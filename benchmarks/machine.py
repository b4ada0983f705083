"""What measured figures depend on."""

import os
import platform
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info


def machine(workers: int) -> dict[str, Any]:
    """The processor and its libraries; the load tells whether the machine was quiet."""
    kernels = {
        Path(library["filepath"]).name: library["architecture"]
        for library in threadpool_info()
        if library.get("architecture")
    }
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "workers": workers,
        "openblas_kernels": kernels,
        "load_average": os.getloadavg()[0],
    }
