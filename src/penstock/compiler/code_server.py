"""The code server of `penstock up`: one process that has the code location loaded, and loads it anew when told to.

Webserver and daemon ask it over a socket. `dagster code-server` starts a new process for new code and lets the old one
end after its runs (https://docs.dagster.io/deployment/code-locations/running-a-local-ui-with-code-server), so that an
edit disturbs no run; both clients notice within a second that the server is another one.
"""

from pathlib import Path

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient

from penstock.compiler.in_process import LOCATION
from penstock.effects import effect

_WORKSPACE = "load_from: [{{grpc_server: {{socket: {socket}, location_name: {location}}}}}]\n"
_RELOAD_SECONDS = 180


class CodeServer:
    """Where the code server listens: a socket in a folder that nobody else may enter, as it asks for no password."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "code.sock"
        self.workspace = folder / "workspace.yaml"
        with effect("up.workspace"):
            self.workspace.write_text(_WORKSPACE.format(socket=self._socket, location=LOCATION))

    @property
    def command(self) -> list[str]:
        """What starts it, after `python -m`."""
        return ["dagster", "code-server", "start", "-m", LOCATION, "--location-name", LOCATION, "-s", str(self._socket)]

    def is_ready(self) -> bool:
        """Whether it answers: it does once the location is loaded."""
        try:
            return self._socket.exists() and bool(self._client().ping("penstock"))
        except DagsterUserCodeUnreachableError:
            return False

    def reload(self) -> None:
        """Load the code location anew; returns when that is done."""
        self._client().reload_code(timeout=_RELOAD_SECONDS)

    def _client(self) -> DagsterGrpcClient:
        return DagsterGrpcClient(socket=str(self._socket))
