"""The worker processes: what a pack or a document can do to them, and that it is never a verdict."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from judging_parts import ORDER, one_rule, put, read, root_of, stylesheet

from gateway.errors import RulesUnavailable, TemporaryError
from gateway.judging import workers as module
from gateway.judging.workers import Aborted, Limits, NoProcessor, PackBroken, Workers

ENDLESS = "some $i in 1 to 100000000, $j in 1 to 100000000 satisfies $i + $j = -1"
HUNGRY = "count(distinct-values(for $i in 1 to 90000000 return concat('a-long-word-', $i))) = 1"
DOCUMENT = ORDER.encode()


@pytest.fixture
def small() -> Iterator[Workers]:
    """One worker that may use little."""
    pytest.importorskip("saxonche", reason="needs the extra rules")
    with Workers(limits=Limits(seconds=3, memory=500_000_000, documents=3)) as made:
        yield made


def run(workers: Workers, sheet: bytes, document: bytes = DOCUMENT) -> bytes | Aborted:
    return workers.judge(hashlib.sha256(sheet).hexdigest(), lambda kind: sheet if kind == "xslt" else None, document)


def worker_of(workers: Workers) -> Any:
    """The worker that is free now."""
    worker = workers._free.get(timeout=5)
    workers._free.put(worker)
    return worker


def pid_of(workers: Workers) -> int:
    return int(worker_of(workers)._process.pid)


GOOD = read(one_rule("o:Total")).stylesheet


def test_a_pack_that_never_ends_is_stopped_and_gives_no_verdict(small: Workers) -> None:
    run(small, GOOD)
    before, began = pid_of(small), time.monotonic()
    with pytest.raises(RulesUnavailable, match="took longer") as unavailable:
        run(small, read(one_rule(ENDLESS)).stylesheet)
    assert isinstance(unavailable.value, TemporaryError) and time.monotonic() - began < 20
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert b"failed-assert" not in run(small, GOOD)  # type: ignore[operator]


def test_a_pack_that_takes_all_memory_is_stopped_and_gives_no_verdict() -> None:
    pytest.importorskip("saxonche", reason="needs the extra rules")
    with Workers(limits=Limits(seconds=60, memory=400_000_000)) as workers:
        with pytest.raises(RulesUnavailable, match=r"ended its process twice|not be run"):
            run(workers, read(one_rule(HUNGRY)).stylesheet)
        run(workers, GOOD)


def test_endless_recursion_is_no_verdict(small: Workers) -> None:
    deep = """<xsl:value-of select="f:f(1)" xmlns:f="urn:f"/>"""
    function = """<xsl:function name="f:f" xmlns:f="urn:f"><xsl:param name="n"/>
      <xsl:sequence select="1 + f:f($n + 1)"/></xsl:function><xsl:template"""
    with pytest.raises(RulesUnavailable):
        run(small, stylesheet(deep).replace(b"<xsl:template", function.encode(), 1))


def test_a_worker_that_is_killed_between_documents_is_replaced_unnoticed(small: Workers) -> None:
    run(small, GOOD)
    killed = pid_of(small)
    os.kill(killed, signal.SIGKILL)
    assert isinstance(run(small, GOOD), bytes)
    assert pid_of(small) != killed


def test_a_worker_that_is_killed_at_work_is_replaced_and_the_document_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("saxonche", reason="needs the extra rules")
    started: list[int] = []
    make = module._Worker.__init__

    def noted(self: Any, limits: Limits) -> None:
        make(self, limits)
        started.append(self._process.pid)
        if len(started) == 1:  # stopped, it cannot finish before the blow
            os.kill(started[0], signal.SIGSTOP)
            threading.Timer(0.5, os.kill, (started[0], signal.SIGKILL)).start()

    monkeypatch.setattr(module._Worker, "__init__", noted)
    with Workers(limits=Limits(seconds=20)) as workers:
        assert isinstance(run(workers, GOOD), bytes)
    assert len(started) == 2


def test_a_document_that_kills_two_workers_could_not_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("saxonche", reason="needs the extra rules")
    make = module._Worker.__init__

    def killed(self: Any, limits: Limits) -> None:
        make(self, limits)
        os.kill(self._process.pid, signal.SIGKILL)

    monkeypatch.setattr(module._Worker, "__init__", killed)
    with Workers() as workers, pytest.raises(RulesUnavailable, match=r"twice.*could not be judged"):
        run(workers, GOOD)


def test_a_worker_is_replaced_after_its_number_of_documents(small: Workers) -> None:
    run(small, GOOD)
    first = pid_of(small)
    run(small, GOOD)
    assert pid_of(small) == first
    run(small, GOOD)
    assert worker_of(small) is None


@pytest.mark.parametrize(
    "expression",
    [
        "unparsed-text('file:///etc/passwd')",
        "unparsed-text('/etc/hostname')",
        "doc('{place}')",
        "collection('file:///etc/')",
        "json-doc('{place}')",
        "environment-variable('GATEWAY_SECRET')",
    ],
)
def test_even_unchecked_a_pack_reads_nothing(
    expression: str, small: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.xml"
    secret.write_text("<secret>root:x:0</secret>")
    monkeypatch.setenv("GATEWAY_SECRET", "root:x:0")
    sheet = stylesheet(f'<xsl:value-of select="{expression.format(place=secret.as_uri())}"/>')
    result = run(small, sheet)
    assert isinstance(result, Aborted) or b"root" not in result
    assert isinstance(run(small, GOOD), bytes)


def test_even_unchecked_a_pack_writes_nothing_and_asks_nobody(small: Workers, tmp_path: Path) -> None:
    written = tmp_path / "out.xml"
    write = stylesheet(f'<xsl:result-document href="{written.as_uri()}"><a/></xsl:result-document>')
    assert isinstance(run(small, write), Aborted)
    assert not written.exists()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        run(small, stylesheet(f"<xsl:value-of select=\"doc-available('{url}')\"/>"))
        with pytest.raises(TimeoutError):
            server.accept()


def test_no_process_is_left_behind() -> None:
    pytest.importorskip("saxonche", reason="needs the extra rules")
    with Workers(most=2) as workers, ThreadPoolExecutor(2) as threads:
        barrier = threading.Barrier(2)

        def slowly(kind: str) -> bytes | None:
            barrier.wait(timeout=30)
            return GOOD if kind == "xslt" else None

        list(threads.map(lambda _: workers.judge("x", slowly, DOCUMENT), range(2)))
        pids = [worker._process.pid for worker in workers._free.queue if worker]
        assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_worker_can_open_nothing_more(small: Workers) -> None:
    run(small, GOOD)
    limits = Path(f"/proc/{pid_of(small)}/limits")
    if not limits.exists():
        pytest.skip("needs /proc")
    rows = {line[:26].strip(): line[26:].split()[0] for line in limits.read_text().splitlines()[1:]}
    open_now = sorted(int(name) for name in os.listdir(f"/proc/{pid_of(small)}/fd"))
    assert int(rows["Max open files"]) not in open_now and set(range(int(rows["Max open files"]))) <= set(open_now)
    assert rows["Max file size"] == rows["Max core file size"] == "0"
    assert rows["Max data size"] == "500000000"


def test_a_document_with_entities_never_reaches_a_worker(tmp_path: Path, small: Workers) -> None:
    from gateway.security.safexml import UnsafeXml

    judge, pack = put(one_rule("o:Total"), tmp_path, small)
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + ORDER.replace("12.5", "&b;")
    outside = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + ORDER.replace("12.5", "&a;")
    for document in (bomb, outside):
        with pytest.raises(UnsafeXml):
            root_of(document)
    assert judge.judge(root_of(ORDER), [pack])[0].findings == ()


def test_a_pack_that_does_not_compile_says_where(small: Workers) -> None:
    with pytest.raises(PackBroken, match="XPST0003"):
        small.prove("x", read(one_rule("1 +")).program)
    run(small, GOOD)


def test_a_report_without_end_is_not_read(small: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPORT", 100_000)
    sheet = stylesheet('<xsl:for-each select="1 to 100000"><svrl:fired-rule context="o:Order"/></xsl:for-each>')
    with pytest.raises(RulesUnavailable, match="report of"):
        run(small, sheet)
    run(small, GOOD)


def test_words_that_a_pack_prints_do_not_disturb(small: Workers) -> None:
    chatty = stylesheet('<xsl:for-each select="1 to 20000"><xsl:message>hello hello hello</xsl:message></xsl:for-each>')
    assert isinstance(run(small, chatty), bytes)
    assert isinstance(run(small, GOOD), bytes)


def test_many_threads_share_the_workers(small: Workers) -> None:
    pytest.importorskip("saxonche", reason="needs the extra rules")
    bad = ORDER.replace("Total", "Sum").encode()
    with Workers(most=2, limits=Limits(seconds=30, documents=20)) as workers, ThreadPoolExecutor(8) as threads:
        jobs = [bad if number % 3 else DOCUMENT for number in range(60)]
        reports = list(threads.map(lambda document: run(workers, GOOD, document), jobs))
    assert [b"failed-assert" in report for report in reports] == [job is bad for job in jobs]  # type: ignore[operator]


def test_without_saxon_compiled_xslt_says_what_to_install(without_saxon: Workers) -> None:
    with pytest.raises(NoProcessor) as missing:
        run(without_saxon, GOOD)
    assert "pip install" in missing.value.remedy and missing.value.temporary


def test_without_saxon_the_same_locks_hold(without_saxon: Workers, tmp_path: Path) -> None:
    pack = read(one_rule("o:Total"))
    assert without_saxon.prove("x", pack.program).startswith("elementpath")
    limits = Path(f"/proc/{pid_of(without_saxon)}/limits").read_text()
    assert "Max data size             1000000000" in limits
    secret = tmp_path / "secret.xml"
    secret.write_text("<secret>root:x:0</secret>")
    reads = pack.schema.replace(b'test="o:Total"', f"test=\"doc('{secret.as_uri()}')\"".encode())  # type: ignore[union-attr]
    assert isinstance(without_saxon.judge("reads", lambda kind: reads, DOCUMENT), Aborted)


def test_without_saxon_too_long_and_too_much_are_no_verdict(without_saxon: Workers) -> None:
    pack = read(one_rule("o:Total"))
    for test, said in (
        (
            "every $i in (1, 2, 3) satisfies count(//o:*[count(//o:*[count(//o:*[count(//o:*) > 0]) > 0]) > 0]) > 0",
            "longer",
        ),
        (ENDLESS, "not be run"),
    ):
        schema = pack.schema.replace(b'test="o:Total"', f'test="{test}"'.replace(">", "&gt;").encode())  # type: ignore[union-attr]
        many = ORDER.replace("<o:Total>", "<o:Note>a</o:Note>" * 200 + "<o:Total>").encode()
        limits = Limits(seconds=2, memory=300_000_000)
        with Workers(limits=limits) as workers, pytest.raises(RulesUnavailable, match=said):
            workers.judge(said, lambda kind, s=schema: s, many)  # type: ignore[misc]
