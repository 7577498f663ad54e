"""How much memory a PDF may take: a page of a megabyte may unfold to gigabytes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.errors import RejectedError

TOO_LARGE_STATUS = "pdf_too_large"


@contextmanager
def bounded_memory(megabytes: int) -> Iterator[None]:
    """Let this process take so much more memory than it has now; on Linux alone.

    Python tells of more by a `RejectedError`; PDFium ends the process, which is the stage host's: the document fails
    with a `StageCrashError`, the others go on in a new host.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    limit = min([taken + megabytes * 2**20, *bounds])
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    except MemoryError as exc:
        message = f"PDF: needs more than {megabytes} MB of memory to be read"
        raise RejectedError(message, status=TOO_LARGE_STATUS) from exc
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
