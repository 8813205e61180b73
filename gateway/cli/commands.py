"""The command tree: arguments, help and examples. Each command's work stands in its own module."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.cli import NO, NOT_NOW, WRONG, customers, db
from gateway.cli.terminal import as_json, paint, say
from gateway.errors import ConfigurationError, GatewayError, InvalidAddress

_EXAMPLES: Final = {
    "demo": "gateway demo --keep",
    "serve": "gateway serve --config config.toml",
    "send": "gateway send invoice.xml --wait 30",
    "list": "gateway list --state FAILED",
    "show": "gateway show 3f0c…",
    "requeue": "gateway requeue 3f0c…",
    "redeliver": "gateway redeliver 3f0c… or gateway redeliver --since 2026-11-25T12:00",
    "inbox": "gateway inbox --ack 3f0c…",
    "lookup": "gateway lookup 0007:5567212047",
    "validate": "gateway validate invoice.xml",
    "check": "gateway check",
    "pki": "gateway pki new pki && gateway pki issue pki --role ap --seat POP000101",
    "fault": "gateway network fault market lying-smp --on --gateway gateway2",
    "network": "gateway network new market --gateways 3 && gateway network up market",
    "db": db.EXAMPLE,
    **customers.EXAMPLES,
    "sml": "gateway sml certificate next.pem --on 2027-01-31",
    "rules": "gateway rules install PEPPOLBIS-T111.sch && gateway rules list",
    "user": "gateway user add ekonomi@example.org --role clerk",
    "participant": "gateway participant add 0007:5567212047 --name 'Exempel AB'",
    "migrate": "gateway participant migrate 0007:5567212047 --wait 3600",
}

_SETTING: Final = re.compile(r"[a-z_0-9]+(\.[^/]+)*")
"""A key of config.toml; an option, the name of an argument or a path is none."""


def run(words: Sequence[str]) -> int:
    """Parse, do, and turn errors into exit codes with a text that says what to do."""
    arguments = _parser().parse_args(words)
    module, _, function = arguments.work.partition(":")
    return explained(
        lambda: getattr(importlib.import_module(f"gateway.cli.{module}"), function)(arguments), json=arguments.json
    )


def explained(work: Callable[[], int], *, json: bool) -> int:
    """Do it; an error of ours becomes an exit code with a text that says what to do."""
    try:
        return int(work())
    except ConfigurationError as error:
        return _explain_configuration(error, json)
    except GatewayError as error:
        if json:
            as_json({"error": type(error).__name__, "message": str(error), "remedy": error.remedy})
        say(f"{paint('✗', 'red', to=sys.stderr)} {error}\n  {error.remedy}")
        return NOT_NOW if error.temporary else WRONG if isinstance(error, InvalidAddress) else NO
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


def _explain_configuration(error: ConfigurationError, json_wanted: bool) -> int:
    if json_wanted:
        as_json({"error": "ConfigurationError", "problems": [{"path": p, "message": t} for p, t in error.problems]})
    of_file = any(_SETTING.fullmatch(path) for path, _ in error.problems)
    said = "The configuration cannot be used:" if of_file else "That cannot be done:"
    say(f"{paint('✗', 'red', to=sys.stderr)} {said}")
    for path, text in error.problems:
        say(f"  {paint(path, 'bold', to=sys.stderr)}: {text}")
    if of_file:  # what is wrong with an option or a directory says itself what to do
        say(f"  {error.remedy}")
    return WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway", description="AS4/Peppol access point: every invoice leaves by the most electronic way."
    )
    parser.add_argument("--version", "-V", action="store_true", help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = _add(commands, "demo", "demo:run", "a whole four-corner network on loopback, three real invoices")
    demo.add_argument("--keep", action="store_true", help="stay up until Ctrl-C")
    demo.add_argument(
        "--dir", type=Path, metavar="DIR", help="where the network's files go (default: a new var/demo-…)"
    )

    serve = _add(commands, "serve", "serve:run", "run the node")
    serve.add_argument("--systemd-unit", action="store_true", help="print a unit for systemd instead")
    serve.add_argument("--workers", type=int, metavar="N", help="processes side by side (default: as4.workers)")
    serve.add_argument("--parent", type=int, metavar="PID", help="end when this process, which started it, has ended")

    send = _add(commands, "send", "client:send", "hand a document to a running node", client=True)
    send.add_argument("file", type=Path, metavar="FILE", help="UBL, a whole SBD, or the JSON model; - reads stdin")
    send.add_argument("--route", choices=("auto", "peppol", "email", "print"), default="auto")
    send.add_argument("--key", metavar="KEY", help="idempotency key: the same key never makes a second document")
    send.add_argument("--wait", type=_seconds, default=0, metavar="SECONDS", help="wait for the outcome")

    listing = _add(commands, "list", "client:list_documents", "documents, newest first", client=True)
    listing.add_argument("--direction", choices=("in", "out"))
    listing.add_argument("--state", metavar="STATE")
    listing.add_argument("--search", metavar="TEXT", help="number, name, participant or id")
    listing.add_argument("--limit", type=int, default=20)

    show = _add(commands, "show", "client:show", "one document with its timeline", client=True)
    show.add_argument("id", metavar="ID")
    requeue = _add(commands, "requeue", "client:requeue", "put a failed document back to work", client=True)
    requeue.add_argument("id", metavar="ID")
    redeliver = _add(
        commands, "redeliver", "client:redeliver", "hand received documents to C4 once more, same id", client=True
    )
    redeliver.add_argument("ids", nargs="*", metavar="ID")
    redeliver.add_argument("--since", metavar="TIME", help="instead of IDs: all that came in since (UTC)")
    redeliver.add_argument("--state", metavar="STATE", help="with --since: only these, such as FAILED or DELIVERED")
    inbox = _add(
        commands, "inbox", "client:inbox", "documents that wait for us; fetch or acknowledge them", client=True
    )
    inbox.add_argument("--ack", metavar="ID")

    lookup = _add(commands, "lookup", "lookup:run", "relation search from this machine, no server needed")
    lookup.add_argument("participant", nargs="?", metavar="PARTICIPANT", help="for example 0007:5567212047")
    lookup.add_argument("--document-type", metavar="T", help="default: Peppol BIS Billing 3 invoice")
    lookup.add_argument("--process", metavar="P")
    lookup.add_argument(
        "--watch", nargs="?", type=_interval, const=5.0, metavar="SECONDS", help="again and again; tells what changes"
    )
    lookup.add_argument("--csv", type=Path, metavar="FILE", help="many: a row each, with a column participant; - stdin")
    lookup.add_argument("--output", type=Path, metavar="FILE", help="of --csv (default: stdout)")

    validate = _add(
        commands, "validate", "validate:run", "check documents: schema, EN 16931, Peppol BIS, installed packs"
    )
    validate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    validate.add_argument(
        "--profile",
        action="append",
        metavar="P",
        help="ubl, en16931, peppol, peppol-selfbilling, or an installed rule pack; default: as the document says",
    )
    validate.add_argument("--language", choices=("en", "sv"), default="en", help="of the findings (default: en)")
    validate.add_argument("--svrl", action="store_true", help="findings as SVRL, for tools that read Schematron")
    validate.add_argument("--folder", type=Path, metavar="DIR", help="rule packs (default: [rules] folder)")

    _add_rules(commands)
    db.add_to(commands, _add)
    customers.add_to(commands, _add)
    _add(commands, "check", "check:run", "the effective configuration, and everything it names")

    pki = commands.add_parser("pki", help="a private network's authorities and certificates")
    actions = pki.add_subparsers(metavar="ACTION", required=True)
    new = _add(actions, "new", "pki:new", "make root, access point and SMP authorities", example="pki")
    new.add_argument("dir", type=Path, metavar="DIR")
    issue = _add(actions, "issue", "pki:issue", "issue a certificate", example="pki")
    issue.add_argument("dir", type=Path, metavar="DIR")
    issue.add_argument("--role", choices=("ap", "smp", "tls"), required=True)
    issue.add_argument("--seat", metavar="SEAT", help="of ap and smp, for example POP000101")
    issue.add_argument("--host", action="append", metavar="HOST", help="of tls: name or address, may be repeated")
    issue.add_argument("--key", choices=("ecdsa", "rsa"), default="ecdsa", help="of tls (default: ecdsa)")

    network = commands.add_parser("network", help="a whole private market on loopback")
    actions = network.add_subparsers(metavar="ACTION", required=True)
    new = _add(actions, "new", "network:new", "make authorities, zone and gateways", example="network")
    new.add_argument("dir", type=Path, metavar="DIR")
    new.add_argument("--gateways", type=int, default=2, metavar="N")
    new.add_argument("--tls", action="store_true", help="https between them, with an authority of their own")
    new.add_argument("--sml", action="store_true", help="an SML with its SOAP interface, instead of a shared zone file")
    new.add_argument(
        "--revocation", action="store_true", help="authorities with revocation lists and OCSP, asked by all"
    )
    up = _add(actions, "up", "network:up", "run it until Ctrl-C", example="network")
    up.add_argument("dir", type=Path, metavar="DIR")
    fault = _add(actions, "fault", "network:fault", "make something go wrong while it is up", example="fault")
    fault.add_argument("dir", type=Path, metavar="DIR")
    fault.add_argument("fault", nargs="?", default="", metavar="FAULT", help="none: what there is, and what is on")
    fault.add_argument("--gateway", default="", metavar="NAME", help="gateway1, gateway2…: only for its participants")
    switch = fault.add_mutually_exclusive_group()
    switch.add_argument("--on", action="store_true")
    switch.add_argument("--off", action="store_true")

    participant = commands.add_parser("participant", help="our own participants")
    actions = participant.add_subparsers(metavar="ACTION", required=True)
    add = _add(
        actions,
        "add",
        "participant:add",
        "publish in our SMP, enter in the SML, and test",
        client=True,
        example="participant",
    )
    add.add_argument("participant", metavar="PARTICIPANT")
    add.add_argument("--name", default="")
    add.add_argument("--country", default="")
    add.add_argument("--delivery", default="default", metavar="NAME", help="a [delivery.NAME] section")
    remove = _add(
        actions, "remove", "participant:remove", "take it off the network", client=True, example="participant"
    )
    remove.add_argument("participant", metavar="PARTICIPANT")
    migrate = _add(
        actions,
        "migrate",
        "participant:migrate",
        "hand it over to another SMP by key",
        client=True,
        example="migrate",
    )
    migrate.add_argument("participant", metavar="PARTICIPANT")
    migrate.add_argument("--wait", type=_seconds, default=0, metavar="SECONDS", help="until it has moved")
    for action, seconds in ((add, 30), (remove, 30)):
        action.add_argument("--wait", type=_seconds, default=seconds, metavar="SECONDS", help="default: %(default)s")
    add.add_argument("--migration-key", metavar="KEY", help="take it over from the SMP whose operator gave this key")
    _add(actions, "list", "participant:list_all", "our participants", client=True, example="participant")

    user = commands.add_parser("user", help="who may sign in to the web tool")
    actions = user.add_subparsers(metavar="ACTION", required=True)
    adding = _add(
        actions, "add", "user:add", "add somebody; prints a link that works once", client=True, example="user"
    )
    adding.add_argument("name", metavar="NAME", help="often an e-mail address")
    adding.add_argument("--role", choices=("clerk", "operator", "compliance", "admin"), default="clerk")
    resetting = _add(actions, "reset", "user:reset", "let somebody choose a new password", client=True, example="user")
    resetting.add_argument("name", metavar="NAME")
    removing = _add(
        *(actions, "remove-factor", "user:remove_factor", "somebody has lost the device of their second factor"),
        client=True,
        example="user",
    )
    removing.add_argument("name", metavar="NAME")
    _add(actions, "list", "user:list_all", "everybody in the account", client=True, example="user")

    sml = commands.add_parser("sml", help="what the SML knows of our SMP")
    actions = sml.add_subparsers(metavar="ACTION", required=True)
    _add(actions, "show", "sml:show", "our SMP as the SML has it", example="sml")
    _add(actions, "list", "sml:list_all", "every participant that it has for our SMP", example="sml")
    _add(actions, "address", "sml:address", "tell it the address of our SMP as configured", example="sml")
    following = _add(actions, "certificate", "sml:certificate", "announce the SMP's next certificate", example="sml")
    following.add_argument("file", type=Path, metavar="FILE", help="PEM, leaf first")
    following.add_argument("--on", metavar="DAY", help="when it takes over (default: when its validity begins)")
    return parser


def _add_rules(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    rules = commands.add_parser("rules", help="official rule packs: Schematron or compiled XSLT for any document type")
    actions = rules.add_subparsers(metavar="ACTION", required=True)
    install = _add(actions, "install", "rules:install", "check a pack, compile it once, keep it", example="rules")
    install.add_argument("file", type=Path, metavar="FILE", help=".sch, .xslt, or a .zip of a schema and its parts")
    install.add_argument("--name", metavar="NAME", help="default: the file's name")
    install.add_argument("--entry", metavar="PATH", help="the main file inside a .zip, where that is not plain")
    install.add_argument(
        "--document-type",
        action="append",
        metavar="T",
        help="documents it is for: namespace::Name, or with ##customization; default: what the pack says. Repeatable",
    )
    install.add_argument("--valid-from", metavar="DAY", help="in force from this day on, for example 2026-08-17")
    install.add_argument("--valid-to", metavar="DAY", help="the last day it is in force")
    listing = _add(actions, "list", "rules:list_all", "the installed packs", example="rules")
    remove = _add(actions, "remove", "rules:remove", "take a pack away", example="rules")
    remove.add_argument("name", metavar="NAME", help="a pack's name, or the beginning of its SHA-256")
    compare = _add(
        actions, "compare", "rules_compare:run", "our own rules and the official ones side by side", example="rules"
    )
    compare.add_argument("files", nargs="+", type=Path, metavar="FILE", help="documents, or directories of them")
    compare.add_argument("--pack", action="append", metavar="NAME", help="default: those for the document type")
    compare.add_argument("--without-schema", action="store_true", help="also documents that their schema stops")
    compare.add_argument("--workers", type=int, choices=range(1, 33), metavar="N", help="default: [rules] workers")
    for action in (install, remove):
        action.add_argument("--pack-version", metavar="V", help="the pack's version")
    for action in (install, listing, remove, compare):
        action.add_argument("--folder", type=Path, metavar="DIR", help="default: [rules] folder, else var/rules")


def _interval(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 86_400:
        raise ValueError(text)
    return value


def _seconds(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 86_400:
        raise ValueError(text)
    return value


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    work: str,
    text: str,
    *,
    client: bool = False,
    example: str = "",
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"Example: {_EXAMPLES[example or name]}"
    )
    command.set_defaults(work=work)
    command.add_argument("--config", type=Path, metavar="PATH", help="default: $GATEWAY_CONFIG, else ./config.toml")
    command.add_argument("--json", action="store_true", help="JSON on stdout, texts on stderr")
    if client:
        command.add_argument("--url", metavar="URL", help="the node's API (default: [api] of the configuration)")
        command.add_argument(
            "--token", metavar="KEY", help="API key (default: $GATEWAY_TOKEN, else the key file of [api])"
        )
    return command
