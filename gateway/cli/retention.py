"""``gateway db purge``, ``erase``, ``hold``: what is erased, and what is kept whatever its age."""

from __future__ import annotations

import argparse
from urllib.parse import quote, urlencode

from gateway.cli import YES
from gateway.cli.api_client import ApiClient
from gateway.cli.terminal import as_json, paint


def purge(arguments: argparse.Namespace) -> int:
    """Erase what is older than its period, or tell how much that would be."""
    query = "yes" if arguments.dry_run else "no"
    done = ApiClient.of(arguments).call("POST", f"/v1/operation/purge?dry_run={query}", timeout=3600)
    if arguments.json:
        as_json(done)
        return YES
    print(f"{paint('✓', 'green')} {'would be erased' if done['dry_run'] else 'erased'}, by documents:")
    for kind, number in done["documents"].items():
        print(f"  {kind:9} {number}")
    return YES


def erase(arguments: argparse.Namespace) -> int:
    """Erase the content of one document."""
    return _say(arguments, "erase", "its content is erased; ids, digests and times stay")


def hold(arguments: argparse.Namespace) -> int:
    """Keep a document whatever its age, or let it go."""
    if arguments.release:
        return _say(arguments, "release", "kept as long as any other")
    return _say(arguments, "hold", "kept whatever its age")


def _say(arguments: argparse.Namespace, what: str, text: str) -> int:
    query = urlencode({"reason": arguments.reason})
    path = f"/v1/operation/documents/{quote(arguments.id, safe='')}/{what}?{query}"
    done = ApiClient.of(arguments).call("POST", path)
    as_json(done) if arguments.json else print(f"{paint('✓', 'green')} {arguments.id}: {text}")
    return YES
