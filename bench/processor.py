"""The processor time of a Spark application: its JVM and its Python."""

import os
from collections.abc import Callable

import psutil
from pyspark.sql import SparkSession


def processor_seconds(spark: SparkSession, work: Callable[[], object]) -> float:
    """CPU-seconds that the driver, which is the executor too, takes for some work."""
    jvm = psutil.Process(spark._jvm.java.lang.ProcessHandle.current().pid())  # type: ignore[union-attr]
    processes = (jvm, psutil.Process(os.getpid()))
    before = [process.cpu_times() for process in processes]
    work()
    after = [process.cpu_times() for process in processes]
    return sum(b.user + b.system - a.user - a.system for a, b in zip(before, after, strict=True))
