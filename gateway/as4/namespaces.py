"""Namespaces, algorithm and token URIs of AS4, in one place.

Source: Peppol AS4 profile 2.0.3, eDelivery AS4 1.14, WS-Security 1.1.1 with its X.509, SwA and SOAP 1.2 texts.
"""

from __future__ import annotations

from typing import Final

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
EB: Final = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
EBBP: Final = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"
_WSS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE: Final = _WSS + "wssecurity-secext-1.0.xsd"
WSU: Final = _WSS + "wssecurity-utility-1.0.xsd"
WSSE11: Final = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
EC: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"

ULTIMATE_RECEIVER: Final = SOAP + "/role/ultimateReceiver"

# Tokens and references to them
X509V3: Final = _WSS + "x509-token-profile-1.0#X509v3"
SUBJECT_KEY_IDENTIFIER: Final = _WSS + "x509-token-profile-1.0#X509SubjectKeyIdentifier"
BASE64: Final = _WSS + "soap-message-security-1.0#Base64Binary"
_WSS11: Final = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#"
THUMBPRINT: Final = _WSS11 + "ThumbprintSHA1"
ENCRYPTED_KEY_TOKEN: Final = _WSS11 + "EncryptedKey"

# Algorithms and transforms
EXCLUSIVE_C14N: Final = EC
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256: Final = XENC + "sha256"
RSA_OAEP: Final = XENC11 + "rsa-oaep"
MGF1_SHA256: Final = XENC11 + "mgf1sha256"
AES128_GCM: Final = XENC11 + "aes128-gcm"
_SWA: Final = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#"
CONTENT_SIGNATURE: Final = _SWA + "Attachment-Content-Signature-Transform"
CIPHERTEXT: Final = _SWA + "Attachment-Ciphertext-Transform"
CONTENT_ONLY: Final = _SWA + "Attachment-Content-Only"

# The ebMS test service (Core 5.2.2)
TEST_SERVICE: Final = EB + "service"
TEST_ACTION: Final = EB + "test"

GZIP: Final = "application/gzip"
SOAP_TYPE: Final = "application/soap+xml"
