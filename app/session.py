"""The Spark session of the jobs."""

from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from app.settings import Settings

SETTINGS = {
    # Equal must mean equal: one time zone, and an overflow is an error, never a null.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Else an array of which one text ends in an unknown escape is taken, without that text.
    "spark.sql.json.enablePartialResults": "false",
    # As JSON everywhere: of a name that stands twice in an object, the last counts.
    "spark.sql.variant.allowDuplicateKeys": "true",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # A plain local file system forks a process for each permission it reads; a checkpoint needs none.
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    # And Delta's own way to write a commit forks five.
    "spark.delta.logStore.file.impl": "io.delta.storage.LocalLogStore",
    "spark.databricks.delta.snapshotPartitions": "2",
    # What a table was is of no use for longer than its slowest reader takes: all of it is derived from the bronze rows.
    "spark.databricks.delta.properties.defaults.logRetentionDuration": "interval 1 day",
    "spark.databricks.delta.properties.defaults.deletedFileRetentionDuration": "interval 1 day",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",  # else deleting old files is ten thousand tasks
    "spark.databricks.delta.optimize.minFileSize": str(64 * 2**20),
    "spark.databricks.delta.optimize.maxFileSize": str(256 * 2**20),
    "spark.sql.shuffle.partitions": "2",
    # A job repeats its plans. Those of one pipeline are some sixty classes; of five, the hundred that Spark keeps are
    # not half, and each would be compiled, and found by Java to be hot, anew in every batch.
    "spark.sql.codegen.cache.maxEntries": "1000",
    "spark.ui.showConsoleProgress": "false",
    # Else ${…} in a text, of a definition or of a reader's question, stands for a variable of this process.
    "spark.sql.variable.substitute": "false",
    # Else every expression that is built asks Java half a dozen times where in Python it stands.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}
STREAMING = {
    # Adaptive execution runs every shuffle as a job of its own; a micro-batch is one job.
    "spark.sql.adaptive.enabled": "false",
    "spark.scheduler.mode": "FAIR",
    # Spark refuses any sort on a stream; the deduplication sorts within the partitions of a micro-batch: that is sound.
    "spark.sql.streaming.unsupportedOperationCheck": "false",
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    "spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows": "false",  # it looks up each key once more
    # The ledger makes a checkpoint disposable, so it needs neither a rename nor a checksum to be safe.
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
    "spark.sql.streaming.checkpoint.fileChecksum.enabled": "false",
    "spark.sql.streaming.minBatchesToRetain": "10",
    "spark.sql.streaming.metricsEnabled": "false",
    # A query that hangs is no reason to wait for ever: its pipeline stays stopped, and the others go on.
    "spark.sql.streaming.stopTimeout": "60s",
}
# What building an expression, or reading a checkpoint, asks Java for: else it looks for each part of such a name
# through all jars, and each time anew.
KNOWN = (
    "functions", "PythonUtils", "PythonSQLUtils", "org.apache.hadoop.fs.Path", "org.apache.commons.io.IOUtils",
)  # fmt: skip


def hive(at: Settings) -> dict[str, str]:
    """What Spark needs to know of the metastore."""
    return {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.metastore.uris": at.hive_metastore_uri,
        # A metastore that does not answer is no reason to wait long: what it is told can be told again.
        "spark.hadoop.hive.metastore.connect.retries": "1",
        "spark.hadoop.hive.metastore.client.socket.timeout": "30s",
        # The partitions of a table are the folders there are.
        "spark.sql.hive.manageFilesourcePartitions": "false",
        "spark.sql.warehouse.dir": warehouse(at),
    }


def warehouse(at: Settings) -> str:
    """Where Hive would put a table that names no place. None of ours is there, and no pipeline has this name."""
    return f"{at.lake_path}/_warehouse"


def file_system(spark: SparkSession, path: Any) -> Any:
    """Hadoop's file system of one of its paths."""
    return path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())


class SparkEnded(Exception):
    """The Spark application has ended under a job: that is no pipeline's fault, and no pipeline can go on."""


def require_running(spark: SparkSession) -> None:
    """Raises SparkEnded where the application of this session runs no longer."""
    try:
        ended = spark._jsc.sc().isStopped()
    except (Py4JError, OSError) as error:
        raise SparkEnded(f"Java has ended: {error}; see its last lines above, then start the job again") from error
    if ended:
        raise SparkEnded("the Spark application has ended; the lines above say why. Then start the job again")


def session(at: Settings, name: str, streaming: bool = False, more: dict[str, str] | None = None) -> SparkSession:
    """The session of a job; the master and resources come from spark-submit. The metastore is asked when first needed.

    `more` are settings of Spark that only this job has.
    """
    builder = SparkSession.builder.appName(name)
    for key, value in (SETTINGS | (STREAMING if streaming else {}) | hive(at) | (more or {})).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    for known in KNOWN:
        place: Any = spark.sparkContext._jvm
        for part in known.split("."):
            found = getattr(place, part)
            setattr(place, part, found)
            place = found
    return spark
