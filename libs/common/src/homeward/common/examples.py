"""Made-up values for the examples in the OpenAPI document, from the schema and the names of fields."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
_BY_NAME: Mapping[str, Any] = {
    "actor": "client:operator",
    "agency": "victim-ngo",
    "receiving_agency": "victim-ngo",
    "recipient": "victim-ngo",
    "age": 26,
    "alternate_name": "Li Hua (made up)",
    "citizenship": "CHN",
    "country": "THA",
    "data_home": "THA",
    "date_of_birth": "1999-05-17",
    "full_name": "李花（虚构）",
    "home_city": "Guiyang",
    "home_province": "Guizhou",
    "last_known_location": "Mae Sot, Tak",
    "missing_since": "2025-11-02",
    "narrative": "Told of a job in Bangkok; last call on 2 November.",
    "name": "Border help (made up)",
    "reason": "Asked for by the person.",
    "replaces": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
    "reporter_relationship": "sister",
    "sex": "female",
    "texts": {"20-consent.cedar": '@id("…") @reason("…") permit (principal, action, resource) when {…};'},
    "cursor": "MS40Mi4zZjlhMDFjMmI0ZDU2",
    "kid": "bXk4mFfQ2b1Tj0h6o7s9u1w3y5A7C9E1G3I5K7M9O1Q",
    "public_jwk": {
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    },
}  # fmt: skip
"""The key is the one of RFC 8037, appendix A.2."""
_BY_FORMAT: Mapping[str, str] = {
    "uuid": "01936f3c-5b7e-7c41-9d2a-3f1e8b6a4c20",
    "date-time": "2026-01-15T08:30:00Z",
    "date": "2026-01-15",
    "uri": "https://example.org/",
    "binary": "…",
}


def example_of(schema: Json, schemas: Json, name: str = "") -> Any:
    """A value that ``schema`` allows; ``schemas`` are those it may refer to, ``name`` is its field's."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    for given in ("example", "const", "default"):
        if schema.get(given) is not None:
            return schema[given]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return example_of(next(s for s in schema[choice] if s.get("type") != "null"), schemas, name)
    return _plain(schema, schemas, name)


def _plain(schema: Json, schemas: Json, name: str) -> Any:
    kind = schema.get("type")
    if kind != "array" and name in _BY_NAME:
        return _BY_NAME[name]
    if kind == "object":
        return {key: example_of(one, schemas, key) for key, one in schema.get("properties", {}).items()}
    if kind == "array":
        singular = name.removesuffix("s")
        return [example_of(schema["items"], schemas, singular)] if schema.get("items") else []
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    return True if kind == "boolean" else _text(schema, name)


def _text(schema: Json, name: str) -> str:
    text = _BY_FORMAT.get(schema.get("format", ""), name.replace("_", " ") or "text")
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", 200)]
