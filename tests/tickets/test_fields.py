"""The owner's own fields: what may be typed into each kind."""

import pytest

from tickets.errors import BadField, NotAChoice, NotADate, NotANumber
from tickets.fields import TEXT_LIMIT, FieldKind, Label, TicketField, find_field

REGION = TicketField("region", FieldKind.CHOICE, Label("区服", "Region"), ("国服", "美服"))
LOSS = TicketField("loss", FieldKind.NUMBER, Label("损失", "Loss"))
PAID_ON = TicketField("paid_on", FieldKind.DATE, Label("赔付日期", "Paid on"))
BATCH = TicketField("batch", FieldKind.TEXT, Label("批次", "Batch"))


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        pytest.param(BATCH, "  上海 7 ", "上海 7", id="text"),
        pytest.param(BATCH, " ", None, id="nothing"),
        pytest.param(LOSS, "12", 12, id="whole number"),
        pytest.param(LOSS, "1,234.50", 1234.5, id="with commas"),
        pytest.param(LOSS, "-.5", -0.5, id="less than nothing"),
        pytest.param(REGION, "美服", "美服", id="choice"),
        pytest.param(PAID_ON, "2026-03-02", "2026-03-02", id="date"),
        pytest.param(PAID_ON, "2026/3/2", "2026-03-02", id="date with slashes"),
        pytest.param(PAID_ON, "2028-02-29", "2028-02-29", id="leap day"),
    ],
)
def test_a_value_is_kept_in_one_form(field: TicketField, typed: str, value: object) -> None:
    assert field.read(typed) == value
    assert type(field.read(typed)) is type(value)


@pytest.mark.parametrize(
    ("field", "typed", "refusal"),
    [
        pytest.param(LOSS, "a lot", NotANumber, id="no number"),
        pytest.param(LOSS, "nan", NotANumber, id="not a number"),
        pytest.param(LOSS, "1e999", NotANumber, id="infinite"),
        pytest.param(LOSS, "٣", NotANumber, id="digits of another script"),
        pytest.param(LOSS, "9" * 13, NotANumber, id="too long"),
        pytest.param(PAID_ON, "yesterday", NotADate, id="no date"),
        pytest.param(PAID_ON, "2026-02-29", NotADate, id="no such day"),
        pytest.param(PAID_ON, "0000-01-01", NotADate, id="no such year"),
        pytest.param(REGION, "日服", NotAChoice, id="no choice"),
        pytest.param(BATCH, "x" * (TEXT_LIMIT + 1), BadField, id="too long a text"),
    ],
)
def test_anything_else_is_refused_with_the_name_of_the_field(
    field: TicketField, typed: str, refusal: type[BadField]
) -> None:
    with pytest.raises(refusal, match=str(field.label)):
        field.read(typed)


def test_a_field_is_found_by_its_name() -> None:
    assert find_field((LOSS, REGION), "region") is REGION
    assert find_field((LOSS, REGION), "Region") is None
    assert LOSS.label("zh") == "损失"
