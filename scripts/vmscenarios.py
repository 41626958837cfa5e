# SPDX-License-Identifier: BSD-3-Clause
"""What the appliance is put through, each by name. Every scenario sees allowed traffic arrive and denied traffic not, each with
its record, after whatever else it does to the machine."""

import contextlib
import functools
import io
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time
import traceback
from typing import Callable, NamedTuple

from lab import LabError, wait_for
from scenario import ATTEMPTS, Scenario
from vmlab import IMAGE, MANAGEMENT, MANAGEMENT_NET, Appliance, Hosts, VmLab, setup_text


class Run:
    """One run of scenarios: the image, the hosts that all of them share, and where things are kept."""

    def __init__(self, image=IMAGE, say=None, count=None, work=None):
        self.image = pathlib.Path(image)
        if not self.image.is_file():
            raise LabError(f'there is no image {self.image}: firmware/build --setup makes one')
        self.say = say or (lambda text: None)
        self.count = count
        self.work = pathlib.Path(work or tempfile.mkdtemp(prefix='cordon-vmlab-'))
        self.work.mkdir(exist_ok=True)
        self.work.chmod(0o711)  # a user without rights makes the database inside
        self.hosts = None
        self.failed = False
        self.figures = {}
        self.where = self.work

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.hosts:
            self.hosts.close()
        if not self.failed:
            shutil.rmtree(self.work, ignore_errors=True)
        return False

    def shared_hosts(self):
        if not self.hosts:
            (self.work / 'hosts').mkdir()
            self.hosts = Hosts(self.work / 'hosts', say=self.say)
            self.hosts.up()
        return self.hosts

    @contextlib.contextmanager
    def lab(self, **kwargs):
        """A fresh appliance between the shared hosts."""
        lab = VmLab(self.image, say=self.say, work=tempfile.mkdtemp(prefix='lab-', dir=self.where), hosts=self.shared_hosts(), **kwargs)
        try:
            yield lab
        except Exception:  # who interrupts does not want to wait
            with contextlib.suppress(Exception):
                lab.fetch_captures(lab.work)
                (lab.work / 'status.txt').write_text(lab.cordon('status', '-o', 'wide', check=False, timeout=30).stdout)
            raise
        finally:
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                lab.stop_captures()
            lab.close()

    @contextlib.contextmanager
    def machine(self, **kwargs):
        """A fresh appliance without any hosts."""
        work = pathlib.Path(tempfile.mkdtemp(prefix='machine-', dir=self.where))
        machine = Appliance(work / 'gateway', self.image, kwargs.pop('ports', [None, None]), **kwargs)
        try:
            yield machine
        finally:
            machine.power_cut()

    def scenario(self, name):
        """Run one; what it said, and all of the machine, stays if it fails. True if it went well."""
        self.where = self.work / name
        self.where.mkdir()
        began = time.monotonic()
        self.say(f'{name}: {SCENARIOS[name].title}')
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(Tee(out, self.say)):
                SCENARIOS[name].go(self)
        except Exception:
            error = traceback.format_exc()
            self.failed = True
            (self.where / 'log').write_text(out.getvalue() + error)
            self.say(f'{name}: FAILED after {time.monotonic() - began:.0f} s: {error.strip().splitlines()[-1]}')
            self.say(f'{name}: logs, console and captures are in {self.where}')
            return False
        self.say(f'{name}: ok, {time.monotonic() - began:.0f} s')
        shutil.rmtree(self.where, ignore_errors=True)
        return True


class Tee(io.TextIOBase):
    """Lines that are kept and shown."""

    def __init__(self, keep, say):
        self.keep, self.say, self.line = keep, say, ''

    def write(self, text):
        self.keep.write(text)
        *lines, self.line = (self.line + text).split('\n')
        for line in lines:
            self.say('  ' + line)
        return len(text)


class Unexpected(LabError):
    """The appliance did something else than it should."""


def must(ok, text):
    if not ok:
        raise Unexpected(text)
    print(f'ok   {text}')


# --- traffic ---------------------------------------------------------------------------------------------------------------

def attempt(src, dst, what):
    return next(a for a in ATTEMPTS if (a.src, a.dst, a.service) == (src, dst, what))


USUAL = [('staff', 'web', 'https'), ('staff', 'db', 'pg')]  # one that is allowed, one that is not


def enforces(lab, policy=None, expect=None, families=('v4', 'v6')):
    """Allowed traffic works, denied traffic does not arrive, and both have their record."""
    lab.start_captures()
    scenario = Scenario(lab)
    for words in USUAL:
        for family in families:
            scenario.attempt(attempt(*words), family, policy)
    for words, verdict in (expect or {}).items():
        scenario.attempt(attempt(*words), families[0], policy, verdict)
    if scenario.failures:
        raise Unexpected(f'{scenario.failures} attempts did not come out as the policy says')


def tried(lab, a, family):
    """(what the client said, how many packets arrived) of one attempt."""
    src, dst = (getattr(lab.hosts[name], family) for name in (a.src, a.dst))
    arrived = Scenario(lab).arrived
    before = arrived(a, src, dst)
    done = lab.run(a.src, a.command(lab, dst))
    return done, arrived(a, src, dst) - before


def closed(lab):
    """Nothing passes, whatever a policy would say."""
    lab.start_captures()
    for src, dst, service in USUAL + [('web', 'db', 'pg'), ('staff', 'dns', 'dns')]:
        a = attempt(src, dst, service)
        for family in ('v4', 'v6'):
            done, came = tried(lab, a, family)
            must(done.returncode != 0 and came == 0, f'{src} does not reach {dst} for {service} over IP{family} ({came} packets arrived)')


def open_db(lab):
    """The example policy with one more permission, hr-db -> hr-web https, and without the test that forbids it."""
    place = lab.work / 'policy-open'
    if not place.exists():
        shutil.copytree(lab.example, place)
        (place / 'zz-open.yaml').write_text('cordon: 1\nrules:\n  - {id: lab-open, effect: allow, from: hr-db, to: hr-web, service: https, '
                                            'owner: lab, review_by: 2099-12-31, why: "two policies that differ"}\n')
        tests = place / 'tests.yaml'
        tests.write_text('\n'.join(line for line in tests.read_text().splitlines() if 'from: hr-db, to: hr-web' not in line) + '\n')
    return place


# --- scenarios ---------------------------------------------------------------------------------------------------------------

def first_boot(run, engine='dpdk'):
    """From power-on to a gateway that enforces; nobody touches anything."""
    with run.lab(engine=engine) as lab:
        took = lab.up()
        run.figures['power-on to enforcing, first boot'] = f'{took:.0f} s'
        status = lab.status()
        must(status['generation']['number'] == 1, 'generation 1 is in force')
        must(all(e['state'] == 'active' for e in status['engines'] if e['name'] == engine), f'engine {engine} is active')
        lab.learn_hosts()
        enforces(lab)
        lab.laws()


def matrix(run, engine='dpdk'):
    with run.lab(engine=engine) as lab:
        lab.up()
        lab.learn_hosts()
        if Scenario(lab).run() != 0:
            raise Unexpected('not all attempts came out as the policy says')


def reboot(run):
    """A client sends what is allowed and what is not, all the time; the gateway restarts by its console in between."""
    with run.lab() as lab:
        lab.up()
        lab.learn_hosts()
        enforces(lab)
        lab.cordon('commit', lab.policy(open_db(lab)), '-m', 'the second')
        streams = [lab.net.spawn('staff', f'stream-{to}', ['ping', '-i', '0.2', '-n', lab.hosts[to].v4]) for to in ('web', 'db')]
        try:
            frames = 'src host {} and icmp'.format(lab.hosts['staff'].v4)
            wait_for('the allowed stream arrives', lambda: lab.captured('web', frames) > 5, 30, 0.5)
            lab.gateway.began = time.monotonic()
            lab.gateway.restart()
            before = lab.captured('web', frames)
            lab.gateway.await_ssh()
            took = lab.gateway.await_state('enforcing')
            run.figures['restart to enforcing'] = f'{took:.0f} s'
            wait_for('the allowed stream arrives again', lambda: lab.captured('web', frames) > before + 5, 60, 0.5)
            must(lab.status()['generation']['number'] == 2, f'generation 2 came back {took:.0f} s after the restart')
            must(lab.captured('db', frames) == 0, 'nothing of the denied stream has arrived')
        finally:
            for pid in streams:
                lab.net.end('staff', pid)
        lab.learn_hosts()
        enforces(lab, open_db(lab), {('db', 'web', 'https'): 'allow'})


def power_cut(run):
    """The plug is pulled while a commit runs, at random moments; what comes back is the one generation or the other."""
    count = run.count or 3
    with run.lab() as lab:
        lab.up()
        policies = [lab.example, open_db(lab)]
        generation, current = 1, 0
        began = time.monotonic()
        lab.cordon('commit', lab.policy(policies[1]), '-m', 'how long it takes')
        length = time.monotonic() - began
        generation, current = 2, 1
        ends = {'old': 0, 'new': 0}
        for turn in range(count):
            new = 1 - current
            place = lab.policy(policies[new])
            delay = random.uniform(0, 1.2 * length)
            commit = subprocess.Popen([*map(str, lab.gateway.ssh_words()), f'cordon commit {place} -m turn-{turn}'], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            time.sleep(delay)
            lab.gateway.power_cut()
            commit.wait(30)
            lab.gateway.power_on()
            lab.gateway.await_ssh()
            took = lab.gateway.await_state('enforcing')
            number = lab.status()['generation']['number']
            must(number in (generation, generation + 1), f'cut {turn + 1} of {count} after {delay:.1f} of {length:.1f} s: generation {number} '
                 f'({generation} or {generation + 1}), enforcing after {took:.0f} s')
            if number == generation + 1:
                current = new
            ends['new' if number == generation + 1 else 'old'] += 1
            generation = number
            lab.learn_hosts()
            enforces(lab, policies[current], {('db', 'web', 'https'): 'allow' if current else 'deny'}, families=('v4',))
        run.figures['power cuts during a commit'] = f'{count}: {ends["old"]} came back with the old generation, {ends["new"]} with the new one'


def bad_policy(run):
    """An error in the policy on the config drive."""
    with run.lab() as lab:
        broken = lab.work / 'broken'
        shutil.copytree(lab.example, broken)
        rules = broken / 'rules.yaml'
        rules.write_text(rules.read_text().replace('from: staff, to: hr-web', 'from: stuff, to: hr-web'))
        if not lab.net.guests:
            lab.net.up()
        lab.gateway.attach_drive({'setup.conf': lab.setup(), 'policy': broken})
        lab.gateway.power_on()
        lab.gateway.await_ssh()
        lab.gateway.shows('the policy of the config drive is not in force')
        shown = lab.gateway.console()
        must(re.search(r'rules\.yaml:\d+:\d+: .*stuff', shown), 'the console names file, line and word')
        status = lab.cordon('status', '-o', 'json', check=False).stdout
        must('the policy of the config drive is not in force' in status, '`status` says that the policy is not in force')
        must('stuff' in status, '`status` says why')
        closed(lab)
        lab.cordon('commit', lab.policy(lab.example), '-m', 'corrected')
        lab.gateway.await_state('enforcing')
        lab.learn_hosts()
        enforces(lab)


def links(run):
    """A cable is pulled and put back."""
    with run.lab() as lab:
        lab.up()
        lab.learn_hosts()
        enforces(lab)
        web = list(lab.hosts).index('web')
        lab.gateway.qmp('set_link', name=f'port{web}', up=False)
        https = attempt('staff', 'web', 'https')
        done = lab.run('staff', https.command(lab, lab.hosts['web'].v4))
        must(done.returncode != 0, 'nobody reaches a host whose cable is pulled')
        scenario = Scenario(lab)
        scenario.attempt(attempt('staff', 'dns', 'dns'), 'v4')
        scenario.attempt(attempt('staff', 'db', 'pg'), 'v4')
        must(not scenario.failures, 'the other ports go on')
        lab.gateway.qmp('set_link', name=f'port{web}', up=True)
        enforces(lab)


def unplug(run):
    """The NIC of a port is taken out of the running machine."""
    with run.lab(removable=4) as lab:
        lab.up()
        lab.learn_hosts()
        enforces(lab)
        lab.gateway.qmp('device_del', id='port4')
        wait_for('the card is out', lambda: all(d['name'] != 'port4' for d in lab.gateway.qmp('qom-list', path='/machine/peripheral')), 60, 0.5)
        enforces(lab)
        lab.laws()
        print(lab.cordon('status', check=False).stdout)


def wrong_clock(run):
    """The machine's clock was never set, or runs ahead by years."""
    for base in ('2001-01-01T00:00:00', '2038-01-18T00:00:00'):
        with run.lab(options=['-rtc', f'base={base}']) as lab:
            lab.up()
            lab.learn_hosts()
            enforces(lab, families=('v4',))
            lab.laws()
            status = lab.cordon('status').stdout
            print(status)
            must('clock' in status, f'started in {base[:4]}, `status` speaks of the clock')


FILLER = 'filler'


def debugfs(gateway, command):
    done = subprocess.run(['debugfs', '-w', '-R', command, f'{gateway.disk}?offset={gateway.partition("cordon-data")[0]}'],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f'debugfs: {done.stderr.strip()}')


def full(run):
    """The data partition has no room left."""
    with run.lab() as lab:
        lab.up()
        lab.learn_hosts()
        enforces(lab)
        lab.gateway.ssh('sync')
        lab.gateway.power_cut()
        filler = lab.work / FILLER
        with open(filler, 'wb') as file:
            for _ in range(lab.gateway.partition('cordon-data')[1] >> 20):
                file.write(b'x' * (1 << 20))
        offset, _ = lab.gateway.partition('cordon-data')
        subprocess.run(['e2fsck', '-fy', f'{lab.gateway.disk}?offset={offset}'], capture_output=True)
        with contextlib.suppress(LabError):  # it ends when there is no room, which is what is wanted
            debugfs(lab.gateway, f'write {filler} {FILLER}')
        filler.unlink()
        subprocess.run(['e2fsck', '-fy', f'{lab.gateway.disk}?offset={offset}'], capture_output=True)
        lab.gateway.power_on()
        lab.gateway.await_ssh()
        lab.gateway.await_state('enforcing')
        must(lab.status()['generation']['number'] == 1, 'generation 1 is in force')
        print(lab.cordon('status').stdout)
        lab.learn_hosts()
        traffic(lab)
        refused = lab.cordon('commit', lab.policy(open_db(lab)), '-m', 'no room', check=False)
        print(refused.stdout + refused.stderr)
        must(refused.returncode != 0 and lab.status()['generation']['number'] == 1, 'a commit is refused, generation 1 stays')
        lab.gateway.power_cut()
        debugfs(lab.gateway, f'rm {FILLER}')
        subprocess.run(['e2fsck', '-fy', f'{lab.gateway.disk}?offset={offset}'], capture_output=True)
        lab.gateway.power_on()
        lab.gateway.await_ssh()
        lab.gateway.await_state('enforcing')
        lab.learn_hosts()
        enforces(lab)


def traffic(lab):
    """As enforces(), where no record can be expected."""
    lab.start_captures()
    for words in USUAL:
        a = attempt(*words)
        done, came = tried(lab, a, 'v4')
        allowed = a.expect == 'allow'
        must((done.returncode == 0) == allowed and (came > 0) == allowed, f'{a.src} -> {a.dst} {a.service}: {a.expect}, {came} packets arrived')


# --- bad input ---------------------------------------------------------------------------------------------------------------

def two_ports(machine, **changes):
    settings = {'gateway': 'gw1', 'port': [f'lan{n + 1} {machine.slot(n)} access 20 inside' for n in range(2)], 'protected': f'10.20.0.0/16 {MANAGEMENT_NET}',
                'management': f'0000:00:02.0 {MANAGEMENT}/24 10.0.2.2', 'allow_from': 'admins', 'key': machine.public_key}
    return setup_text(settings | changes)


BAD_DRIVES = {
    'one port only': (lambda m: two_ports(m, port=f'lan1 {m.slot(0)} access 20 inside'), 'a gateway needs two ports or more, and here is one'),
    'no key': (lambda m: two_ports(m, key=None), '`key` is missing'),
    'an unknown NIC': (lambda m: two_ports(m, port=[f'lan1 {m.slot(0)} access 20 inside', 'lan2 0000:00:1d.0 access 20 inside']),
                       'this machine has no device 0000:00:1d.0'),
}


def bad_input(run):
    for what, (setup, says) in BAD_DRIVES.items():
        with run.machine() as machine:
            machine.attach_drive({'setup.conf': setup(machine)})
            machine.power_on()
            machine.shows(says)
            must(True, f'{what}: the console says `{says}`')
    with run.machine(disk=200) as machine:
        machine.attach_drive({'setup.conf': two_ports(machine)})
        machine.power_on()
        machine.shows('disk too small')
        must(True, 'a disk too small: the console says how large it has to be')
    with run.machine() as machine:
        machine.attach_drive({'setup.conf': two_ports(machine)})
        machine.power_on()
        machine.await_ssh()
        machine.power_cut()
        offset, length = machine.partition('cordon-data')
        with open(machine.disk, 'r+b') as disk:
            for at in range(0, length, 1 << 20):
                disk.seek(offset + at)
                disk.write(bytes(256 << 10))
        machine.power_on()
        machine.shows('--make` begins anew')
        must(not machine.answers_ssh(), 'a data partition that is gone: the console says what to do, nothing else answers')
        machine.type('m')
        machine.type('yes')
        machine.shows('the data partition is new and empty')
        machine.restart()
        machine.await_ssh()
        must('DENY ALL' in machine.cordon('status', check=False).stdout, 'made anew and set up again from the drive')


class Entry(NamedTuple):
    go: Callable
    title: str


SCENARIOS = {
    'first-boot': Entry(first_boot, 'first boot to enforcing without a human'),
    'matrix': Entry(matrix, 'who may reach whom, between machines, IPv4 and IPv6, a trunk'),
    'bad-policy': Entry(bad_policy, 'a policy with an error on the config drive: closed, and says why'),
    'reboot': Entry(reboot, 'restart under traffic: the last policy comes back, nothing passes before'),
    'matrix-nft': Entry(functools.partial(matrix, engine='nft'), 'the same who may reach whom, the kernel enforces'),
    'links': Entry(links, 'a cable is pulled and put back'),
    'unplug': Entry(unplug, 'the NIC of a port is taken out'),
    'clock': Entry(wrong_clock, 'the clock is wrong at boot: 2001, 2038'),
    'full': Entry(full, 'the data partition is full'),
    'bad-input': Entry(bad_input, 'drives with mistakes, a disk too small, a broken data partition: says so, stays closed'),
    'power-cut': Entry(power_cut, 'the plug pulled during a commit: generation n or n+1 (3 times, or --count N)'),
}
