"""What must be set before Haystack is first imported: no telemetry, and no log handler of its own."""

import logging
import os


def prepare_haystack() -> None:
    """Make `import haystack` quiet and free of side effects. What the user has set in the environment stays.

    Its components report a failure as an exception and as a log line; the line may quote a document, so it is dropped.
    """
    os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")
    os.environ.setdefault("HAYSTACK_LOGGING_IGNORE_STRUCTLOG", "true")
    logging.getLogger("haystack.components").setLevel(logging.CRITICAL + 1)
