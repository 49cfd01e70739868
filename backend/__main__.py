"""Serves the API with waitress on API_HOST and API_PORT, until SIGINT or SIGTERM. `python -m backend`."""

import logging
import signal
import sys
from types import FrameType

from pydantic import ValidationError
from waitress import create_server

from app.pipelines import WrongDefinition
from app.settings import settings
from backend import close, create_app
from backend.database import POOL_SIZE
from backend.lake import REQUESTS

logger = logging.getLogger("backend")
# Bytes of an answer that are read before its reader takes them, in a file of /tmp: a slow one keeps no connection and
# no thread. In a container /tmp is memory.
AHEAD = 32 * 1024 * 1024


def _stop(_: int, __: FrameType | None) -> None:
    raise SystemExit  # waitress lets the requests that it works on end


def main() -> int:
    """Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        at = settings()
        app = create_app(at)
        server = create_server(
            app, host=at.api_host, port=at.api_port, threads=POOL_SIZE + REQUESTS, outbuf_high_watermark=AHEAD
        )
    except (ValidationError, WrongDefinition) as error:
        logger.error("%s", error)
        return 1
    except OSError as error:
        logger.error("cannot listen on %s:%d: %s; set API_HOST and API_PORT", at.api_host, at.api_port, error)
        return 1
    signal.signal(signal.SIGTERM, _stop)
    logger.info("listening on http://%s:%d", at.api_host, at.api_port)
    server.run()
    close(app)
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
