"""An address as it stands on a letter: what the window shows and what the print bureau's list says are one text.

Order and capitals follow the Universal Postal Union's advice (S42, letters abroad): the country last, in capitals, in
English; no country on a letter within it.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.model.document import PostalAddress

MAX_LENGTH: Final = 45
"""Characters of a line that fit the window at the size in which it is set."""

_POSTCODE_LAST: Final = "AU CA GB IE IN NZ SG US"
_REGION_SHOWN: Final = "AU CA IT US"
_NO_POSTCODE: Final = (
    "AE AG AO AW BF BI BJ BO BS BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GD GH GM GQ GY HK JM KI KM KN KP LC LY ML MO "
    "MR MW NR NU QA RW SB SC SL SR SS ST SX TD TG TK TL TO TT TV UG VU WS YE ZW"
)


def letter_lines(address: PostalAddress, home: str, language: str = "en") -> tuple[str, ...]:
    """The lines for a letter that is posted in country ``home`` (ISO 3166-1 alpha-2), top to bottom: seven at most.

    ``language`` is that of the word before the person's name. Whatever the document says is given;
    :func:`letter_fault` tells whether a postman could find it.
    """
    code = address.postal_code
    if address.country in ("SE", "GR") and re.fullmatch(r"[0-9]{5}", code):
        code = f"{code[:3]} {code[3:]}"
    region = address.region if address.country in _REGION_SHOWN.split() else ""
    town = (address.city, region, code) if address.country in _POSTCODE_LAST.split() else (code, address.city, region)
    contact = address.attention if address.attention != address.name else ""
    abroad = address.country and address.country != home
    lines = [
        address.name,
        f"{'Att:' if language.startswith('sv') else 'Attn:'} {contact}" if contact else "",
        address.street,
        address.additional,
        address.extra_line,
        " ".join(part for part in town if part),
        country_name(address.country).upper() if abroad else "",
    ]
    return tuple(line for line in (_one_line(line) for line in lines) if line)


def letter_fault(address: PostalAddress, home: str, language: str = "en") -> str:
    """Why a letter to this address cannot be posted, as a clause; empty text when it can."""
    if not address.deliverable:
        if not (address.street or address.additional or address.postal_code or address.city):
            return "no postal address for the receiver on the invoice"
        missing = [
            word
            for word, there in (
                ("name", address.name),
                ("city", address.city),
                ("street, box or postal code", address.street or address.additional or address.postal_code),
            )
            if not there
        ]
        return f"the receiver's postal address has no {' and no '.join(missing)}"
    if not address.postal_code and (address.country or home) not in _NO_POSTCODE.split():
        return "the receiver's postal address has no postal code"
    if address.country and address.country not in COUNTRIES:
        return f'the receiver\'s country "{address.country[:20]}" is not a country code'
    for line in letter_lines(address, home, language):
        if len(line) > MAX_LENGTH:
            return f'"{line[:60]}" is longer than the {MAX_LENGTH} characters that an envelope\'s window shows'
    return ""


def country_name(code: str) -> str:
    """The English name of a country, or the code itself where it is not known."""
    return COUNTRIES.get(code, code)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


_NAMES: Final = """
AD Andorra|AE United Arab Emirates|AF Afghanistan|AG Antigua and Barbuda|AI Anguilla|AL Albania|AM Armenia|AO Angola|
AQ Antarctica|AR Argentina|AS American Samoa|AT Austria|AU Australia|AW Aruba|AX Åland, Finland|AZ Azerbaijan|
BA Bosnia and Herzegovina|BB Barbados|BD Bangladesh|BE Belgium|BF Burkina Faso|BG Bulgaria|BH Bahrain|BI Burundi|
BJ Benin|BL Saint Barthélemy|BM Bermuda|BN Brunei Darussalam|BO Bolivia|BQ Caribbean Netherlands|BR Brazil|BS Bahamas|
BT Bhutan|BV Bouvet Island|BW Botswana|BY Belarus|BZ Belize|CA Canada|CC Cocos (Keeling) Islands|
CD Democratic Republic of the Congo|CF Central African Republic|CG Congo|CH Switzerland|CI Côte d'Ivoire|
CK Cook Islands|CL Chile|CM Cameroon|CN China|CO Colombia|CR Costa Rica|CU Cuba|CV Cabo Verde|CW Curaçao|
CX Christmas Island|CY Cyprus|CZ Czechia|DE Germany|DJ Djibouti|DK Denmark|DM Dominica|DO Dominican Republic|
DZ Algeria|EC Ecuador|EE Estonia|EG Egypt|EH Western Sahara|ER Eritrea|ES Spain|ET Ethiopia|FI Finland|FJ Fiji|
FK Falkland Islands|FM Micronesia|FO Faroe Islands|FR France|GA Gabon|GB United Kingdom|GD Grenada|GE Georgia|
GF French Guiana|GG Guernsey|GH Ghana|GI Gibraltar|GL Greenland|GM Gambia|GN Guinea|GP Guadeloupe|
GQ Equatorial Guinea|GR Greece|GS South Georgia|GT Guatemala|GU Guam|GW Guinea-Bissau|GY Guyana|HK Hong Kong|
HM Heard and McDonald Islands|HN Honduras|HR Croatia|HT Haiti|HU Hungary|ID Indonesia|IE Ireland|IL Israel|
IM Isle of Man|IN India|IO British Indian Ocean Territory|IQ Iraq|IR Iran|IS Iceland|IT Italy|JE Jersey|JM Jamaica|
JO Jordan|JP Japan|KE Kenya|KG Kyrgyzstan|KH Cambodia|KI Kiribati|KM Comoros|KN Saint Kitts and Nevis|KP North Korea|
KR South Korea|KW Kuwait|KY Cayman Islands|KZ Kazakhstan|LA Laos|LB Lebanon|LC Saint Lucia|LI Liechtenstein|
LK Sri Lanka|LR Liberia|LS Lesotho|LT Lithuania|LU Luxembourg|LV Latvia|LY Libya|MA Morocco|MC Monaco|MD Moldova|
ME Montenegro|MF Saint Martin|MG Madagascar|MH Marshall Islands|MK North Macedonia|ML Mali|MM Myanmar|MN Mongolia|
MO Macao|MP Northern Mariana Islands|MQ Martinique|MR Mauritania|MS Montserrat|MT Malta|MU Mauritius|MV Maldives|
MW Malawi|MX Mexico|MY Malaysia|MZ Mozambique|NA Namibia|NC New Caledonia|NE Niger|NF Norfolk Island|NG Nigeria|
NI Nicaragua|NL Netherlands|NO Norway|NP Nepal|NR Nauru|NU Niue|NZ New Zealand|OM Oman|PA Panama|PE Peru|
PF French Polynesia|PG Papua New Guinea|PH Philippines|PK Pakistan|PL Poland|PM Saint Pierre and Miquelon|PN Pitcairn|
PR Puerto Rico|PS Palestine|PT Portugal|PW Palau|PY Paraguay|QA Qatar|RE Réunion|RO Romania|RS Serbia|
RU Russian Federation|RW Rwanda|SA Saudi Arabia|SB Solomon Islands|SC Seychelles|SD Sudan|SE Sweden|SG Singapore|
SH Saint Helena|SI Slovenia|SJ Svalbard and Jan Mayen|SK Slovakia|SL Sierra Leone|SM San Marino|SN Senegal|SO Somalia|
SR Suriname|SS South Sudan|ST Sao Tome and Principe|SV El Salvador|SX Sint Maarten|SY Syria|SZ Eswatini|
TC Turks and Caicos Islands|TD Chad|TF French Southern Territories|TG Togo|TH Thailand|TJ Tajikistan|TK Tokelau|
TL Timor-Leste|TM Turkmenistan|TN Tunisia|TO Tonga|TR Türkiye|TT Trinidad and Tobago|TV Tuvalu|TW Taiwan|TZ Tanzania|
UA Ukraine|UG Uganda|UM US Minor Outlying Islands|US United States|UY Uruguay|UZ Uzbekistan|VA Vatican City|
VC Saint Vincent and the Grenadines|VE Venezuela|VG British Virgin Islands|VI US Virgin Islands|VN Vietnam|VU Vanuatu|
WF Wallis and Futuna|WS Samoa|YE Yemen|YT Mayotte|ZA South Africa|ZM Zambia|ZW Zimbabwe|XI Northern Ireland (UK)|
XK Kosovo
"""
COUNTRIES: Final[dict[str, str]] = {entry[:2]: entry[3:] for entry in _NAMES.replace("\n", "").split("|")}
"""ISO 3166-1 alpha-2 to English short name, with the codes XI and XK that invoices carry beside them."""
