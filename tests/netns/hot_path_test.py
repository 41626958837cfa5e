# SPDX-License-Identifier: BSD-3-Clause
"""While frames arrive, the worker makes no system call at all; when they stop, it sleeps instead of spinning."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import tap
from lab import ROOT, call, wait_for

BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
POLICY = ROOT / 'policies/examples/agency-core'


@contextlib.contextmanager
def dataplane(device):
    """cordon-dp in tap mode from `device` to nowhere; gives its process id."""
    with tempfile.TemporaryDirectory(prefix='cordon-hot-') as home:
        capture = pathlib.Path(home) / 'flows.pcap'
        call([ROOT / 'scripts/bench', 'flows', '--flows', '64', '--out', capture])
        call([BUILD / 'controlplane/cli/cordon', 'compile', '--policy', POLICY, '--pcap', capture, '--image',
              f'{home}/last-good.image', '--bindings', f'{home}/last-good.bindings'])
        with open(f'{home}/log', 'w', encoding='utf-8') as log:
            process = subprocess.Popen(
                [BUILD / 'dataplane/io/cordon-dp', '--no-huge', '--tap', '--run-dir', home, '--state', home, '--port',
                 'name=in,device=' + device.format(capture=capture), '--port', 'name=out,device=net_null'], stdout=log, stderr=log)
        try:
            wait_for('cordon-dp runs', lambda: 'running' in pathlib.Path(f'{home}/log').read_text(), 30)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def worker(pid):
    tasks = pathlib.Path(f'/proc/{pid}/task').iterdir()
    return next(t.name for t in tasks if (t / 'comm').read_text().startswith('rte-worker'))


def calls(thread, seconds=1):
    """System calls of a thread in this time, by name."""
    done = subprocess.run(['timeout', '-s', 'INT', str(seconds), 'strace', '-qq', '-p', thread], capture_output=True, text=True)
    names = re.findall(r'^(\w+)\(', done.stderr, re.M)
    return {name: names.count(name) for name in names}


def busy():
    with dataplane('net_pcap,rx_pcap={capture},infinite_rx=1') as pid:
        thread = worker(pid)
        wait_for('it is past its start', lambda: not calls(thread), 20)
        tap.equal(calls(thread, 2), {}, 'system calls while frames arrive')


def idle():
    with dataplane('net_pcap,rx_pcap={capture}') as pid:
        thread = worker(pid)
        wait_for('the capture is over', lambda: calls(thread), 20)
        seen = calls(thread, 2)
        tap.equal(set(seen) <= {'clock_nanosleep', 'restart_syscall', 'nanosleep'}, True, f'sleeps only: {seen}')
        tap.equal(sum(seen.values()) < 4000, True, f'sleeps about a millisecond each: {seen}')


tap.run([
    ('no system call while frames arrive', busy),
    ('sleeps when none do', idle),
])
