# SPDX-License-Identifier: BSD-3-Clause
"""cordon-dp without a control plane, on kernel interfaces, as an unprivileged user with its ports' capabilities: it
denies without a policy, enforces its last good one, drops its rights, comes back after kill -9, and goes on without an
interface that is deleted under it."""

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile

import tap
from lab import PORT_CAPS, ROOT, call, wait_for

BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
USER = 'nobody'
POLICY = '''cordon: 1
bundle: {name: alone, owner: tests, timezone: UTC}
labels:
  role: [client, server]
classify:
  - {id: c-client, when: {prefix: 10.9.0.1/32}, set: {role: client}}
  - {id: c-server, when: {prefix: 10.9.0.2/32}, set: {role: server}}
services:
  echo: {proto: icmp, type: 8}
rules:
  - {id: r-ping, effect: allow, from: {role: client}, to: {role: server}, service: echo, owner: tests, review_by: 2099-12-31}
'''


class Site:
    """Two hosts and the gateway's namespace between them."""

    def __init__(self, driver):
        self.driver = driver
        self.id = f'cdp{secrets.token_hex(2)}'
        self.undo = contextlib.ExitStack()
        self.process = None

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.undo.close()
            raise
        return self

    def __exit__(self, *exc):
        self.stop(signal.SIGKILL)
        self.undo.close()

    def make(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=self.id, dir='/run'))
        self.undo.callback(shutil.rmtree, self.dir, ignore_errors=True)
        for name in ('run', 'state', 'xdp'):
            (self.dir / name).mkdir()
            shutil.chown(self.dir / name, USER)
        self.dir.chmod(0o755)
        for name in ('client', 'server', 'gw'):
            call(['ip', 'netns', 'add', self.ns(name)])
            self.undo.callback(subprocess.run, ['ip', 'netns', 'del', self.ns(name)], capture_output=True)
        self.link('client', '10.9.0.1')
        self.link('server', '10.9.0.2')

    def ns(self, name):
        return f'{self.id}-{name}'

    def veth(self, name):
        return f'{self.id}{name[0]}'

    def link(self, name, address):
        ns = self.ns(name)
        call(['ip', '-n', self.ns('gw'), 'link', 'add', self.veth(name), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', ns])
        call(['ip', 'netns', 'exec', ns, 'ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off'])
        call([ROOT / 'scripts/port-prepare', '--netns', self.ns('gw'), self.veth(name)])
        call(['ip', '-n', ns, 'addr', 'add', f'{address}/24', 'dev', 'eth0'])
        call(['ip', '-n', ns, 'link', 'set', 'eth0', 'up'])

    def install_policy(self):
        (self.dir / 'policy.yaml').write_text(POLICY)
        state = self.dir / 'state'
        call([BUILD / 'controlplane/cli/cordon', 'compile', '--policy', self.dir / 'policy.yaml', '--image',
              state / 'last-good.image', '--bindings', state / 'last-good.bindings'])
        for file in state.iterdir():
            file.chmod(0o644)

    def port(self, name):
        return ['--port', f'name={name},role=access,vlan=10,side=inside,device={self.driver},iface={self.veth(name)}']

    def start(self):
        """As its user with exactly the rights its ports need; af_xdp also wants a writable /run/xdp."""
        caps = '-all,' + ','.join('+' + c for c in PORT_CAPS[self.driver].split(','))
        program = ['setpriv', f'--reuid={USER}', '--regid=nogroup', '--clear-groups', f'--bounding-set={caps}',
                   f'--inh-caps={caps}', f'--ambient-caps={caps}', str(BUILD / 'dataplane/io/cordon-dp'), '--no-huge',
                   '--clock', 'trusted', '--run-dir', str(self.dir / 'run'), '--state', str(self.dir / 'state'),
                   *self.port('client'), *self.port('server')]
        mount = 'mkdir -p /run/xdp && mount --bind "$0" /run/xdp && exec "$@"'
        known = shutil.copy(ROOT / 'tests/support/lsan.supp', self.dir)  # where its user can read it
        log = open(self.dir / 'log', 'w', encoding='utf-8')
        self.process = subprocess.Popen(['ip', 'netns', 'exec', self.ns('gw'), 'unshare', '--mount', 'sh', '-c', mount,
                                         str(self.dir / 'xdp'), *program], stderr=log, env={**os.environ, 'LSAN_OPTIONS': f'print_suppressions=0:suppressions={known}'})
        log.close()
        wait_for(f'cordon-dp runs on {self.driver}', self.is_running, 30)
        for name in ('client', 'server'):  # the snapshot is empty: hosts are learned from their ARP
            call(['ip', '-n', self.ns(name), 'neigh', 'flush', 'dev', 'eth0'])

    def is_running(self):
        text = (self.dir / 'log').read_text()
        if self.process.poll() is not None:
            raise AssertionError(f'cordon-dp ended: {text}')
        return 'running:' in text

    def stop(self, sig):
        if self.process is None:
            return None
        self.process.send_signal(sig)
        code = self.process.wait(20)
        self.process = None
        return code

    def ask(self, command):
        (path,) = (self.dir / 'run/dpdk').glob('*/dpdk_telemetry.v2')
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(10)
            s.connect(str(path))
            s.recv(16384)
            s.send(command.encode())
            return json.loads(s.recv(16384))[command]

    def stats(self):
        return self.ask('/cordon/stats')

    def state(self, name):
        port = next(p for p in self.ask('/cordon/ports').values() if p['name'] == name)
        return 'removed' if port['removed'] else 'up' if port['up'] else 'down'

    def ping(self, source, address):
        done = subprocess.run(['ip', 'netns', 'exec', self.ns(source), 'ping', '-c', '1', '-W', '1', address], capture_output=True)
        return done.returncode == 0

    def capabilities(self):
        """Permitted sets of all threads."""
        sets = set()
        for status in pathlib.Path(f'/proc/{self.process.pid}/task').glob('*/status'):
            sets.update(line.split()[1] for line in status.read_text().splitlines() if line.startswith('CapPrm'))
        return sets


def law_of_frames(stats):
    tap.equal(stats['frames_in'] - stats['forwarded'] - sum(stats['dropped'].values()), 0, 'law of frames')


def enforces(site):
    """The allowed ping passes; its twin in the other direction does not arrive and is counted."""
    wait_for('the allowed ping passes', lambda: site.ping('client', '10.9.0.2'), 20)
    before = site.stats()
    tap.equal(site.ping('server', '10.9.0.1'), False, 'denied ping')
    after = site.stats()
    if after['dropped'].get('no_rule', 0) <= before['dropped'].get('no_rule', 0):
        raise AssertionError(f'the denied ping was not counted: {after}')
    law_of_frames(after)


def goes_on_without(site):
    """An interface is deleted while frames go there: its port is closed, what would leave there is counted, the other port lives."""
    stream = subprocess.Popen(['ip', 'netns', 'exec', site.ns('client'), 'ping', '-q', '-i', '0.01', '10.9.0.2'], stdout=subprocess.DEVNULL)
    try:
        wait_for('frames come', lambda: site.stats()['forwarded'] > 100, 20)
        call(['ip', '-n', site.ns('gw'), 'link', 'del', site.veth('server')])
        wait_for('the port is removed', lambda: site.state('server') == 'removed', 20)
        before = site.stats()['dropped'].get('no_port', 0)
        wait_for('what would leave there is counted', lambda: site.stats()['dropped'].get('no_port', 0) > before + 10, 20)
    finally:
        stream.terminate()
        stream.wait()
    tap.equal(site.state('client'), 'up', 'the other port')
    tap.contains((site.dir / 'log').read_text(), 'port server is removed')
    tap.equal(site.capabilities(), {'0' * 16}, 'capabilities')
    law_of_frames(site.stats())
    tap.equal(site.stop(signal.SIGTERM), 0, 'exit code')


def run_on(driver):
    with Site(driver) as site:
        site.start()
        tap.equal(site.ping('client', '10.9.0.2'), False, 'ping without a policy')
        if not site.stats()['dropped'].get('deny_all'):
            raise AssertionError(f'nothing was dropped as deny-all: {site.stats()}')
        tap.equal(site.capabilities(), {'0' * 16}, 'capabilities')
        tap.equal(site.stop(signal.SIGTERM), 0, 'exit code')
        tap.contains((site.dir / 'log').read_text(), 'everything is denied')

        site.install_policy()
        site.start()
        enforces(site)
        site.stop(signal.SIGKILL)
        site.start()
        enforces(site)
        goes_on_without(site)


if __name__ == '__main__':
    tap.run((driver, lambda driver=driver: run_on(driver)) for driver in ('net_af_packet', 'net_af_xdp'))
