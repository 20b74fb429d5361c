"""Contact cards as text, of all ages."""

from __future__ import annotations

from typing import Any

import pytest

from providers.shapes.vcards import card_of


def card(*lines: str) -> Any:
    return card_of("\r\n".join(("BEGIN:VCARD", "VERSION:3.0", *lines, "END:VCARD")))


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ((), {}),
        (("FN:Barbara Johnson",), {"name": {"formatted_name": "Barbara Johnson"}}),
        (
            ("N:Johnson;Barbara;Joana;Dr.;MD", "FN:Dr. Barbara"),
            {
                "name": {
                    "last_name": "Johnson", "first_name": "Barbara", "middle_name": "Joana", "prefix": "Dr.",
                    "suffix": "MD", "formatted_name": "Dr. Barbara",
                }
            },
        ),
        (("N:;;;;",), {}),
        (("N:O\\;Neil;Ann\\, Mary;;;",), {"name": {"last_name": "O;Neil", "first_name": "Ann, Mary"}}),
        (
            ("TEL;type=CELL;type=VOICE;waid=16505550100:+1 650-555-0100",),
            {"phones": [{"phone": "+1 650-555-0100", "type": "CELL", "wa_id": "16505550100"}]},
        ),
        (("TEL;HOME;VOICE:+1 650-555-0101",), {"phones": [{"phone": "+1 650-555-0101", "type": "HOME"}]}),
        (("item1.TEL:1", "tel;type=pref:2"), {"phones": [{"phone": "1"}, {"phone": "2"}]}),
        (("TEL;type=CELL:", "TEL", "NOTE:none"), {}),
        (("EMAIL;type=INTERNET;type=WORK:a@example.com",), {"emails": [{"email": "a@example.com", "type": "WORK"}]}),
        (("URL:https://example.com/a:b",), {"urls": [{"url": "https://example.com/a:b"}]}),
        (
            ("ORG:Shop;Sales", "TITLE:Clerk", "BDAY:1990-01-31"),
            {"organization": {"company": "Shop", "department": "Sales", "title": "Clerk"}, "birthday": "1990-01-31"},
        ),
        (
            ("ADR;type=HOME:;;1 Main St;Menlo Park;CA;94025;USA",),
            {
                "addresses": [
                    {
                        "street": "1 Main St", "city": "Menlo Park", "state": "CA", "zip": "94025", "country": "USA",
                        "type": "HOME",
                    }
                ]
            },
        ),
        (("FN:Barba", " ra"), {"name": {"formatted_name": "Barbara"}}),
    ],
)  # fmt: skip
def test_fields(lines: tuple[str, ...], fields: dict[str, Any]) -> None:
    assert card(*lines) == fields


def test_what_is_no_card_has_no_fields() -> None:
    for text in ("", "FN", ":", ";;", "\n\n", "no card"):
        assert card_of(text) == {}
