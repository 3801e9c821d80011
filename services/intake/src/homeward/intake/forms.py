"""What intake's HTTP API takes and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from homeward.common.contracts import StatedConsent

MAX_REPORTS = 1_000
MAX_CONSENTS = 100


def _storable(text: str) -> str:
    """Half a surrogate pair is no text: it cannot be written in UTF-8."""
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "NUL is not allowed")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise PydanticCustomError("string_unicode", "not valid Unicode")
    return text


def _digits(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, AfterValidator(_storable)]
Age = Annotated[
    Text, BeforeValidator(_digits), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})
]
"""A number, or what was said instead of one."""


class ConsentIn(StatedConsent):
    """A consent as stated with a report or a list."""

    expires_at: AwareDatetime | None = None
    """With a zone: families and recipients live in several."""


Consents = Annotated[list[ConsentIn], Field(max_length=MAX_CONSENTS)]


class ReportIn(BaseModel):
    """One report, by the canonical columns. Only ``full_name`` is needed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    full_name: Text
    kind: Literal["missing", "found"] = "missing"
    reporter_reference: Text | None = None
    alternate_names: list[Text] | None = None
    sex: Text | None = None
    date_of_birth: Text | None = None
    age: Age | None = None
    id_number: Text | None = None
    passport_number: Text | None = None
    phone: Text | None = None
    wechat: Text | None = None
    citizenship: list[Text] | None = None
    home_province: Text | None = None
    home_city: Text | None = None
    last_known_location: Text | None = None
    missing_since: Text | None = None
    physical_description: Text | None = None
    narrative: Text | None = None
    appeal: Text | None = None
    police_case: Text | None = None
    reporter_name: Text | None = None
    reporter_relationship: Text | None = None
    reporter_contact: Text | None = None
    source_list: Text | None = None
    consents: Consents = []
    """Consents as the reporter stated them, per purpose, recipient and field classes."""

    def cells(self) -> dict[str, str]:
        """As the cells of a list's row."""
        said = self.model_dump(exclude_none=True, exclude={"consents"})
        return {name: ";".join(v) if isinstance(v, list) else str(v) for name, v in said.items()}


def _one_or_many(body: Any) -> str:
    return "many" if isinstance(body, list) else "one"


ReportsIn = Annotated[
    Annotated[ReportIn, Tag("one")]
    | Annotated[list[ReportIn], Field(min_length=1, max_length=MAX_REPORTS), Tag("many")],
    Discriminator(_one_or_many),
]
"""One report, or a list of up to 1,000."""


class RowError(BaseModel):
    """A cell that could not be read, or why a row was refused. Never the value."""

    row: int
    field: str
    code: str
    detail: str


class Receipt(BaseModel):
    """What became of one report, and how to ask for it later."""

    row: int
    outcome: Literal["accepted", "already_imported", "rejected"]
    report_id: UUID | None = None
    event_id: UUID | None = None
    receipt: str | None = None
    signed_receipt: str | None = None
    """JWS (Ed25519) over report id, event id and time; keys at ``/v1/receipt-keys``."""


class Imported(BaseModel):
    """What became of a list; rows = accepted + already_imported + rejected."""

    rows: int
    accepted: int
    already_imported: int
    rejected: int
    errors: list[RowError]
    results: list[Receipt]


class ReceiptState(BaseModel):
    """What happened to a report since."""

    receipt: str
    report_id: UUID
    event_id: UUID
    received_at: datetime
    state: Literal["received", "erased"]
    signed_receipt: str
