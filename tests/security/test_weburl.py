"""gateway.security.weburl: nobody uses us to reach inside a network."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidAddress
from gateway.security.weburl import WebRules, check_address, check_url

STRICT = WebRules()
PRIVATE = WebRules(allow_http=True, allow_loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://smp.example.org",
        "https://smp.example.org/",
        "https://SMP.Example.ORG:443/a/b?c=d",
        "https://xn--bcher-kva.example/smp",
        "https://smp.example.org./x",
    ],
)
def test_public_https_on_443_is_where_we_go(url: str) -> None:
    assert check_url(url, STRICT) == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://smp.example.org", "ftp://smp.example.org", "HTTPS//smp.example.org", "smp.example.org", ""),
        *("https://smp.example.org:80", "https://smp.example.org:22/", "https://smp.example.org:8443"),
        *("https://smp.example.org:99999", "https://smp.example.org:x", "https://"),
        *("https://u@smp.example.org", "https://u:p@smp.example.org/", "https://smp.example.org@127.0.0.1/"),
        *(
            "https://127.0.0.1",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://8.8.8.8/",
        ),
        *("https://127.1/", "https://0x7f.1/", "https://2130706433/", "https://0177.0.0.1/", "https://1.2.3.4.5/"),
        *("https://localhost/", "https://a.localhost/", "https://intranet/", "https://-a.example/", "https://a..b/"),
        *("https://smp.example.org/\r\nHost: x", "https://smp.example.org/ x", "https://smp.example.org\\@x/"),
        *(
            'https://smp.example.org/"',
            "https://smp.example.org/<>",
            "https://smp.example.org/{}",
            "https://a|b.example/",
        ),
        *("https://smp.example.org/#f", "https://smp.example.org#", "https://smp.exämple.org/", "https://a_b.example/"),
        "https://smp.example.org/" + "a" * 4_000,
        "https://" + "a" * 64 + ".example/",
    ],
)
def test_every_other_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidAddress):
        check_url(url, STRICT)


def test_the_two_switches_of_a_private_network_loosen_only_what_they_name() -> None:
    assert check_url("http://127.0.0.1:8082/smp", PRIVATE)
    assert check_url("http://localhost:8082", PRIVATE)
    with pytest.raises(InvalidAddress, match="IP address"):
        check_url("http://127.0.0.1:8082", WebRules(allow_http=True))
    with pytest.raises(InvalidAddress, match="not https"):
        check_url("http://smp.example.org", WebRules(allow_loopback=True))
    for url in ("http://u@127.0.0.1/", "file:///etc/passwd", "http://127.1/", "http://127.0.0.1/ x"):
        with pytest.raises(InvalidAddress):
            check_url(url, PRIVATE)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "2002:7f00:1::"),
        *("64:ff9b::7f00:1", "2001:db8::1", "fd00:ec2::254", "not an address"),
    ],
)
def test_no_address_inside_a_network_is_connected_to(address: str) -> None:
    with pytest.raises(InvalidAddress):
        check_address(address, STRICT)
    if address != "not an address":
        check_address(address, PRIVATE)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_connected_to(address: str) -> None:
    check_address(address, STRICT)
