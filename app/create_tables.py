"""Prints hive/create_tables.hql: the statements that make the Parquet tables of all pipelines.

python -m app.create_tables > hive/create_tables.hql
"""

from app.external import create_database, create_table
from app.pipelines import select

LAKE = "${hivevar:lake}"
HEAD = """\
-- The external tables of the Parquet files that the streaming job writes, for Hive or Spark:
--
--     beeline -u jdbc:hive2://HOST:10000 -n USER -p PASSWORD --hivevar lake=LAKE_PATH -f hive/create_tables.hql
--
-- The jobs make the tables by themselves where they are missing, and add the partitions as they come.
-- Made of the definitions in app/pipelines by: python -m app.create_tables > hive/create_tables.hql
"""


def script() -> str:
    """The content of hive/create_tables.hql."""
    statements = []
    for pipeline in select([]):
        if pipeline.parquet_tables:
            statements.append(create_database(pipeline.name, f"{LAKE}/{pipeline.name}"))
        for table in pipeline.parquet_tables:
            statements.append(create_table(pipeline, table, f"{LAKE}/{pipeline.name}/{table.name}"))
    return "\n".join([HEAD, *(f"{statement};\n" for statement in statements)])


def main() -> None:
    print(script(), end="")


if __name__ == "__main__":
    main()
