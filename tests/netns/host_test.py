# SPDX-License-Identifier: BSD-3-Clause
"""The host plane: cordon-dp forwards, and the kernel guards the gateway's own addresses by the same policy.

Beside the ports there is a management network on a device of its own: a real sshd and a web server at the gateway, real
ssh clients at its hosts. Each permission has a twin that is refused, over IPv4 and IPv6.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import threading

import tap
from lab import ROOT, Host, Lab, LabError, call, wait_for

BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
FAMILIES = ('v4', 'v6')
NET = {'v4': '10.20.99.', 'v6': 'fd00:20:0:99::'}
GATEWAY = {family: NET[family] + '1' for family in FAMILIES}
OTHER = {family: NET[family] + '2' for family in FAMILIES}  # the gateway's too, but not of its management
MANAGERS = {'admin': '21', 'operator': '31', 'guest': '66', 'stranger': '77'}  # nothing says who the last one is
PORTS = [Host('laptop', 'lan1', '10.20.0.21', 'fd00:20::21'), Host('desk', 'lan2', '10.20.0.22', 'fd00:20::22')]
SSH, WEB, LOGS = 22, 80, 6514

RULES = {
    'admin-ssh': '{id: admin-ssh, effect: allow, from: admins, to: $gateway, service: tcp/22, %s}',
    'operator-ssh': '{id: operator-ssh, effect: allow, from: operators, to: $gateway, service: tcp/22, %s}',
    'no-guests': '{id: no-guests, tier: guard, effect: deny, from: guests, to: $gateway, service: any, %s}',
    'logs': '{id: logs, effect: allow, from: $gateway, to: admins, service: tcp/6514, %s}',
    'inside': '{id: inside, effect: allow, from: laptops, to: desks, service: ping, %s}',
}
WHO = {'admin': 'admin', 'operator': 'operator', 'guest': 'guest'}


def policy(lab, name, leave_out=(), more=()):
    """A policy file of these rules, with some left out and others added."""
    path = lab.dir / f'{name}.yaml'
    classes = [(f'{role}-{family[1]}', f'{NET[family]}{MANAGERS[role]}', role) for role in WHO for family in FAMILIES]
    classes += [(f'{h.name}-{family[1]}', getattr(h, family), h.name) for h in PORTS for family in FAMILIES]
    rules = [text for key, text in RULES.items() if key not in leave_out] + list(more)
    path.write_text(
        'cordon: 1\nbundle: {name: host, owner: net@example, timezone: UTC}\n'
        'labels: {role: [admin, operator, guest, laptop, desk], state: {values: [normal, quarantined], default: normal}}\n'
        'groups: {admins: {role: admin}, operators: {role: operator}, guests: {role: guest}, laptops: {role: laptop}, '
        'desks: {role: desk}}\nclassify:\n'
        + ''.join(f'  - {{id: c-{i}, when: {{prefix: "{a}/{128 if ":" in a else 32}"}}, set: {{role: {r}}}}}\n' for i, a, r in classes)
        + 'rules:\n' + ''.join(f'  - {rule % "owner: net, review_by: 2099-01-01"}\n' for rule in rules))
    return path


class HostLab(Lab):
    """A lab whose gateway has a management network: a switch with the gateway's addresses on it."""

    def make_network(self):
        super().make_network()
        gw = self.ns('gw')
        call(['ip', '-n', gw, 'link', 'add', 'mgmt0', 'type', 'bridge'])
        for name, number in MANAGERS.items():
            self.make_ns(self.ns(name))
            call(['ip', '-n', gw, 'link', 'add', f'm{number}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', self.ns(name)])
            call(['ip', '-n', gw, 'link', 'set', f'm{number}', 'master', 'mgmt0', 'up'])
            self.give(self.ns(name), 'eth0', number)
        self.give(gw, 'mgmt0', '1')
        self.give(gw, 'mgmt0', '2')

    @staticmethod
    def give(ns, device, number):
        call(['ip', '-n', ns, 'addr', 'add', f'{NET["v4"]}{number}/24', 'dev', device])
        call(['ip', '-n', ns, 'addr', 'add', f'{NET["v6"]}{number}/64', 'dev', device, 'nodad'])
        call(['ip', '-n', ns, 'link', 'set', device, 'up'])

    def start_servers(self):
        gw = ['ip', 'netns', 'exec', self.ns('gw')]
        home = self.dir / 'ssh'
        home.mkdir()
        for key in ('host', 'user'):
            call(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', home / key])
        (home / 'sshd_config').write_text(
            f'Port {SSH}\nHostKey {home}/host\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n'
            f'AuthorizedKeysFile {home}/user.pub\nPrintLastLog no\nPrintMotd no\nClientAliveInterval 1\nClientAliveCountMax 3\n')
        self.separation_dir()
        self.spawn('sshd', gw + ['/usr/sbin/sshd', '-D', '-e', '-f', home / 'sshd_config'])
        serve = ['/usr/bin/python3', '-m', 'http.server', '--bind', '::', '--directory', self.dir / 'ztmm']
        self.spawn('web', gw + serve + [WEB])
        for name in ('admin', 'operator'):
            self.spawn(f'logs-{name}', ['ip', 'netns', 'exec', self.ns(name)] + serve + [LOGS])
            self.await_listener(name, LOGS)
        for port in (SSH, WEB):
            self.await_listener('gw', port)

    def separation_dir(self):
        """sshd wants an empty directory there; who has none gets it for as long as the lab is there."""
        path = pathlib.Path('/run/sshd')
        if not path.exists():
            path.mkdir(mode=0o755)
            self.undo.callback(path.rmdir)

    def ssh_words(self, address):
        return ['ssh', '-F', 'none', '-i', self.dir / 'ssh/user', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o',
                'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=2', '-o', 'ServerAliveInterval=1',
                '-o', 'ServerAliveCountMax=2', f'root@{address}']

    def ssh(self, name, address):
        done = self.run(name, self.ssh_words(address) + ['echo', 'at', 'home'])
        return done.returncode == 0 and done.stdout == 'at home\n'

    def reaches(self, name, address, port):
        """A TCP connection, from the management address if it is the gateway's."""
        source = GATEWAY['v6' if ':' in address else 'v4'] if name == 'gw' else ''
        return self.run(name, ['/usr/bin/python3', '-S', '-c', 'import socket, sys; socket.create_connection(sys.argv[2:], 0.7, '
                               '(sys.argv[1], 0))', source, address, port]).returncode == 0

    def engines(self):
        return {e['name']: e for e in self.status()['engines']}

    def events(self, kind):
        with contextlib.closing(sqlite3.connect(f'file:{self.dir}/state/control.db?mode=ro', uri=True, timeout=10)) as db:
            return [text for text, in db.execute('SELECT text FROM event WHERE kind = ? ORDER BY id', (kind,))]

    def commit(self, path):
        return self.cordon('commit', str(path), '-m', path.stem, '--wait', '0', check=False)

    def committed(self, path):
        done = self.commit(path)
        tap.equal(done.returncode, 0, f'exit of the commit of {path.name}: {done.stderr}')
        self.both_hold(self.status()['generation']['number'])

    def both_hold(self, number):
        got = {name: (e['state'], e['generation'], e['equal']) for name, e in self.engines().items()}
        tap.equal(got, {'dpdk': ('active' if number else 'deny-all', number, True),
                        'nft': ('host' if number else 'deny-all', number, True)}, 'engines')

    def newest(self, src, dst, port):
        """Of new sessions: who was cut sends again for a while, and that is denied as of no session."""
        rows = [r for r in self.data('flows', '--from', src, '--since', '1h', '-n', '1000')
                if r['dst'] == dst and r['dport'] == port and r['reason'] != 'no-session']
        return max(rows, key=lambda r: r['last']) if rows else None


class Session:
    """A live ssh session that echoes what it is told."""

    def __init__(self, lab, name, family='v4'):
        self.process = subprocess.Popen(['ip', 'netns', 'exec', lab.ns(name), *lab.ssh_words(GATEWAY[family]), 'cat'], text=True,
                                        bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        lab.undo.callback(self.end)
        self.said = 0
        tap.equal(self.lives(), True, f'a new session of {name}')

    def lives(self):
        self.said += 1
        try:
            self.process.stdin.write(f'{self.said}\n')
        except BrokenPipeError:
            return False
        return self.process.stdout.readline() == f'{self.said}\n'  # the client gives up by itself

    def end(self):
        self.process.kill()
        self.process.wait()


def at_once(calls):
    """(function, arguments...) side by side: most of a refused attempt is waiting."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(*call) for call in calls]:
            future.result()


def only_ssh(lab):
    def attempt(family):
        for name in ('admin', 'stranger'):
            tap.equal(lab.ssh(name, GATEWAY[family]), True, f'ssh of {name} over {family}')
        tap.equal(lab.reaches('admin', GATEWAY[family], WEB), False, f'web over {family}')
        tap.equal(lab.reaches('gw', NET[family] + MANAGERS['admin'], LOGS), False, f'logs over {family}')
    at_once((attempt, family) for family in FAMILIES)


def before_the_first_commit(lab):
    def case():
        lab.both_hold(0)
        only_ssh(lab)
        for family in FAMILIES:
            tap.equal(lab.reaches('admin', OTHER[family], WEB), True, f'web at an address that is not of the management over {family}')
    return case


def decided(lab, name, peer, port, verdict, rule, families=FAMILIES):
    """What happens is what the rule says, and so is the record."""
    who = {**{n: f'role={r},state=normal' for n, r in WHO.items()}, 'stranger': '$unknown', 'gw': '$gateway'}
    for family in families:
        address = {n: NET[family] + number for n, number in {**MANAGERS, 'gw': '1'}.items()}
        what = f'{name} -> {peer} tcp/{port} over {family}'
        before = lab.newest(address[name], address[peer], port)
        reach = lab.ssh if port == SSH and verdict == 'allow' else lab.reaches
        worked = reach(name, address[peer], *([] if reach == lab.ssh else [port]))
        tap.equal(worked, verdict == 'allow', what)

        def recorded():
            row = lab.newest(address[name], address[peer], port)
            new = row and (not before or row['last'] > before['last'])
            return row if new and row['verdict'] == verdict else None
        row = wait_for(f'a record of {what}', recorded, 10, 0.2)
        tap.equal((row['rule'], row['src_identity'], row['dst_identity'], row['generation']),
                  (rule, who[name], who[peer], lab.status()['generation']['number']), f'record of {what}')


ATTEMPTS = [
    ('admin', 'gw', SSH, 'allow', 'admin-ssh'),
    ('operator', 'gw', SSH, 'allow', 'operator-ssh'),
    ('guest', 'gw', SSH, 'deny', 'no-guests'),
    ('stranger', 'gw', SSH, 'deny', 'default-deny'),
    ('admin', 'gw', WEB, 'deny', 'default-deny'),
    ('gw', 'admin', LOGS, 'allow', 'logs'),
    ('gw', 'operator', LOGS, 'deny', 'default-deny'),
]


def as_the_policy_says(lab, sessions):
    def case():
        guest = Session(lab, 'guest')
        lab.committed(policy(lab, 'first'))
        tap.equal(guest.lives(), False, "the guest's session of before the first commit")
        for name, session in sessions.items():
            tap.equal(session.lives(), True, f"the administrator's session of before the first commit ({name})")
        at_once((decided, lab, *attempt, [family]) for attempt in ATTEMPTS for family in FAMILIES)
        for family in FAMILIES:
            tap.equal(lab.reaches('stranger', OTHER[family], WEB), True, 'web at an address that is not of the management')
    return case


LOCKED_OUT = [
    ('no rule', {'leave_out': ['admin-ssh']}, 'role=admin,state=normal -> $gateway tcp/22 is denied by default-deny'),
    ('a guard', {'more': ['{id: shut, tier: guard, effect: deny, from: any, to: $gateway, service: tcp/1-100, %s}']},
     'role=admin,state=normal -> $gateway tcp/22 is denied by shut'),
    ('a state', {'more': ['{id: g-q, tier: guard, effect: deny, from: $known, to: $gateway, service: tcp/22, %s}']},
     'role=admin,state=normal -> $gateway tcp/22 is denied by g-q'),
]


def locked_out(lab, active):
    """Refused by `check` and by `commit`; both engines keep what they have."""
    def case():
        number = active()
        for name, change, words in LOCKED_OUT:
            bad = policy(lab, 'bad', **change)
            for argv in (['check', '--config', str(lab.config), str(bad)], ['commit', str(bad), '-m', name]):
                done = lab.cordon(*argv, check=False)
                tap.equal(done.returncode, 3, f'exit of {argv[0]} with {name}')
                tap.contains(done.stderr + done.stdout, f'management.from: `admins` must reach $gateway by ssh: {words}')
            tap.contains(done.stderr, f'generation {number} stays active' if number else 'no generation is active')
            lab.both_hold(number)
        tap.equal(lab.cordon('check', '--config', str(lab.config), str(policy(lab, 'good'))).returncode, 0, 'exit of a good one')
        tap.equal(lab.ssh('admin', GATEWAY['v4']), True, 'ssh of the administrator')
    return case


def taken_away(lab, sessions):
    def case():
        operator = Session(lab, 'operator')
        lab.committed(policy(lab, 'without', leave_out=['operator-ssh']))
        tap.equal(operator.lives(), False, "the operator's session")
        decided(lab, 'operator', 'gw', SSH, 'deny', 'default-deny')
        decided(lab, 'admin', 'gw', SSH, 'allow', 'admin-ssh')
        tap.equal(sessions['admin'].lives(), True, "the administrator's session")
    return case


@contextlib.contextmanager
def half_published(lab, path):
    """A commit is under way: the kernel has the new generation, and cordon-dp stands still before it. Gives the thread that
    commits, with its `done`. cordon-nft is slowed down, so that there is time to stop cordon-dp behind its preparation."""
    def commit():
        thread.done = lab.commit(path)
    thread = threading.Thread(target=commit)
    slow = subprocess.Popen(['strace', '-qq', '-o', '/dev/null', '-p', str(lab.procs['nft'].pid), '-e', 'trace=sendmsg,sendto', '-e',
                             'inject=sendmsg,sendto:delay_exit=40000'], stderr=subprocess.DEVNULL)
    try:
        wait_for('cordon-nft is slow', lambda: traced(lab.procs['nft'].pid), 10)
        thread.start()
        number = wait_for('the intent', lambda: prepared(lab), 20, 0.001)[0]
        lab.procs['dp'].send_signal(signal.SIGSTOP)
        wait_for('the kernel has it', lambda: in_the_kernel(lab) == number, 20)
        slow.terminate()
        slow.wait()
        yield thread
    finally:
        with contextlib.suppress(ProcessLookupError):
            lab.procs['dp'].send_signal(signal.SIGCONT)
        slow.kill()
        slow.wait()
        thread.join()


def traced(pid):
    return '\nTracerPid:\t0\n' not in pathlib.Path(f'/proc/{pid}/status').read_text()


def prepared(lab):
    with contextlib.closing(sqlite3.connect(f'file:{lab.dir}/state/control.db?mode=ro', uri=True, timeout=10)) as db:
        return [n for n, in db.execute("SELECT number FROM generation WHERE state = 'prepared'")]


def in_the_kernel(lab):
    found = re.search(r'chain host_session_(\d+)_', nft(lab, 'list', 'chains', 'inet'))
    return int(found[1]) if found else 0


def nft(lab, *words):
    return call(['ip', 'netns', 'exec', lab.ns('gw'), 'nft', *words])


def agree(lab):
    return all(e['state'] != 'disconnected' and e['equal'] for e in lab.engines().values())


def fails_half_way(lab, sessions):
    """The kernel has it and cordon-dp does not answer: neither keeps it."""
    def case():
        before = lab.status()['generation']['number']
        with half_published(lab, policy(lab, f'half-way-{before}')) as thread:
            thread.join()
            tap.equal(thread.done.returncode, 6, f'exit: {thread.done.stderr}')
            tap.contains(thread.done.stderr, f'generation {before} stays active' if before else 'no generation is active')
            tap.equal(in_the_kernel(lab), before, 'generation in the kernel')
            if not before:
                only_ssh(lab)
        wait_for('both engines are as committed', lambda: agree(lab), 20)
        lab.both_hold(before)
        for name, session in sessions.items():
            tap.equal(session.lives(), True, f'session of {name}')
    return case


def verify(lab):
    def case():
        done = lab.cordon('verify', '-o', 'json', check=False)
        tap.equal(done.returncode, 0, f'exit: {done.stdout}{done.stderr}')
        data = json.loads(done.stdout)['data']
        tap.equal([(e['name'], e['equal']) for e in data['engines']], [('dpdk', True), ('nft', True)], 'engines')
        tap.equal([c for c in data['checks'] if c['passed'] is False], [], 'checks that failed')
        nft = next(e for e in data['engines'] if e['name'] == 'nft')
        if not nft['cells'] or not nft['elements']:
            raise AssertionError(f'nothing of the kernel was compared: {nft}')
    return case


def tampered(lab):
    """(what, words for nft, words of what is told): each lets something pass that the policy denies, or stops what it allows.
    What takes the base chains out of packets' way, cordon-nft puts right before anybody reads it back."""
    version = re.search(r'set mgmt4(_\d+_\d+_\d+)', nft(lab, 'list', 'sets', 'inet'))[1]
    own = ('inet', 'cordon')
    return [
        ('a rule', ('insert', 'rule', *own, f'host_session{version}', 'tcp dport 80 accept'), 'chain host_session'),
        ('an address that is guarded no more', ('delete', 'element', *own, f'mgmt4{version}', f'{{{GATEWAY["v4"]}}}'),
         f'-> {GATEWAY["v4"]} tcp/6514: nft holds allow, the policy says deny by default-deny'),
        ('a caller', ('delete', 'element', *own, f'host4{version}', f'{{{NET["v4"]}{MANAGERS["admin"]}}}'),
         f'{NET["v4"]}{MANAGERS["admin"]} -> {GATEWAY["v4"]} tcp/22: nft holds deny, the policy says allow by admin-ssh'),
        ('a rule in a base chain', ('insert', 'rule', *own, 'input', 'tcp dport 80 accept'), 'somebody else changed the tables'),
        ('no rules', ('flush', 'chain', *own, 'input'), 'somebody else changed the tables'),
    ]


def found_and_reverted(lab, sessions):
    def case():
        for i in range(len(tampered(lab))):
            name, words, said = tampered(lab)[i]
            told = len(lab.events('drift'))
            nft(lab, *words)
            wait_for(f'{name} by hand is told', lambda told=told: len(lab.events('drift')) > told, 10)
            tap.contains(lab.events('drift')[told], said)
            wait_for('it is reverted', lambda: agree(lab), 10)
            at_once([(decided, lab, 'admin', 'gw', WEB, 'deny', 'default-deny', ['v4']),
                     (decided, lab, 'admin', 'gw', SSH, 'allow', 'admin-ssh', ['v4'])])
        verify(lab)()
        tap.equal(sessions['admin'].lives(), True, "the administrator's session")
    return case


def killed_nft(lab, sessions):
    def case():
        lab.stop('nft', sig=signal.SIGKILL)

        def attempt(name, peer, port, verdict, _):
            address = GATEWAY['v4'] if peer == 'gw' else NET['v4'] + MANAGERS[peer]
            tap.equal(lab.reaches(name, address, port), verdict == 'allow', f'{name} -> {peer} tcp/{port} without cordon-nft')
        at_once((attempt, *a) for a in ATTEMPTS if a[0] != 'operator')
        wait_for('status tells it', lambda: lab.engines()['nft']['state'] == 'disconnected', 10)
        tap.contains(' '.join(lab.status()['attention']), 'the kernel engine is not connected')
        tap.equal(lab.commit(policy(lab, 'no-engine')).returncode, 6, 'exit of a commit meanwhile')
        (lab.run_dir / 'nft.sock').unlink(missing_ok=True)
        lab.start_nft()
        wait_for('both engines are as committed', lambda: agree(lab), 20)
        tap.equal(sessions['admin'].lives(), True, "the administrator's session")
        decided(lab, 'admin', 'gw', SSH, 'allow', 'admin-ssh')
        decided(lab, 'operator', 'gw', SSH, 'deny', 'default-deny', ['v4'])
    return case


def killed_between(lab, sessions, dp_lives):
    """cordond dies when the kernel has the next generation and the dataplane the old one; they come to one generation."""
    def case():
        old = lab.status()['generation']['number']
        with half_published(lab, policy(lab, f'between-{old}', leave_out=['operator-ssh'])):
            lab.stop('cordond', sig=signal.SIGKILL)
            number = prepared(lab)[0]
            lab.start_cordond(alone=True)
            status = wait_for('the kernel engine is connected', lambda: half(lab), 30)
            said = ' / '.join(status['attention'])
            for words in ('the dataplane is not connected', f'generation {number} is prepared but not decided',
                          f'the kernel engine does not hold the active generation: it is read back when generation {number} is decided'):
                tap.contains(said, words)
            tap.equal(lab.commit(policy(lab, 'meanwhile')).returncode, 6, 'exit of a commit meanwhile')
            if not dp_lives:
                lab.stop('dp', sig=signal.SIGKILL)
        if not dp_lives:
            (lab.run_dir / 'dp.sock').unlink(missing_ok=True)
            lab.start_dp()
        wait_for('both engines are as committed', lambda: agree(lab), 30)
        now = lab.status()['generation']['number']
        if prepared(lab) or now not in ((old, number) if dp_lives else (old,)):
            raise AssertionError(f'generation {now} after {old} and {number}, undecided: {prepared(lab)}')
        tap.equal(in_the_kernel(lab), now, 'generation in the kernel')
        lab.both_hold(now)
        tap.equal(sessions['admin'].lives(), True, "the administrator's session")
        decided(lab, 'admin', 'gw', SSH, 'allow', 'admin-ssh', ['v4'])
        decided(lab, 'guest', 'gw', SSH, 'deny', 'no-guests', ['v4'])
    return case


def half(lab):
    status = lab.status()
    return status if {e['name']: e['state'] for e in status['engines']}['nft'] != 'disconnected' else None


def laws(lab):
    def case():
        if not lab.laws()['decisions']:
            raise AssertionError('nothing was decided')
    return case


with HostLab(BUILD, driver='net_af_packet', huge=False, hosts=PORTS,
             management='{addresses: [10.20.99.1, "fd00:20:0:99::1"], from: [admins]}') as lab:
    lab.up()
    live = {'admin': Session(lab, 'admin'), 'admin6': Session(lab, 'admin', 'v6')}
    tap.run([
        ('before the first commit only ssh reaches the gateway', before_the_first_commit(lab)),
        ('a first policy that locks the administrators out is refused', locked_out(lab, lambda: 0)),
        ('a first commit that fails half way leaves the gateway closed, but for ssh', fails_half_way(lab, live)),
        ('the gateway is reached, and reaches others, as the policy says', as_the_policy_says(lab, live)),
        ('a policy that locks the administrators out is refused, and both engines keep theirs', locked_out(lab, lambda: lab.status()['generation']['number'])),
        ('a rule that is taken away ends its sessions', taken_away(lab, live)),
        ('a commit that fails half way leaves the old generation on both engines', fails_half_way(lab, live)),
        ('verify compares what the kernel holds', verify(lab)),
        ('what somebody changes in the tables is told and reverted', found_and_reverted(lab, live)),
        ('cordon-nft is killed: the rules stay, and so do the sessions', killed_nft(lab, live)),
        ('cordond is killed between the two publishes', killed_between(lab, live, dp_lives=True)),
        ('cordond is killed between the two publishes, and then cordon-dp', killed_between(lab, live, dp_lives=False)),
        ('both laws of counting close', laws(lab)),
    ])
