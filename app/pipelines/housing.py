"""Housing values in suburbs of Boston: a table of which any row can be sent again, and the last one sent counts."""

from app.model import (
    Column, Count, Derived, Example, Histogram, LakeTable, Latest, Max, Mean, Min, Pipeline, Rollup, Scatter, Topic,
    View,
)  # fmt: skip

FIELDS = (
    Column("crim", "decimal(9,5)"),  # crimes a head
    Column("zn", "decimal(5,2)"),  # % of land for large lots
    Column("indus", "decimal(5,2)"),  # % of acres that are not retail
    Column("chas", "int"),  # 1: at the Charles river
    Column("nox", "decimal(6,4)"),  # nitric oxides, parts in 10 million
    Column("rm", "decimal(6,4)"),  # rooms a dwelling
    Column("age", "decimal(5,2)"),  # % built before 1940
    Column("dis", "decimal(7,4)"),  # distance to centres of employment
    Column("rad", "int"),  # access to highways
    Column("tax", "int"),  # dollars of tax in 10,000
    Column("ptratio", "decimal(5,2)"),  # pupils a teacher
    Column("b", "decimal(6,2)"),  # of the original data; see datasets/README.md
    Column("lstat", "decimal(5,2)"),  # % of the population of lower status
    Column("medv", "decimal(5,2)"),  # median value of a home, in 1,000 dollars
)

PIPELINE = Pipeline(
    name="housing",
    description="Suburbs of Boston and what homes are worth there: one row a suburb, as it was sent last.",
    topic=Topic("housing-data", partitions=3),
    # A message holds many rows; `id` is the number of the row in its file.
    columns=(Column("id", "int"), *FIELDS, Derived("created_at", "timestamp", "arrival")),
    event_time="created_at",
    lake=(LakeTable("silver"),),
    views=(
        View(
            "housing",
            description="One row a suburb",
            keys=("id",),
            measures=(Latest((*(field.name for field in FIELDS), "created_at"), by="created_at"),),
            indexes=("medv", "created_at"),
        ),
    ),
    rollups=(
        Rollup(
            "value",
            of="housing",
            description="What homes are worth in all suburbs",
            keys=(),
            measures=(Count("count"), Mean("mean", of="medv"), Min("min", of="medv"), Max("max", of="medv")),
        ),
    ),
    charts=(
        Histogram("housing", of="medv", title="What homes are worth, in 1,000 dollars"),
        Scatter("housing", x="rm", y="medv", title="What homes are worth, by rooms"),
    ),
    examples=(
        Example(
            '[{"id": 1, "crim": 0.00632, "zn": 18, "indus": 2.31, "chas": 0, "nox": 0.538, "rm": 6.575, "age": 65.2, '
            '"dis": 4.09, "rad": 1, "tax": 296, "ptratio": 15.3, "b": 396.9, "lstat": 4.98, "medv": 24}, '
            '{"id": 2, "crim": 0.02731, "zn": 0, "indus": 7.07, "chas": 0, "nox": 0.469, "rm": 6.421, "age": 78.9, '
            '"dis": 4.9671, "rad": 2, "tax": 242, "ptratio": 17.8, "b": 396.9, "lstat": 9.14, "medv": 21.6}]'
        ),
        Example('[{"id": 3}]', reason="missing_crim"),
    ),
)
