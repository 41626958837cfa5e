# SPDX-License-Identifier: BSD-3-Clause
"""Bad input to whole processes: one clear error each, what stayed as it was, the documented exit code, nothing lost."""

import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile

import tap
from lab import ROOT, Lab, wait_for

BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
POLICY = ROOT / 'policies/examples/agency-core'
CORDON = BUILD / 'controlplane/cli/cordon'
CORDOND = BUILD / 'controlplane/daemon/cordond'
DP = BUILD / 'dataplane/io/cordon-dp'


def broken_policy(lab):
    def case():
        before = lab.status()['generation']['number']
        bad = lab.dir / 'bad.yaml'
        text = (POLICY / 'rules.yaml').read_text() if (POLICY / 'rules.yaml').exists() else next(POLICY.glob('*.yaml')).read_text()
        bad.write_text(text + '\nnonsense: [1\n')
        done = lab.cordon('commit', str(bad), '-m', 'broken', check=False)
        tap.equal(done.returncode, 3, 'exit')
        tap.contains(done.stderr, 'bad.yaml:')
        tap.contains(done.stderr, 'error:')
        tap.contains(done.stderr, f'generation {before}')
        tap.equal(lab.status()['generation']['number'], before, 'generation')
    return case


def gateway_rule_refused(lab):
    def case():
        bad = lab.dir / 'gateway'
        subprocess.run(['cp', '-r', str(POLICY), str(bad)], check=True)
        (bad / 'zz.yaml').write_text('cordon: 1\nrules:\n  - {id: zz-gw, effect: allow, from: staff, to: $gateway, service: ping, '
                                     'owner: x, review_by: 2099-01-01}\n')
        done = lab.cordon('commit', str(bad), '-m', 'gateway', check=False)
        if done.returncode == 0:
            raise AssertionError('a rule for $gateway was accepted')
        tap.equal(done.returncode, 3, 'exit')
        tap.contains(done.stderr, "rule `zz-gw` names $gateway: nothing here enforces the gateway's own traffic")
        tap.contains(done.stderr, 'management')
    return case


def second_instance(lab):
    def case():
        for argv in ([CORDOND, '--config', lab.config, '--run-dir', lab.run_dir],
                     [DP, f'@{lab.dir}/dp.args']):
            done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=30)
            tap.equal(done.returncode, 6, f'exit of a second {argv[0].name}')
            tap.contains(done.stderr + done.stdout, str(lab.procs['cordond' if argv[0] == CORDOND else 'dp'].pid))
        tap.equal(lab.status()['generation']['number'], 1, 'generation')
    return case


def does_not_start(lab, *args, says):
    """cordon-dp between a first port as given and a second one that is sure to work: exit 6, and these words."""
    def case():
        with tempfile.TemporaryDirectory(dir=lab.dir) as run:
            done = subprocess.run([str(DP), '--run-dir', run, *args, '--port', 'name=y,role=access,vlan=1,side=inside,device=net_null'],
                                  capture_output=True, text=True, timeout=60)
        tap.equal(done.returncode, 6, 'exit')
        for words in says:
            tap.contains(done.stderr + done.stdout, words)
    return case


def missing_port(lab):
    return does_not_start(lab, '--no-huge', '--port', 'name=x,role=access,vlan=1,side=inside,device=net_af_packet,iface=nosuch0',
                          says=['nosuch0'])


def no_huge_pages(lab):
    """More sessions than any huge pages here can hold."""
    return does_not_start(lab, '--sessions', '16777216', '--port', 'name=x,role=access,vlan=1,side=inside,device=net_null',
                          says=['nr_hugepages', '--no-huge'])


def example_config(lab):
    def case():
        done = subprocess.run([str(CORDOND), '--config', str(ROOT / 'firmware/cordon.yaml'), '--check'], capture_output=True, text=True)
        tap.equal(done.returncode, 0, done.stderr)
    return case


def bad_config(lab):
    def case():
        for change, want in (('engine: dpdk', 'engine: warp'), ('side: outside', 'side: upside')):
            bad = lab.dir / 'bad-config.yaml'
            bad.write_text(lab.config.read_text().replace(change, want))
            done = subprocess.run([str(CORDOND), '--config', str(bad), '--check'], capture_output=True, text=True)
            tap.equal(done.returncode, 2, 'exit')
            tap.contains(done.stderr + done.stdout, 'bad-config.yaml:')
            tap.contains(done.stderr + done.stdout, '^')
    return case


def no_daemon(lab):
    def case():
        done = subprocess.run([str(CORDON), '--socket', '/run/no-such.sock', 'status'], capture_output=True, text=True)
        tap.equal(done.returncode, 5, 'exit')
        tap.contains(done.stderr, '/run/no-such.sock')
    return case


def stranger(lab):
    def case():
        done = subprocess.run(['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', 'curl', '-s', '-o', '/dev/null',
                               '-w', '%{http_code}', '--unix-socket', str(lab.socket), 'http://localhost/v1/status'],
                              capture_output=True, text=True)
        if done.stdout.strip() == '200':
            raise AssertionError('an unlisted uid was answered')
    return case


def lying_peer(lab):
    """Garbage, a wrong size and silence on the dataplane's and the API's sockets; both go on."""
    def case():
        for junk in (b'', b'\0' * 7, b'\xff' * 4096, struct.pack('<IHHQ', 99, 2, 0, 1) + b'\0' * 2000):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                peer.connect(str(lab.run_dir / 'dp.sock'))
                try:
                    peer.send(junk or b'x')
                except OSError:
                    pass
        stalled = []
        for _ in range(4):
            api = socket.socket(socket.AF_UNIX)
            api.connect(str(lab.socket))
            api.send(b'POST /v1/commit HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{')
            stalled.append(api)
        tap.equal(lab.status()['generation']['number'], 1, 'generation')
        for api in stalled:
            api.close()
        with socket.socket(socket.AF_UNIX) as api:
            api.connect(str(lab.socket))
            api.send(b'GARBAGE\r\n\r\n')
            api.settimeout(5)
            api.recv(100)
        tap.equal(lab.run('staff', ['ping', '-c1', '-W2', lab.hosts['web'].v4]).returncode, 0, 'ping')
        tap.equal(lab.status()['engines'][0]['generation'], 1, 'generation in force')
    return case


def disk_full(lab):
    """The state directory fills up: storing stops, forwarding goes on, status says so; room again: all is stored."""
    def case():
        state = lab.dir / 'state'
        filler = state / 'filler'
        with open(filler, 'wb', buffering=0) as out:
            try:
                while True:
                    out.write(b'\0' * 65536)
            except OSError:
                pass
        try:
            for port in range(400):
                lab.run('staff', ['/usr/bin/python3', '-c',
                                  'import socket\nfor p in range(300):\n s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b"x",("10.20.0.53",53)); s.close()'])
                if not lab.status()['records']['storing']:
                    break
            status = lab.status()
            tap.equal(status['records']['storing'], False, 'storing')
            tap.equal(lab.run('staff', ['ping', '-c1', '-W2', lab.hosts['web'].v4]).returncode, 0, 'ping')
        finally:
            filler.unlink()
        wait_for('storing again', lambda: lab.status()['records']['storing'], 20)
        laws = lab.laws(20)
        tap.equal(laws['lost'], 0, 'lost')
    return case


def corrupt_database(lab):
    def case():
        lab.stop('cordond')
        db = lab.dir / 'state/control.db'
        good = db.read_bytes()
        for extra in ('-wal', '-shm'):
            pathlib.Path(f'{db}{extra}').unlink(missing_ok=True)
        db.write_bytes(b'this is not a database' * 400)
        done = subprocess.run([str(CORDOND), '--config', str(lab.config), '--run-dir', str(lab.run_dir)], capture_output=True, text=True,
                              timeout=30)
        tap.equal(done.returncode, 6, 'exit')
        tap.contains(done.stderr + done.stdout, 'control.db')
        tap.equal(lab.run('staff', ['ping', '-c1', '-W2', lab.hosts['web'].v4]).returncode, 0, 'forwarding went on')
        db.write_bytes(good)
        lab.start_cordond()
        tap.equal(lab.status()['generation']['number'], 1, 'generation')
    return case


def small_disk(lab):
    """State on a small file system of its own, so that it can be filled."""
    state = lab.dir / 'state'
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=32m,mode=2770', 'tmpfs', str(state)], check=True)
    lab.undo.callback(subprocess.run, ['umount', '-l', str(state)], capture_output=True)
    subprocess.run(['chown', 'cordond:cordon-run', str(state)], check=True)
    subprocess.run(['chmod', '2770', str(state)], check=True)


with Lab(BUILD, driver='net_af_packet', huge=False) as lab:
    lab.make_dirs()
    small_disk(lab)
    lab.make_network()
    lab.start_gateway()
    lab.cordon('commit', str(POLICY), '-m', 'first')
    lab.learn_hosts()
    tap.run([
        ('a broken policy is refused with its place', broken_policy(lab)),
        ('a rule for $gateway is refused', gateway_rule_refused(lab)),
        ('a second instance says who runs', second_instance(lab)),
        ('a missing port is named', missing_port(lab)),
        ('too few huge pages: how many and what else to do', no_huge_pages(lab)),
        ('the example config has no fault', example_config(lab)),
        ('a bad config shows its place', bad_config(lab)),
        ('no daemon: exit 5', no_daemon(lab)),
        ('a stranger gets nothing', stranger(lab)),
        ('peers that lie or stall', lying_peer(lab)),
        ('a full disk', disk_full(lab)),
        ('a corrupt database', corrupt_database(lab)),
    ])
