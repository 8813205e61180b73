"""``gateway user``: who may sign in to the web tool, through the running node's API."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from gateway.cli import YES
from gateway.cli.api_client import ApiClient
from gateway.cli.terminal import as_json, paint, table


def add(arguments: argparse.Namespace) -> int:
    """Add somebody; prints a link that works once, for who is new."""
    import json

    client = ApiClient.of(arguments)
    body = json.dumps({"name": arguments.name, "role": arguments.role}).encode()
    made = client.call("POST", "/v1/users", body=body, headers={"Content-Type": "application/json"})
    return _say(client, made, arguments, f"{made['name']} is {made['role']}")


def reset(arguments: argparse.Namespace) -> int:
    """Let somebody choose a new password; the old one and all sessions end at once."""
    client = ApiClient.of(arguments)
    made = client.call("POST", f"/v1/users/{quote(arguments.name, safe='')}/reset")
    return _say(client, made, arguments, f"{made['name']} can no longer sign in with the old password")


def remove_factor(arguments: argparse.Namespace) -> int:
    """Somebody has lost the device of their second factor; all their sessions end at once."""
    made = ApiClient.of(arguments).call("DELETE", f"/v1/users/{quote(arguments.name, safe='')}/second-factor")
    if arguments.json:
        as_json(made)
    else:
        print(f"{paint('✓', 'green')} {made['name']} has no second factor any more")
    return YES


def list_all(arguments: argparse.Namespace) -> int:
    """Everybody in the account."""
    items = ApiClient.of(arguments).call("GET", "/v1/users")["items"]
    if arguments.json:
        for item in items:
            as_json(item)
    else:
        rows = [
            [
                item["name"],
                item["role"],
                "active" if item["active"] else "invited",
                "yes" if item["second_factor"] else "no",
                item["last_seen"] or "",
            ]
            for item in items
        ]
        print(table(["name", "role", "standing", "2FA", "last seen"], rows) if rows else "Nobody.")
    return YES


def _say(client: ApiClient, made: dict[str, Any], arguments: argparse.Namespace, text: str) -> int:
    link = f"{client.url}{made['path']}" if made["path"] else ""
    if arguments.json:
        as_json({**made, "link": link or None})
        return YES
    print(f"{paint('✓', 'green')} {text}")
    if link:
        print(f"  choose a password, works once and for seven days: {link}")
    return YES
