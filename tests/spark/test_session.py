"""What the session of a job is started with."""

import os
import subprocess
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession


def test_java_can_share_the_class_data_with_whatever_has_sparks_class_path(spark: SparkSession) -> None:
    java: Any = spark.sparkContext._jvm
    path = java.java.lang.System.getProperty("java.class.path")
    archive = f"-XX:SharedArchiveFile={os.environ['TIDEMARK_CLASS_DATA']}"
    program = Path(os.environ["JAVA_HOME"]) / "bin/java"

    # Else Java goes on without, and says nothing.
    done = subprocess.run(
        [program, "-Xshare:on", "-XX:+UseSerialGC", archive, "-cp", path, "-version"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "sharing" in done.stderr


def test_the_classes_of_five_pipelines_are_compiled_once(spark: SparkSession) -> None:
    java: Any = spark.sparkContext._jvm
    codegen = java.org.apache.spark.sql.catalyst.expressions.codegen
    compiled = java.org.apache.spark.metrics.source.CodegenMetrics.METRIC_COMPILATION_TIME()
    comments = java.PythonUtils.toScalaMap({})
    classes = [
        codegen.CodeAndComment(f"public Object generate(Object[] references) {{ return {number}; }}", comments)
        for number in range(500)
    ]

    for expected in (len(classes), 0):
        before = compiled.getCount()
        for one in classes:
            codegen.CodeGenerator.compile(one)
        assert compiled.getCount() - before == expected
