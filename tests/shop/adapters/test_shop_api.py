"""docs/shop-api.yaml describes what the adapter reads, and its example stays small."""

import yaml

from shop.adapters import http
from shop.port import OrderStatus
from tests.shop.adapters.http_shop import EXAMPLE


def test_the_description_names_what_is_read() -> None:
    described = yaml.safe_load((EXAMPLE.parents[1] / "shop-api.yaml").read_text(encoding="utf-8"))
    schemas = described["components"]["schemas"]

    for shape in (http._Order, http._Goods, http._Code, http._Proved, http._Recognised, http._Stock, http._Done):
        schema = schemas[shape.__name__.removeprefix("_")]
        assert set(schema["properties"]) == set(shape.model_fields)
        required = {name for name, field in shape.model_fields.items() if field.is_required()}
        assert required <= set(schema.get("required", ()))
    assert schemas["Order"]["properties"]["status"]["enum"] == [status.value for status in OrderStatus]
    assert len([line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line.strip()]) <= 110
