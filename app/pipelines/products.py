"""Food products of Open Food Facts: each as it was edited last, and what that makes of all of them."""

from app.model import (
    Bars, Check, Column, Count, Derived, Example, LakeTable, Latest, Pipeline, Rollup, Sliding, Topic, Tumbling, View,
)  # fmt: skip

SHOWN = (
    "product_name", "brands", "brand", "categories", "countries_en", "nutriscore_grade", "nutriscore_score",
    "nova_group", "energy_100g", "completeness", "modified_at",
)  # fmt: skip

NUTRI_SCORE = ("#038141", "#85bb2f", "#fecb02", "#ee8100", "#e63e11", "#9aa0a6")  # A to E as on packages, and unknown
PIPELINE = Pipeline(
    name="products",
    description="Food products of Open Food Facts, as they were edited last.",
    topic=Topic("openfood-topic", partitions=3),
    columns=(
        Column("code", "string", clean="trim(code)"),
        Column("product_name", "string", required=False, clean="nullif(trim(product_name), '')"),
        Column("brands", "string", required=False, clean="nullif(trim(brands), '')"),
        Column("categories", "string", required=False),
        Column("countries_en", "string", required=False),
        Column("nutriscore_grade", "string", required=False, clean="coalesce(lower(nutriscore_grade), 'unknown')"),
        Column("nutriscore_score", "int", required=False),
        Column("nova_group", "int", required=False),
        Column("energy_100g", "decimal(12,3)", required=False),
        Column("completeness", "decimal(8,6)", required=False),
        Column("created_t", "bigint", required=False),
        Column("last_modified_t", "bigint"),
        Derived("brand", "string", "trim(split_part(brands, ',', 1))", required=False),
        Derived("modified_at", "timestamp", "timestamp_micros(1000000 * last_modified_t)"),
        Derived("arrived_at", "timestamp", "arrival"),
    ),
    event_time="arrived_at",
    checks=(Check("code_empty", "code <> ''"),),
    lake=(LakeTable("silver"),),
    views=(
        View(
            "products",
            description="One row a product, as it was edited last",
            keys=("code",),
            # An older revision that comes later changes nothing.
            measures=(Latest(SHOWN, by="modified_at"),),
        ),
        View("arrivals", (Tumbling("1 minute"),), (Count("count"),), "Products that came in a minute"),
        View(
            "arrivals_sliding",
            (Sliding("10 minutes", "1 minute"),),
            (Count("count"),),
            "Products that came in ten minutes, for each minute",
        ),
    ),
    rollups=(
        Rollup(
            "grades", "products", ("nutriscore_grade",), (Count("products"),), description="Products by Nutri-Score"
        ),
        Rollup("brands", "products", ("brand",), (Count("products"),), most=20, description="Brands of most products"),
    ),
    charts=(
        Bars("grades", "nutriscore_grade", "products", (*"abcde", "unknown"), NUTRI_SCORE, share=True),
        Bars("brands", "brand", "products"),
        Bars("arrivals", "window_start", "count", most=60),
    ),
    examples=(
        Example(
            '{"code": "3017620422003", "product_name": "Spread", "brands": "Nuts, Sons", "nutriscore_grade": "e", '
            '"nova_group": 4, "energy_100g": 2252, "last_modified_t": 1700000000}'
        ),
        Example('{"code": "1", "last_modified_t": 1700000001}'),
        Example('{"code": " ", "last_modified_t": 1700000001}', reason="code_empty"),
        Example('{"code": "1"}', reason="missing_last_modified_t"),
    ),
)
