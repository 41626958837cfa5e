# SPDX-License-Identifier: BSD-3-Clause
"""Other datapaths on the benchmark's devices and capture, each run by itself in a directory of its own."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import time

OVS_PROGRAM = pathlib.Path('/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk')
OVS_SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
OVS_MEMORY = 1024  # MB of huge pages: its packet pool has 262,144 buffers

# Everything new is committed, everything known goes on: what a stateful switch does at the least.
OVS_FLOWS = [
    'table=0,priority=10,ip,ct_state=-trk,actions=ct(table=1)',
    'table=1,priority=10,ip,ct_state=+trk+new,actions=ct(commit),output:2',
    'table=1,priority=10,ip,ct_state=+trk+est,actions=output:2',
]


class PeerError(Exception):
    """One line for the user."""


def ovs_installed():
    return OVS_PROGRAM.exists() and shutil.which('ovsdb-server') is not None


class Ovs:
    """Open vSwitch with DPDK and its userspace connection tracking, between two devices."""

    def __init__(self, work):
        self.work = work
        self.env = dict(os.environ, OVS_RUNDIR=str(work), OVS_DBDIR=str(work), OVS_LOGDIR=str(work), OVS_SYSCONFDIR=str(work))
        self.database = f'unix:{work}/db.sock'
        self.undo = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.undo.close()

    def call(self, *argv):
        done = subprocess.run([str(a) for a in argv], env=self.env, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise PeerError(f'{argv[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}')
        return done.stdout

    def spawn(self, *argv):
        with open(self.work / f'{pathlib.Path(argv[0]).name}.log', 'w', encoding='utf-8') as log:
            process = subprocess.Popen([str(a) for a in argv], env=self.env, stdout=log, stderr=log)
        self.undo.callback(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def vsctl(self, *words):
        return self.call('ovs-vsctl', f'--db={self.database}', '--timeout=40', *words)

    def start(self, worker):
        self.call('ovsdb-tool', 'create', self.work / 'conf.db', OVS_SCHEMA)
        self.spawn('ovsdb-server', self.work / 'conf.db', f'--remote=p{self.database}', f'--unixctl={self.work}/db.ctl')
        deadline = time.monotonic() + 20
        while not (self.work / 'db.sock').exists():
            if time.monotonic() > deadline:
                raise PeerError('ovsdb-server did not start')
            time.sleep(0.05)
        self.vsctl('--no-wait', 'init')
        self.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', 'other_config:dpdk-init=true',
                   f'other_config:pmd-cpu-mask={hex(1 << worker)}', f'other_config:dpdk-socket-mem={OVS_MEMORY}',
                   'other_config:dpdk-extra=--in-memory --no-pci')
        self.spawn(OVS_PROGRAM, self.database, f'--unixctl={self.work}/switch.ctl', '--log-file=' + str(self.work / 'switch.log'))

    def wire(self, source, sink):
        self.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')
        for number, (name, device) in enumerate((('in', source), ('out', sink)), 1):
            self.vsctl('add-port', 'br0', name, '--', 'set', 'Interface', name, 'type=dpdk', f'ofport_request={number}',
                       f'options:dpdk-devargs="{device}"')
            error = self.vsctl('get', 'Interface', name, 'error').strip()
            if error != '[]':
                raise PeerError(f'Open vSwitch refuses {device}: {error}')
        bridge = f'unix:{self.work}/br0.mgmt'
        self.call('ovs-ofctl', 'del-flows', bridge)
        for flow in OVS_FLOWS:
            self.call('ovs-ofctl', 'add-flow', bridge, flow)

    def received(self):
        text = self.call('ovs-appctl', '-t', self.work / 'switch.ctl', 'dpif-netdev/pmd-stats-show')
        return sum(int(n) for n in re.findall(r'packets received: (\d+)', text))

    def tracked(self):
        """Live connections."""
        text = self.call('ovs-appctl', '-t', self.work / 'switch.ctl', 'dpctl/ct-stats-show')
        return int(re.search(r'Total: (\d+)', text)[1])

    def warm_up(self):
        """Until there are connections and a second passes without a new one."""
        live, deadline = 0, time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(1)
            before, live = live, self.tracked()
            if live and live == before:
                return
        raise PeerError('Open vSwitch did not settle within 30 s')

    def measure(self, seconds):
        self.warm_up()
        count, start = self.received(), time.monotonic()
        time.sleep(seconds)
        return (self.received() - count) / (time.monotonic() - start) / 1e6, self.tracked()


def ovs(work, source, sink, worker, seconds):
    """Million packets a second and live connections of Open vSwitch on these devices."""
    work.mkdir()
    with Ovs(work) as switch:
        switch.start(worker)
        switch.wire(source, sink)
        return switch.measure(seconds)
