"""The message of a product: one shape, whether the API gives it or the bundled sample."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.pipelines.products import PIPELINE
from app.settings import HOME
from producers.producing import Message
from producers.products import FIELDS, message
from tests.openfoodfacts import SAMPLE, as_given_by_the_api

LINES = SAMPLE.read_text().splitlines()


def event(of: Message) -> Any:
    return json.loads(of.value)


def test_the_pipeline_reads_no_field_that_is_not_sent() -> None:
    assert {field.name for field in PIPELINE.fields} <= set(FIELDS)


def test_the_bundled_sample_is_what_its_description_says() -> None:
    found = [json.loads(line) for line in LINES]
    edited = [datetime.fromtimestamp(product["last_modified_t"], UTC) for product in found]
    described = (HOME / "datasets/README.md").read_text()

    assert f"{len({product['code'] for product in found}):,} lines: one for each product" in described
    assert f"between {min(edited):%Y-%m-%d} and {max(edited):%Y-%m-%d}" in described
    assert all(f"`{name}`" in described for product in found for name in product)
    assert [product["code"] for product in found] == sorted(product["code"] for product in found)


def test_nothing_of_the_bundled_sample_is_lost_or_changed() -> None:
    for line in LINES:
        found = event(message(json.loads(line)))
        assert found == {name.replace("-", "_"): value for name, value in json.loads(line).items()}
        assert list(found) == [name for name in FIELDS if name in found]


def test_a_product_of_the_api_is_the_same_message_as_that_of_the_sample() -> None:
    for line in LINES:
        assert as_given_by_the_api(line) != json.loads(line)
        assert message(as_given_by_the_api(line)) == message(json.loads(line))


def test_a_product_is_keyed_by_its_code() -> None:
    assert message({"code": "0000101209159", "brands": "Bovetti"}).key == b"0000101209159"


def test_names_of_the_api_become_names_of_columns() -> None:
    product = {"nutriments": {"saturated-fat_100g": 0.10, "salt": 3}, "countries_tags_en": ["France", "Germany"]}

    assert event(message(product)) == {"countries_en": "France,Germany", "saturated_fat_100g": 0.1}


def test_an_empty_text_is_the_same_as_none() -> None:
    assert event(message({"code": "7", "brands": "", "product_name": None, "countries_tags_en": []})) == {"code": "7"}


@pytest.mark.parametrize(
    "product",
    [
        {"code": "1", "last_modified_t": "yesterday", "product_name": {"en": "Tea"}, "completeness": None},
        {"code": 17, "brands": ["a", "b"], "nutriments": [], "countries_tags_en": "France", "created_t": -1},
        {"product_name": "no code"},
        {"code": "\ud800", "nutriments": {"energy_100g": "much"}},
        {},
        [],
        "product",
        None,
        1.5,
    ],
)
def test_a_product_that_is_not_as_it_should_be_is_sent_as_it_is(product: Any) -> None:
    found = event(message(product))
    given = dict(product) if isinstance(product, dict) else product
    if isinstance(given, dict):
        nutriments = given.pop("nutriments", None) or {}
        given = {name: value for name, value in (given | dict(nutriments)).items() if value is not None}
        given.pop("countries_tags_en", None)

    assert found == given
