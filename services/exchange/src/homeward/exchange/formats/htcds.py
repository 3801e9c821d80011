"""HTCDS CSV (Human Trafficking Case Data Standard 2.0): one row a person, 37 columns.

Only what somebody said is in it. A name stands whole in ``prs_FirstName``, since nobody can tell in every
language which part of it is which. Where the person was last known to be is not where they were exploited,
so that column stays empty.
"""

import csv
import io
import re
from collections.abc import Sequence

from homeward.common.contracts import FieldClass

from .people import Told

CLASSES = frozenset(
    {
        FieldClass.ENVELOPE, FieldClass.STATUS, FieldClass.PERSON_IDENTITY, FieldClass.PERSON_DESCRIPTION,
        FieldClass.REFERRAL,
    }
)  # fmt: skip
"""The classes that it has columns for."""

COLUMNS = (
    "cas_CaseOwner", "prs_Salutation", "prs_FirstName", "prs_SecondName", "con_Consent", "prs_Birthdate",
    "prs_Gender", "prs_Citizenship", "prs_Title", "prs_Email", "prs_HomePhone", "prs_MobilePhone",
    "prs_MailingCity", "prs_MailingCountry", "prs_MailingState", "prs_MailingStreet", "prs_MailingPostalCode",
    "vic_TraffickingStatus", "vic_TraffickinStatusDecisionMakingOrg", "vic_MethodOfRecruitment",
    "vic_LocationOfRecruitment", "vic_MethodsOfControl", "vic_TypeOfExploitation", "vic_ForcedLabourIndustry",
    "vic_TypeOfSexExploitation", "vic_LocationOfExploitation", "cas_Status", "cas_ReferringOrganisation",
    "cas_IncomingReferralDate", "cas_ReferringPrimaryCaseWorker", "cas_ReasonForIncomingReferral",
    "cas_IncomingReferralDetails", "cas_ReferredOrganisation", "cas_ReferredPrimaryCaseWorker",
    "cas_OutgoingReferralDate", "cas_OutgoingReferralDetails", "cas_ReasonForCaseClosure",
)  # fmt: skip
"""In the standard's order, its typing error included."""
_GENDERS = {"M": "Masculine", "F": "Feminine"}
_PHONE = re.compile(r"[+-][\d\s().-]*")


def write(told: Sequence[Told]) -> bytes:
    """The file (RFC 4180, UTF-8), with its header."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    for one in told:
        writer.writerow({name: _cell(value) for name, value in _row(one).items()})
    return file.getvalue().encode()


def _row(told: Told) -> dict[str, str]:
    row = {
        "prs_FirstName": told.first("full_name"),
        "prs_Birthdate": told.first("date_of_birth"),
        "prs_Gender": _GENDERS.get(told.first("sex") or ""),
        "prs_Citizenship": ";".join(told.first("citizenship") or ()),
        "prs_MobilePhone": told.first("phone"),
        "prs_MailingCity": told.first("home_city"),
        "prs_MailingState": told.first("home_province"),
    }
    if told.statuses:
        newest = max(told.statuses, key=lambda said: said.fields.get("asserted_at") or "").fields
        row["vic_TraffickingStatus"] = newest.get("trafficking_status")
        row["vic_TraffickinStatusDecisionMakingOrg"] = newest.get("deciding_organisation")
    if told.cases:
        row["cas_Status"] = told.cases[-1].fields.get("case_status")
        row["cas_ReasonForCaseClosure"] = told.cases[-1].fields.get("reason")
    if told.referrals:
        newest = told.referrals[-1].fields
        row["cas_IncomingReferralDate"] = told.referrals[-1].at[:10]
        row["cas_ReasonForIncomingReferral"] = ";".join(newest.get("services") or ())
        row["cas_IncomingReferralDetails"] = newest.get("priority")
    return {name: str(value) for name, value in row.items() if value}


def _cell(text: str) -> str:
    """Whatever a family wrote, a spreadsheet must not take it for a formula."""
    formula = text[0] in "=@\t\r" or (text[0] in "+-" and not _PHONE.fullmatch(text))
    return f"'{text}" if formula else text
