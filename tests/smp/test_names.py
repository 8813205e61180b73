"""gateway.smp.names: one subject, written in many ways."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.smp.names import same_name

SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Exempel, Å & Söner AB"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "PEPPOL TEST SMP"),
        x509.NameAttribute(NameOID.COMMON_NAME, "PSP000202"),
    ]
)


@pytest.mark.parametrize(
    "text",
    [
        SUBJECT.rfc4514_string(),
        r"CN=PSP000202,OU=PEPPOL TEST SMP,O=Exempel\, Å & Söner AB,C=SE",
        r"C=SE, O=Exempel\, Å & Söner AB, OU=PEPPOL TEST SMP, CN=PSP000202",
        r'CN=PSP000202, O="Exempel, Å & Söner AB", OU=PEPPOL TEST SMP, C=SE',
        r"cn = psp000202 ; ou = PEPPOL  TEST SMP ; o = Exempel\2C \C3\85 & S\C3\B6ner AB ; c = SE",
        r"2.5.4.3=PSP000202,OID.2.5.4.11=PEPPOL TEST SMP,O=Exempel\, Å & Söner AB,C=SE",
    ],
)
def test_spelling_does_not_matter(text: str) -> None:
    assert same_name(text, SUBJECT)


@pytest.mark.parametrize(
    "text",
    [
        *("", "PSP000202", "CN=PSP000202", "nobody", "=", ",", "CN="),
        r"CN=PSP000203,OU=PEPPOL TEST SMP,O=Exempel\, Å & Söner AB,C=SE",
        r"CN=PSP000202,OU=PEPPOL TEST SMP,O=Exempel\, Å & Söner AB,C=SE,CN=PSP000202",
        r"CN=PSP000202,OU=PEPPOL TEST SMP,O=Exempel, Å & Söner AB,C=SE",
        r'CN=PSP000202,OU=PEPPOL TEST SMP,O="Exempel, Å & Söner AB,C=SE',
        r"CN=PSP000202,OU=PEPPOL TEST SMP,O=\FF,C=SE",
        "CN=x," * 1_000,
    ],
)
def test_another_subject_is_another(text: str) -> None:
    assert not same_name(text, SUBJECT)
