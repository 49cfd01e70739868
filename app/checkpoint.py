"""What a streaming checkpoint says of offsets. A checkpoint is a cache: the ledger says whether it may be used."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from app.ledger import Offsets
from app.session import file_system

logger = logging.getLogger(__name__)


class Checkpoint:
    """The folder that Structured Streaming keeps the progress and the state of one Kafka query in."""

    def __init__(self, spark: SparkSession, path: str, topic: str) -> None:
        jvm: Any = spark._jvm
        self._jvm = jvm
        self.path = path
        self._files: Any = file_system(spark, self._path())
        self.topic = topic

    def _path(self, *parts: str, suffix: str = "") -> Any:
        return self._jvm.org.apache.hadoop.fs.Path("/".join((self.path + suffix, *parts)))

    def begun(self) -> datetime | None:
        """When its query was first started; None if it never was."""
        path = self._path("metadata")
        if not self._files.exists(path):
            return None
        return datetime.fromtimestamp(self._files.getFileStatus(path).getModificationTime() / 1000, UTC)

    def delete(self) -> None:
        """Takes all of it away at once: a job that is killed meanwhile leaves no half of a checkpoint behind."""
        path, going = self._path(), self._path(suffix=".deleted")
        self._files.delete(going, True)
        if self._files.exists(path) and not self._files.rename(path, going):
            self._files.delete(path, True)  # where nothing can be renamed
        self._files.delete(going, True)

    def end(self, batch: int) -> Offsets:
        """The offsets that a micro-batch ends before.

        Raises:
            ValueError: the checkpoint does not name them.
        """
        return self._offsets("offsets", str(batch))

    def start(self, batch: int) -> Offsets:
        """The offsets that a micro-batch starts at: where the one before it ends."""
        return self.end(batch - 1) if batch else self._offsets("sources", "0", "0")

    def resumes_at(self) -> Offsets | None:
        """The offsets of the first micro-batch that Spark would run from this checkpoint.

        None if it holds none, or if it cannot be read, as after a power failure.
        """
        try:
            planned, done = self._latest("offsets"), self._latest("commits")
            if done is not None:
                json.loads(self._text("commits", str(done)).splitlines()[-1])  # Spark refuses an unfinished one
            if planned is None:
                return None
            return self.end(planned) if planned == done else self.start(planned)
        except (ValueError, IndexError, Py4JJavaError) as error:
            logger.warning("the checkpoint %s cannot be read and is made anew: %s", self.path, error)
            return None

    def _latest(self, folder: str) -> int | None:
        path = self._path(folder)
        if not self._files.exists(path):
            return None
        names = [status.getPath().getName() for status in self._files.listStatus(path)]
        return max((int(name) for name in names if name.isdigit()), default=None)

    def _text(self, *parts: str) -> str:
        stream = self._files.open(self._path(*parts))
        try:
            return str(self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def _offsets(self, *parts: str) -> Offsets:
        text = self._text(*parts)
        for line in reversed(text.splitlines()):
            found = json.loads(line[line.index("{") :]) if "{" in line else {}
            if self.topic in found:
                return {int(partition): offset for partition, offset in found[self.topic].items()}
        raise ValueError(f"{self.path}/{'/'.join(parts)} names no offsets of the topic {self.topic}; found: {text!r}")
