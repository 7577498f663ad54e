"""A server that speaks as Amazon S3 does: S3Proxy (https://github.com/gaul/s3proxy) over a private folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.services.maven import JavaServer, free_ports, jars

_JARS = ("org.gaul:s3proxy:4.1.0", "com.fasterxml.jackson.core:jackson-annotations:2.21")
_MACHINE = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOGBACK = """<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder>
<pattern>%level %logger{20} %msg%n</pattern></encoder></appender><root level="WARN"><appender-ref ref="out"/></root>
</configuration>"""

ACCESS_KEY, SECRET_KEY = "penstock-tests", "s3-secret-8b2d"


class S3Server(JavaServer):
    """A server; `endpoint` is its address, `bucket()` makes a bucket."""

    def __init__(self, folder: Path) -> None:
        [port] = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{port}"
        self._buckets = folder / "data"
        self._buckets.mkdir()
        (folder / "logback.xml").write_text(_LOGBACK)
        settings = {
            "s3proxy.endpoint": self.endpoint,
            "s3proxy.authorization": "aws-v2-or-v4",
            "s3proxy.identity": ACCESS_KEY,
            "s3proxy.credential": SECRET_KEY,
            "jclouds.provider": "filesystem-nio2",
            "jclouds.filesystem.basedir": str(self._buckets),
        }
        (folder / "s3proxy.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        command = ("org.gaul.s3proxy.Main", "--properties", str(folder / "s3proxy.conf"))
        logging = f"-Dlogback.configurationFile={folder / 'logback.xml'}"
        super().__init__(folder, jars("s3proxy", *_JARS), *_MACHINE, logging, *command)

    def answers(self) -> bool:
        """Whether it answers, if only to refuse."""
        try:
            with urlopen(self.endpoint, timeout=2):
                return True
        except HTTPError:
            return True
        except (URLError, OSError):
            return False

    def bucket(self, name: str) -> str:
        """A new, empty bucket."""
        (self._buckets / name).mkdir()
        return name


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A server that runs while the block does."""
    server = S3Server(folder)
    try:
        server.start(server.answers)
        yield server
    finally:
        server.stop()
