"""The fields of a counterpart as people write them: read alike for CSV and API, with what is wrong and how to mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stdnum import luhn

from gateway.errors import InvalidAddress
from gateway.model.counterpart import MAX_NAMES, Acceptance, Identifier, Origin, PartyKind, Role
from gateway.model.document import PostalAddress
from gateway.model.identifiers import ParticipantId
from gateway.model.message import Route
from gateway.model.numbers import LEGAL_SCHEMES, VAT_SCHEMES, derived_gln, normal

MAX_TEXT: Final = 200
_MAX_NOTE: Final = 2_000
_EMAIL: Final = re.compile(r"[^@\s,;<>\"()]{1,64}@[^@\s,;<>\"()]{1,189}\.[^@\s,;<>\"().]{2,63}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
WAYS: Final = ("peppol", "email", "print")

_ALIASES: Final = {
    "number": "number customernumber customerno suppliernumber supplierno kundnummer kundnr leverantorsnummer "
    "leverantörsnummer leverantörsnr nummer",
    "name": "name namn customername kundnamn företagsnamn leverantörsnamn company",
    "other_names": "othernames andranamn alias names",
    "country": "country land countrycode landskod",
    "kind": "kind sort type typ",
    "org_number": "orgnumber orgno organisationsnummer organizationnumber orgnr orgnummer companyid",
    "vat_number": "vatnumber vat vatid vatno momsnummer momsregnr vatnr momsregistreringsnummer",
    "gln": "gln eankod ean lokaliseringskod",
    "participant": "participant peppolid peppol participantid peppoladress",
    "email": "email epost epostadress mail emailaddress",
    "street": "street gata adress address gatuadress postadress addressline1 adressrad1",
    "additional": "additional adressrad2 addressline2 co box",
    "extra_line": "extraline adressrad3 addressline3",
    "attention": "attention att attn kontakt contact",
    "postal_code": "postalcode postnummer postnr zip zipcode postcode",
    "city": "city ort stad postort town",
    "language": "language språk lang",
    "route": "route väg",
    "preferred": "preferred sätt distributionssätt channel kanal leveranssätt",
    "opt_out": "optout nejtill avstår",
    "acceptance": "acceptance policy godkännande",
    "mandate": "mandate krav",
    "note": "note anteckning kommentar comment",
}
NAMES: Final = {alias: name for name, words in _ALIASES.items() for alias in words.split()}
"""Headings, case-folded and without blanks and signs, and the fields that they name."""

_WORDS: Final = {
    "e-post": "email",
    "epost": "email",
    "mail": "email",
    "brev": "print",
    "letter": "print",
    "paper": "print",
    "papper": "print",
    "e-faktura": "peppol",
    "efaktura": "peppol",
    "offentlig": "public",
    "företag": "business",
    "enskild firma": "sole_trader",
    "privatperson": "consumer",
    "konsument": "consumer",
}


ADDRESS_PARTS: Final = ("street", "additional", "extra_line", "attention", "postal_code", "city")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one field, and how to mend it."""

    column: str
    sv: str
    en: str
    value: str = ""
    fatal: bool = True
    """False for what is only odd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A counterpart without id, account and times."""

    values: Mapping[str, Any]
    """Fields of :class:`~gateway.model.counterpart.Counterpart` that were given."""
    identifiers: tuple[Identifier, ...] = ()
    numbers_given: bool = False
    """Whether any column of numbers was there: they then replace those that are known."""
    given: frozenset[str] = field(default=frozenset())


def read_fields(fields: Mapping[str, str], role: Role) -> tuple[Draft, list[Problem]]:
    """Read what was written; with problems, the fatal ones among them make the draft of no use."""
    problems: list[Problem] = []
    text = {name: _text(name, value, problems) for name, value in fields.items()}
    values: dict[str, Any] = {name: text[name] for name in ("number", "name", "note") if name in text}
    values["role"] = role
    if not text.get("name"):
        problems.append(Problem(column="name", sv="Namnet saknas", en="The name is missing"))
    if "other_names" in text:
        values["names"] = tuple(name.strip() for name in text["other_names"].split("|") if name.strip())[:MAX_NAMES]
    country = text.get("country", "").upper() or _country_of(text)
    if country and not _COUNTRY.fullmatch(country):
        sv, en = "Landet skrivs med två bokstäver, till exempel SE", "The country is two letters, such as SE"
        problems.append(Problem(column="country", sv=sv, en=en, value=country))
    values["country"] = country
    if "email" in text:
        values["email"] = text["email"]
        if text["email"] and not _EMAIL.fullmatch(text["email"]):
            sv, en = "E-postadressen är inte en adress", "This is no e-mail address"
            problems.append(Problem(column="email", sv=sv, en=en, value=text["email"]))
    _choice(text, values, "kind", PartyKind, problems)
    _choice(text, values, "route", Route, problems)
    _choice(text, values, "acceptance", Acceptance, problems)
    for name, allowed in (("preferred", ("", "email", "print")), ("mandate", ("", "structured", "free"))):
        word = _known(text.get(name, ""))
        if name == "preferred" and word == "peppol":
            word = ""  # e-invoice is what everybody gets who can
        if name in text:
            values[name] = word
            if word not in allowed:
                problems.append(_not_one(name, word, allowed))
    if "language" in text:
        values["language"] = text["language"].lower()
        if values["language"] not in ("", "sv", "en"):
            problems.append(_not_one("language", values["language"], ("sv", "en")))
    if "opt_out" in text:
        words = tuple(dict.fromkeys(_known(word) for word in re.split(r"[|,\s]+", text["opt_out"]) if word))
        values["opt_out"] = words
        problems += [_not_one("opt_out", word, WAYS) for word in words if word not in WAYS]
    if any(part in text for part in ADDRESS_PARTS):
        address = {part: text.get(part, "") for part in ADDRESS_PARTS}
        written = any(address.values())
        values["address"] = (
            PostalAddress(name=text.get("name", ""), country=country, **address) if written else PostalAddress()
        )
    identifiers = tuple(_identifiers(text, country, problems))
    numbers_given = any(name in text for name in ("org_number", "vat_number", "gln", "participant"))
    given = frozenset(text)
    return Draft(values=values, identifiers=identifiers, numbers_given=numbers_given, given=given), problems


def _text(name: str, value: str, problems: list[Problem]) -> str:
    longest = _MAX_NOTE if name == "note" else MAX_TEXT
    if len(value) > longest:
        sv, en = f"Texten är längre än {longest} tecken", f"The text is longer than {longest} characters"
        problems.append(Problem(column=name, sv=sv, en=en, value=value[:40]))
        return value[:longest]
    if not value.isprintable():
        odd = next(place for place, c in enumerate(value) if not c.isprintable())
        sv = f"Tecken {odd + 1} är ett styrtecken: ta bort det"
        en = f"Character {odd + 1} is a control character: remove it"
        problems.append(Problem(column=name, sv=sv, en=en, value=value[:odd]))
        return ""
    return value.strip()


def _country_of(text: Mapping[str, str]) -> str:
    """Where no country is given: of the VAT number, or Sweden for an organisation number with its check digit."""
    vat = text.get("vat_number", "")[:2].upper()
    if _COUNTRY.fullmatch(vat):
        return "GR" if vat == "EL" else vat
    return "SE" if normal("0007", text.get("org_number", "")) else ""


def _identifiers(text: Mapping[str, str], country: str, problems: list[Problem]) -> list[Identifier]:
    found: dict[str, Identifier] = {}

    def add(scheme: str, value: str, origin: Origin = Origin.MASTER_DATA) -> None:
        one = Identifier(scheme=scheme, value=value.lower(), origin=origin)
        found.setdefault(one.key, one)

    if text.get("participant"):
        try:
            participant = ParticipantId.parse(text["participant"])
            add(participant.icd, participant.number)
        except InvalidAddress as error:
            sv = "Adressen i nätverket skrivs som 0007:5567212047"
            problems.append(Problem(column="participant", sv=sv, en=str(error), value=text["participant"]))
    for column, schemes, what_sv, what_en in (
        ("org_number", LEGAL_SCHEMES.get(country, ()), "organisationsnummer", "organisation number"),
        ("vat_number", VAT_SCHEMES.get(country, ()), "momsregistreringsnummer", "VAT number"),
        ("gln", ("0088",), "GLN", "GLN"),
    ):
        value = text.get(column, "")
        if not value:
            continue
        numbers = [(scheme, number) for scheme in schemes if (number := normal(scheme, value))]
        for scheme, number in numbers:
            add(scheme, number)
        if not numbers:
            problems.append(_wrong_number(column, value, country, what_sv, what_en, known=bool(schemes)))
    for one in list(found.values()):
        if one.scheme == "0007" and normal("0007", one.value):
            add("0088", derived_gln(one.value), Origin.DERIVED)
    return list(found.values())


def _wrong_number(column: str, value: str, country: str, sv: str, en: str, *, known: bool) -> Problem:
    if not known:
        return Problem(
            column=column,
            sv=f"Vilket slags {sv} det är i {country or 'okänt land'} är inte känt här: skriv participant i stället",
            en=f"What a {en} of {country or 'an unknown country'} is registered as is not known here: give participant",
            value=value,
            fatal=False,
        )
    digits = re.sub(r"\D", "", value)[-10:]
    hint_sv = hint_en = ""
    if column == "org_number" and country == "SE" and len(digits) == 10:
        digit = luhn.calc_check_digit(digits[:9])
        hint_sv, hint_en = f" (kontrollsiffran skulle vara {digit})", f" (the check digit would be {digit})"
    return Problem(
        column=column,
        sv=f"Detta är inget {sv} i {country}{hint_sv}: rätta siffrorna",
        en=f"This is no {en} of {country}{hint_en}: mend the digits",
        value=value,
    )


def _choice(text: Mapping[str, str], values: dict[str, Any], name: str, of: Any, problems: list[Problem]) -> None:
    if not text.get(name):
        return
    word = _known(text[name])
    allowed = [member.value for member in of]
    if word in allowed:
        values[name] = of(word)
    else:
        problems.append(_not_one(name, word, allowed))


def _known(word: str) -> str:
    plain = word.strip().casefold()
    return _WORDS.get(plain, plain)


def _not_one(name: str, word: str, allowed: Any) -> Problem:
    listed = ", ".join(one for one in allowed if one)
    return Problem(column=name, sv=f"Skriv något av {listed}", en=f"Write one of {listed}", value=word)
