"""Does once what jobs do all the time, so that Java, which is told to, shares the data of these classes with them.

spark-submit --driver-java-options -XX:ArchiveClassesAtExit=FILE app/class_data.py
"""

import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where spark-submit points it

from pyspark.sql import DataFrame

from app.duplicates import duplicates_marked
from app.events import EXAMPLES_ARRIVE, MESSAGE
from app.model import Pipeline
from app.pipelines import select
from app.session import session
from app.settings import Settings
from app.transform import aggregate, decode


def count(messages: DataFrame, pipeline: Pipeline) -> None:
    """Counts messages as both layers do."""
    aggregate(duplicates_marked(decode(messages, pipeline), pipeline).filter("_duplicate = 0"), pipeline).toArrow()


def work(folder: str) -> None:
    """Reads, counts and writes the examples of a pipeline, as a batch and as a stream."""
    at = Settings(lake_path=f"file://{folder}/lake", checkpoint_path=f"file://{folder}/checkpoints")
    # Nothing is asked of a metastore.
    spark = session(at, "tidemark class data", streaming=True, more={"spark.sql.catalogImplementation": "in-memory"})
    pipeline, path = select([])[0], f"{at.lake_path}/bronze"
    values = [bytearray(example.message.encode()) for example in pipeline.examples]
    messages = spark.createDataFrame([("", 0, n, EXAMPLES_ARRIVE, value) for n, value in enumerate(values)], MESSAGE)
    for mode in ("append", "overwrite", "append"):
        messages.write.format("delta").mode(mode).save(path)
    count(spark.read.format("delta").load(path).persist(), pipeline)
    stream = spark.readStream.format("delta").load(path).writeStream.trigger(availableNow=True)
    stream = stream.option("checkpointLocation", f"{at.checkpoint_path}/class_data")
    stream.foreachBatch(lambda rows, _: count(rows, pipeline)).start().awaitTermination()
    spark.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="tidemark-class-data-") as scratch:
        work(scratch)
