# SPDX-License-Identifier: BSD-3-Clause
"""What the appliance is put through, each by name. Every scenario but `console` sees allowed traffic arrive and denied traffic not, each
with its record, after whatever else it does to the machine. `console` commits no policy: its hosts see that nothing passes when there
is no data partition."""

import contextlib
import datetime
import functools
import io
import json
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time
import traceback
from typing import Callable, NamedTuple

from lab import ROOT, LabError, call, wait_for
from scenario import ATTEMPTS, Scenario, at_once
from vmlab import IMAGE, LAB, MANAGEMENT, MANAGEMENT_NET, RIGHT, SLOT, VM_HOSTS, Appliance, Hosts, VmLab, need_image
from vmvhost import VhostLab, build_release


class Run:
    """One run of scenarios: the image, the hosts that all of them share, and where things are kept."""

    def __init__(self, image=IMAGE, say=None, count=None, work=None, build=None, packages=None):
        self.build = build
        self.given = packages
        self.image = pathlib.Path(image)
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

    def need_image(self, names):
        if any(SCENARIOS[name].image for name in names):
            need_image(self.image)
        if self.given and not list(pathlib.Path(self.given).glob('cordon*.deb')):
            raise LabError(f'{self.given} has no packages of Cordon: firmware/packages --setup {self.given} makes them; nothing was started')

    @functools.cached_property
    def packages(self):
        """Directory of the Debian packages."""
        if self.given:
            return pathlib.Path(self.given)
        self.say('building the Debian packages')
        made = self.work / 'packages'
        done = subprocess.run([ROOT / 'firmware/packages', made], capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(done.stderr.strip()[-600:])
        return made

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
    def host_lab(self):
        """This machine as the gateway of its guests. What its daemons said stays if it fails."""
        lab = VhostLab(self.build or build_release(), tempfile.mkdtemp(prefix='lab-', dir=self.where), self.say)
        lab.work.chmod(0o711)
        try:
            lab.up()
            yield lab
        except Exception:
            with contextlib.suppress(Exception):
                shutil.copy(lab.dir / 'dp.log', lab.work)
                shutil.copy(lab.dir / 'cordond.log', lab.work)
                lab.fetch_captures(lab.work)
            raise
        finally:
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


FAMILIES = ('v4', 'v6')
USUAL = [('staff', 'web', 'https'), ('staff', 'db', 'pg')]  # one that is allowed, one that is not


def watched(lab):
    """That nothing arrived says something only if somebody looked: each capture still runs."""
    gone = [host for host in lab.hosts if lab.run(host, ['kill', '-0', str(lab.capturing.get(host, 'none'))]).returncode != 0]
    must(not gone, 'captures run on all hosts' + (f' but {", ".join(gone)}' if gone else ''))


def enforces(lab, policy=None, expect=None, families=FAMILIES):
    """Allowed traffic works, denied traffic does not arrive, and both have their record."""
    lab.start_captures()
    scenario = Scenario(lab)
    scenario.attempts([*((attempt(*words), family, policy) for words in USUAL for family in families),
                       *((attempt(*words), families[0], policy, verdict) for words, verdict in (expect or {}).items())])
    watched(lab)
    if scenario.failures:
        raise Unexpected(f'{scenario.failures} attempts did not come out as the policy says')


def tried(lab, a, family):
    """(what the client said, how many packets arrived) of one attempt."""
    src, dst = (getattr(lab.hosts[name], family) for name in (a.src, a.dst))
    arrived = Scenario(lab).arrived
    before = arrived(a, src, dst)
    done = lab.run(a.src, a.command(lab, dst))
    return done, arrived(a, src, dst) - before


def no_way(lab, attempts):
    """None of them reaches anything."""
    rows = [(a, family) for a in attempts for family in FAMILIES]
    for (a, family), (done, came) in zip(rows, at_once(lambda row: tried(lab, *row), rows)):
        must(done.returncode != 0 and came == 0, f'{a.src} does not reach {a.dst} for {a.service} over IP{family} ({came} packets arrived)')
    watched(lab)


def closed(lab):
    """Nothing passes, whatever a policy would say."""
    lab.start_captures()
    no_way(lab, [attempt(*words) for words in USUAL + [('web', 'db', 'pg'), ('staff', 'dns', 'dns')]])


def open_db(lab, service='https'):
    """The example policy with one more permission, hr-db -> hr-web, and without the test that forbids it."""
    place = lab.work / f'policy-open-{service}'
    if not place.exists():
        shutil.copytree(lab.example, place)
        (place / 'zz-open.yaml').write_text('cordon: 1\nrules:\n  - {id: lab-open, effect: allow, from: hr-db, to: hr-web, '
                                            f'service: {service}, owner: lab, review_by: 2099-12-31, why: "two policies that differ"}}\n')
        tests = place / 'tests.yaml'
        tests.write_text('\n'.join(line for line in tests.read_text().splitlines() if 'from: hr-db, to: hr-web' not in line) + '\n')
    return place


def recovered(lab, *args, **kwargs):
    """The gateway says that it enforces, and it does."""
    lab.gateway.await_state('enforcing')
    lab.learn_hosts()
    enforces(lab, *args, **kwargs)


@contextlib.contextmanager
def enforcing(run, expect=None, **machine):
    """A fresh appliance that has set itself up and was seen to enforce."""
    with run.lab(**machine) as lab:
        lab.up()
        recovered(lab, expect=expect)
        yield lab


# --- scenarios ---------------------------------------------------------------------------------------------------------------

def first_boot(run, engine='dpdk', by='', **machine):
    """From power-on to a gateway that enforces; nobody touches anything."""
    with run.lab(engine=engine, **machine) as lab:
        took = lab.up()
        run.figures[f'power-on to enforcing, first boot{by}'] = f'{took:.0f} s'
        status = lab.status()
        must(status['generation']['number'] == 1, 'generation 1 is in force')
        must(all(e['state'] == 'active' for e in status['engines'] if e['name'] == engine), f'engine {engine} is active')
        must(not by or lab.gateway.ssh('test', '-d', '/sys/firmware/efi').returncode == 0, f'booted{by}')
        lab.learn_hosts()
        enforces(lab)
        lab.laws()
        confined(lab)
        said = lab.gateway.ssh('journalctl', '-u', 'cordon-nft', '-b', '-o', 'cat').stdout
        must('running:' in said and 'records:' not in said, 'the records of what was open before the first policy give no riddles')


UNITS = ['cordon-dp', 'cordond', 'cordon-nft', 'cordon-args', 'cordon-ports', 'cordon-bridge', 'cordon-nft-safe']
EXPOSED = 2.0  # the most that a unit of ports by vfio may be, of ten


def confined(lab):
    """systemd's own figure for each unit, as the image has it."""
    files = [f'/usr/lib/systemd/system/{unit}.service' for unit in UNITS]
    said = lab.gateway.ssh('systemd-analyze', 'security', '--offline=yes', '--no-pager', *files, timeout=300).stdout
    found = dict(re.findall(r'Overall exposure level for (\S+)\.service: ([\d.]+)', said))
    print('     exposure: ' + ', '.join(f'{unit} {level}' for unit, level in found.items()))
    must(set(found) == set(UNITS) and all(float(level) <= EXPOSED for level in found.values()), f'no unit is exposed by more than {EXPOSED}')


UEFI = pathlib.Path('/usr/share/ovmf/OVMF.fd')


def first_boot_uefi(run):
    """The same where the firmware is no BIOS; arm64 has no other."""
    if not UEFI.exists():
        raise LabError(f'there is no {UEFI}: firmware/build --setup installs it')
    first_boot(run, by=', UEFI', options=[] if run.image.stem.endswith('-arm64') else ['-bios', UEFI])


def all_attempts(lab):
    failed = Scenario(lab).run()
    watched(lab)
    if failed:
        raise Unexpected('not all attempts came out as the policy says')


def matrix(run, engine='dpdk'):
    with run.lab(engine=engine) as lab:
        lab.up()
        lab.learn_hosts()
        all_attempts(lab)


def reboot(run, engine='dpdk'):
    """A client sends what is allowed, another one what only the generation before permitted; the gateway restarts in between."""
    with run.lab(engine=engine) as lab:
        wide = open_db(lab, 'echo')
        lab.up(wide)
        recovered(lab, wide)
        with streams(lab, CALL_BACK) as stream:
            goes_on(stream, CALL_BACK)
            must(True, 'generation 1 permits what will be the denied stream, and it arrives')
            lab.cordon('commit', lab.policy(lab.example), '-m', 'the second')
            goes_on(stream)
            last = stream.arrived(CALL_BACK)
            goes_on(stream)
            must(stream.arrived(CALL_BACK) == last, 'generation 2 stops it')
            lab.gateway.began = time.monotonic()
            lab.gateway.restart()
            lab.gateway.await_ssh()
            took = lab.gateway.await_state('enforcing')
            run.figures[f'restart to enforcing, engine {engine}'] = f'{took:.0f} s'
            goes_on(stream)
            must(lab.status()['generation']['number'] == 2, f'generation 2 came back {took:.0f} s after the restart')
            has_record(lab, stream, CALL_BACK)
            must(stream.arrived(CALL_BACK) == last, 'nothing of the denied stream has arrived since the second commit')
        recovered(lab, expect={('db', 'web', 'https'): 'deny'})


def write_image(machine):
    """As an administrator updates it."""
    subprocess.run(['dd', f'if={machine.image}', f'of={machine.disk}', 'bs=1M', 'conv=notrunc', 'status=none'], check=True)


def other_owners(machine, files):
    """As if the image of before had had other numbers for its users."""
    offset, _ = machine.partition('cordon-data')
    for file in files:
        for field in ('uid', 'gid'):
            done = subprocess.run(['debugfs', '-w', '-R', f'set_inode_field lib/{file} {field} 65432', f'{machine.disk}?offset={offset}'], capture_output=True, text=True, check=True)
            must('not found' not in done.stderr, f'{field} of {file} is another')


def update(run):
    """A new image is written over the one that runs; what the gateway has kept is found behind it."""
    with run.lab() as lab:
        lab.up()
        lab.learn_hosts()
        lab.cordon('commit', lab.policy(open_db(lab)), '-m', 'the second')
        enforces(lab, open_db(lab), {('db', 'web', 'https'): 'allow'}, families=('v4',))
        lab.laws()
        records = lab.status()['laws']['written']
        lab.gateway.ssh('sync')
        lab.gateway.power_cut()
        other_owners(lab.gateway, ['control.db', 'last-good.image'])
        write_image(lab.gateway)
        lab.gateway.attach_drive({'setup.conf': lab.setup(gateway='gw2'), 'policy': lab.example})
        lab.gateway.power_on()
        lab.gateway.await_ssh()
        lab.gateway.await_state('enforcing')
        must(lab.status()['generation']['number'] == 2, 'generation 2 is in force, and nobody set anything up')
        must(len(json.loads(lab.cordon('generations', '-o', 'json').stdout)['data']) == 2, 'both generations are on record')
        written = lab.status()['laws']['written']
        must(written >= records > 0, f'so are the records: {written}, and {records} before')
        recovered(lab, open_db(lab), {('db', 'web', 'https'): 'allow'}, families=('v4',))
        must('says something else' in ' '.join(lab.cordon('status').stdout.split()), 'a drive that says something else is told, and not taken')
        lab.cordon('commit', lab.policy(lab.example), '-m', 'the third')
        enforces(lab, lab.example, {('db', 'web', 'https'): 'deny'}, families=('v4',))


MANY = 20  # power cuts, of which some must have come before a commit's decision and some after it


def power_cut(run):
    """The plug is pulled while a commit runs, at random moments; what comes back is the one generation or the other."""
    count = run.count or 3
    with run.lab() as lab:
        lab.up()
        policies = [lab.example, open_db(lab)]
        generation, current = 1, 0
        place = lab.policy(policies[1])
        began = time.monotonic()
        lab.cordon('commit', place, '-m', 'how long it takes')
        length = time.monotonic() - began
        generation, current = 2, 1
        ends = {'old': 0, 'new': 0}
        for turn in range(count):
            new = 1 - current
            place = lab.policy(policies[new])
            delay = random.uniform(0, 1.1 * length)
            commit = subprocess.Popen([*map(str, lab.gateway.ssh_words()), f'cordon commit {place} -m turn-{turn}'], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            time.sleep(delay)
            said = commit.poll()
            lab.gateway.power_cut()
            commit.wait(30)
            must(said in (None, 0), 'the commit was not refused')
            lab.gateway.power_on()
            lab.gateway.await_ssh()
            took = lab.gateway.await_state('enforcing')
            number = lab.status()['generation']['number']
            why = next(g['message'] for g in lab.data('generations') if g['number'] == number)
            is_new = why == f'turn-{turn}'  # its number may be more than one ahead: one that was begun and cut off is used up
            must(is_new and number > generation or number == generation, f'cut {turn + 1} of {count} after {delay:.1f} of {length:.1f} s: '
                 f'generation {number} ({why}; {generation} was in force), enforcing after {took:.0f} s')
            must(is_new or said is None, 'a commit that was acknowledged before the cut is kept')
            if is_new:
                current = new
            ends['new' if is_new else 'old'] += 1
            generation = number
            recovered(lab, policies[current], {('db', 'web', 'https'): 'allow' if current else 'deny'}, families=('v4',))
        must(count < MANY or all(ends.values()), f'of {count} cuts {ends["old"]} came before the decision and {ends["new"]} after it')
        run.figures['power cuts during a commit'] = f'{count}: {ends["old"]} came back with the old generation, {ends["new"]} with the new one'


ALLOWED, DENIED = ('staff', 'web'), ('staff', 'db')  # pings of the one to the other
CALL_BACK = ('db', 'web')


class Streams:
    """Pings that are sent all the time."""

    def __init__(self, lab):
        self.lab = lab

    def frames(self, stream):
        return f'src host {self.lab.hosts[stream[0]].v4} and icmp[0] == 8'

    def arrived(self, stream):
        return self.lab.captured(stream[1], self.frames(stream))

    def gap(self, stream, after):
        """The longest time without a frame, from frame number `after` on."""
        times = [float(t) for t in self.lab.arrival_times(stream[1], self.frames(stream))][max(0, after - 1):]
        return max(later - one for one, later in zip(times, times[1:]))

    def refused(self, stream):
        """Decisions against it that are on record."""
        src, dst = (self.lab.hosts[name].v4 for name in stream)
        rows = self.lab.data('flows', '--from', src, '--verdict', 'deny', '--since', '24h', '-n', '10000')
        return sum(r['count'] for r in rows if (r['src'], r['dst'], r['proto']) == (src, dst, 1))


@contextlib.contextmanager
def streams(lab, denied=DENIED):
    """ALLOWED and another stream, which is or will be denied."""
    lab.start_captures()
    pids = [(src, lab.net.spawn(src, f'stream-{to}', ['ping', '-i', '0.2', '-n', lab.hosts[to].v4])) for src, to in (ALLOWED, denied)]
    try:
        yield Streams(lab)
        watched(lab)
        for host, pid in pids:
            must(lab.run(host, ['kill', '-0', str(pid)]).returncode == 0, f'process {pid} on {host} still sends')
    finally:
        for host, pid in pids:
            lab.net.end(host, pid)


def goes_on(stream, which=ALLOWED, seconds=90):
    """Waits until more of it arrives; gives how long that took."""
    began, before = time.monotonic(), stream.arrived(which)
    wait_for(f'the stream from {which[0]} to {which[1]} arrives', lambda: stream.arrived(which) > before + 5, seconds, 0.2)
    return time.monotonic() - began


def has_record(lab, stream, which):
    """More and more decisions against a stream are on record: it is sent, and comes as far as the gateway."""
    before = stream.refused(which)
    wait_for('the denied stream has its record', lambda: stream.refused(which) > before, 15 * lab.patience, 1)
    must(True, f'the denied stream from {which[0]} to {which[1]} has its record')


STILL = 1.5  # seconds without a frame of five a second that are no interruption yet, with an emulated processor: 0.3 is usual


def kill(run, engine='dpdk', names=('cordon-dp', 'cordond', 'cordon-nft')):
    """Each process is killed under traffic and comes back by itself. What forwards is cordon-dp or the kernel: when another one is gone
    the allowed stream does not stop. What is denied never arrives."""
    with enforcing(run, engine=engine, insider=True) as lab:
        inside = lab.inside
        with streams(lab) as stream:
            goes_on(stream)
            for name in names:
                old, before = inside.run(f'pidof {name}').strip(), stream.arrived(ALLOWED)
                inside.run(f'kill -9 {old}')
                if name != 'cordon-dp':
                    goes_on(stream, seconds=2 * STILL * lab.gateway.machine.slower)
                wait_for(f'{name} runs again', lambda name=name, old=old: inside.run(f'pidof {name} || true').strip() not in ('', old), 90, 0.5)
                goes_on(stream)
                lab.gateway.await_state('enforcing')
                gap = stream.gap(ALLOWED, before)
                run.figures[f'kill -9 of {name}, engine {engine}'] = f'the allowed stream stands still for {gap:.1f} s'
                must(name == 'cordon-dp' or gap < STILL * lab.gateway.machine.slower,
                     f'{name} was killed: {gap:.1f} s is the longest that nothing of the allowed stream arrived')
                has_record(lab, stream, DENIED)
                must(stream.arrived(DENIED) == 0, f'{name} was killed: nothing of the denied stream has arrived')
        lab.laws(60)
        recovered(lab)


def safe_mode(run):
    """cordon-nft fails again and again: it is given up and the bridge shut, until an administrator starts it."""
    with enforcing(run, engine='nft', insider=True) as lab:
        inside = lab.inside
        kills = 0
        while (pid := await_restart(inside, 'cordon-nft')) and kills < 10:
            inside.run(f'kill -9 {pid}')
            wait_for('it is gone', lambda pid=pid: inside.run('pidof cordon-nft || true').strip() != pid, 20, 0.1)
            kills += 1
        must(not pid and kills >= 5, f'killed {kills} times, cordon-nft is given up')
        wait_for('the bridge is shut', lambda: not int(inside.run('cat /sys/class/net/cordon0/flags'), 16) & 1, 60, 0.5)
        closed(lab)
        status = lab.status()
        must(status['engines'][0]['state'] == 'disconnected' and any('the kernel engine is not connected' in text for text in status['attention']),
             '`status` says that the engine is away')
        inside.run('systemctl reset-failed cordon-nft; systemctl start cordon-nft', 120)
        recovered(lab)


def await_restart(inside, unit):
    """The number of its process once it runs, nothing if systemd has given it up."""
    def outcome():
        state, *pids = inside.run(f'echo $(systemctl show -P ActiveState {unit}) $(pidof {unit})').split()  # not to a terminal, for which it has colours
        return [''] if state == 'failed' else state == 'active' and pids
    return wait_for(f'{unit} runs or is given up', outcome, 90, 0.5)[0]


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
        recovered(lab)
        lab.gateway.restart()
        lab.gateway.await_ssh()
        lab.gateway.await_state('enforcing')
        status = lab.status()
        must(status['generation']['number'] == 1 and not any('is not in force' in text for text in status['attention']),
             "after a restart it is the corrected one that is in force, and the drive's is not looked at")


def port_state(lab, host):
    """What `status` says of the port that a host is behind."""
    return next(p['state'] for p in lab.status()['engines'][0]['ports'] if p['name'] == lab.hosts[host].port)


def await_port(lab, host, state):
    wait_for(f'`status` says that port {lab.hosts[host].port} is {state}', lambda: port_state(lab, host) == state, 40, 1)
    must(True, f'`status` says that port {lab.hosts[host].port} is {state}')


def cut_off(lab, a):
    """What is otherwise allowed does not get there, and is counted as what has no way out."""
    before = lab.status()['laws']['reasons'].get('no-port', 0)
    no_way(lab, [a])
    must(lab.status()['laws']['reasons'].get('no-port', 0) > before, 'the frames to there are counted as no-port')


def links(run):
    """A cable is pulled and put back."""
    with enforcing(run) as lab:
        name = f'port{list(lab.hosts).index("web")}'
        lab.gateway.qmp('set_link', name=name, up=False)
        await_port(lab, 'web', 'down')
        cut_off(lab, attempt('staff', 'web', 'https'))
        scenario = Scenario(lab)
        scenario.attempts([(attempt('staff', *what), family) for what in (('dns', 'dns'), ('db', 'pg')) for family in FAMILIES])
        must(not scenario.failures, 'the other ports go on')
        lab.gateway.qmp('set_link', name=name, up=True)
        await_port(lab, 'web', 'up')
        enforces(lab)
        lab.laws()


CARD = 'dns'  # the host behind the card that is taken out


def card_is_there(lab, number):
    return any(d['name'] == f'port{number}' for d in lab.gateway.qmp('qom-list', path='/machine/peripheral'))


def unplug(run):
    """The NIC of a port is taken out of the running machine, and put back."""
    number = [h.name for h in VM_HOSTS].index(CARD)
    with enforcing(run, expect={('staff', CARD, 'dns'): 'allow'}, removable=number) as lab:
        instance = lab.status()['engines'][0]['instance']
        began = time.monotonic()
        lab.gateway.qmp('device_del', id=f'port{number}')
        wait_for('the card is out', lambda: not card_is_there(lab, number), 60, 0.5)
        run.figures['card asked for to card out'] = f'{time.monotonic() - began:.0f} s'
        await_port(lab, CARD, 'removed')
        without_card(lab, instance)
        lab.gateway.plug_in(number)
        wait_for('the machine has the card again', lambda: lab.gateway.ssh('test', '-e', f'/sys/bus/pci/devices/{lab.gateway.slot(number)}').returncode == 0, 60, 1)
        must(True, 'a card put back is there')
        without_card(lab, instance)
        lab.gateway.restart()
        lab.gateway.await_ssh()
        lab.gateway.await_state('enforcing')
        await_port(lab, CARD, 'up')
        recovered(lab, expect={('staff', CARD, 'dns'): 'allow'})


def without_card(lab, instance):
    cut_off(lab, attempt('staff', CARD, 'dns'))
    enforces(lab)
    lab.laws()
    must(lab.status()['engines'][0]['instance'] == instance, 'the dataplane is the one it was')
    status = lab.cordon('status').stdout
    print(status)
    port = lab.hosts[CARD].port
    must(f'{port} REMOVED' in status and f'port {port} is removed' in ' '.join(status.split()), '`status` says it and what to do')
    said = lab.gateway.ssh('journalctl', '-u', 'cordon-dp', '-b', '-o', 'cat').stdout
    must(f'port {port} is removed' in said, 'so does the journal')


def wrong_clock(run):
    """The machine's clock was never set; and it runs ahead by years, where the set-up says that it is right."""
    clock_told(run, '2001-01-01T00:00:00')
    clock_told(run, '2038-01-18T00:00:00', time='local')


def clock_told(run, base, **settings):
    """`status` tells of a clock that nobody vouches for, and of no other; records have the time that the machine believes it is."""
    trusted = bool(settings)
    with run.lab(options=['-rtc', f'base={base}']) as lab:
        lab.up(drive={'setup.conf': lab.setup(**settings), 'policy': lab.example})
        lab.learn_hosts()
        began = gateway_time(lab)
        enforces(lab, families=('v4',))
        lab.laws()
        ended = gateway_time(lab)
        must(abs(began.timestamp() - time.time()) > 86400, f'started in {base[:4]}, the gateway believes that it is {began}')
        if trusted:
            must(base.startswith(f'{began.year}-'), 'a clock that is called right is taken as it is')
        flows = [datetime.datetime.fromisoformat(row['last']) for row in lab.data('flows', '--from', lab.hosts['staff'].v4, '-n', '10000')]
        must(flows and all(began - MINUTE < t < ended + MINUTE for t in flows), f'so do its {len(flows)} records')
        status = lab.status()
        print(lab.cordon('status').stdout)
        must(status['clock'] == {'source': 'trusted' if trusted else 'kernel', 'synchronised': trusted}, f'`status`: {status["clock"]}')
        told = [text for text in status['attention'] if 'clock' in text]
        must(not told if trusted else any('clock is not synchronised' in text for text in told), f'what needs attention: {told or "no clock"}')


MINUTE = datetime.timedelta(minutes=1)


def gateway_time(lab):
    return datetime.datetime.fromtimestamp(int(lab.gateway.ssh('date', '+%s').stdout), datetime.timezone.utc)


BIG = 2 << 20
OFFLOADS = ('tx-checksumming', 'tcp-segmentation-offload', 'large-receive-offload')


def fetch_big(lab):
    """A download of BIG bytes over TLS, from one guest to the other."""
    # frames as they came, not joined by the kernel that received them
    lab.run('staff', ['ethtool', '-K', 'eth0', 'gro', 'off'])
    lab.run('web', ['sh', '-c', f'test -s {LAB}/web/big || head -c {BIG} /dev/urandom >{LAB}/web/big'])
    done = lab.run('staff', ['curl', '-sS', '-m', '120', '--cacert', lab.certificate, '--resolve', f'hr.agency.example:443:{lab.hosts["web"].v4}',
                             '-o', '/dev/null', '-w', '%{size_download}', 'https://hr.agency.example/big'], 180)
    must(done.stdout == str(BIG), f'a download of {BIG >> 20} MiB from guest to guest is whole ({done.stdout.strip()[-80:]} bytes)')


def checksums(lab, host):
    """TCP checksums that arrived: {'correct': 1, 'incorrect': 0}."""
    said = lab.run(host, ['sh', '-c', f'tcpdump -Z root -vv -nr /run/{host}.pcap tcp 2>/dev/null | grep -Eo "cksum 0x[0-9a-f]+ .(in)?correct" | '
                          'grep -Eo "(in)?correct$" | sort | uniq -c'], 180).stdout.split()
    return {'correct': 0, 'incorrect': 0} | dict(zip(said[1::2], map(int, said[::2])))


def as_on_a_wire(lab):
    """A guest is not offered to leave checksums and segments to others: what arrives is complete and fits."""
    for host in lab.hosts.values():
        said = lab.run(host.name, ['ethtool', '-k', 'trunk' if 'trunk' in host.role else 'eth0']).stdout
        must(all(f'{offload}: off' in said for offload in OFFLOADS), f'{host.name} was offered no {", ".join(OFFLOADS)}')
    fetch_big(lab)
    must(lab.captured('staff', 'greater 1515') == 0, 'no frame was larger than the MTU')
    sums = checksums(lab, 'staff')
    # a capture in a slow guest misses some
    must(sums['correct'] > 200 and not sums['incorrect'], f'each TCP checksum that arrived is right ({sums})')


def vhost(run):
    """Guests of this machine, which is their gateway: who reaches whom, a guest that is killed, a dataplane that is killed."""
    with run.host_lab() as lab:
        must(lab.connects('staff', 'nogroup') == 'Permission denied', 'a user who is not in the group of the ports cannot connect to one')
        must(lab.ports_up() == set(lab.hosts), 'all ports have a link')
        all_attempts(lab)
        as_on_a_wire(lab)
        lab.kill_guest('left')
        lab.await_ports(RIGHT)
        lab.laws()
        must(True, 'a guest is killed: its ports lose their link, the others keep theirs')
        lab.net.boot('left')
        lab.await_ports(lab.hosts)
        lab.learn_hosts()
        enforces(lab)
        must(True, 'started again, it is back')
        lab.kill_dataplane()
        lab.await_ports(lab.hosts)
        must(True, 'cordon-dp is killed and started: the guests that ran on are back')
        enforces(lab)
        lab.laws()
        print(lab.cordon('status', '-o', 'table').stdout)


STRANGER = '192.0.2.77'  # an address that no host has


def sends_by_port(lab, inside, host, device):
    """How many frames of the gateway's own reach a host, if somebody gives a port an address."""
    neighbour = f'{lab.hosts[host].v4} lladdr {lab.net.mac(host)} dev {device}'
    inside.run(f'ip addr add {STRANGER}/32 dev {device}; ip route add {lab.hosts[host].v4} dev {device}; ip neigh replace {neighbour}; '
               f'ping -q -c 3 -W 1 -I {STRANGER} {lab.hosts[host].v4} || true; ip route del {lab.hosts[host].v4} dev {device}; ip addr del {STRANGER}/32 dev {device}')
    return lab.captured(host, f'src host {STRANGER}')


def kernel_ports(run):
    """Ports that keep their kernel device: host and port stay apart, also after somebody took the kernel's tables away."""
    with run.lab(insider=True) as lab:
        inside = lab.inside
        devices = [f'enp0s{SLOT + n}' for n in range(len(lab.hosts))]
        setup = lab.setup()
        for n, device in enumerate(devices):
            setup = setup.replace(f'{lab.gateway.slot(n)} ', f'net_af_packet{n},iface={device} ')
        lab.up(drive={'setup.conf': setup, 'policy': lab.example})
        recovered(lab)
        for what, done in (('at boot', None), ('after all tables were taken away', 'systemctl restart nftables')):
            if done:
                inside.run(done)
            must(sends_by_port(lab, inside, 'staff', devices[0]) == 0, f'{what}, the gateway itself does not send by a port')
            enforces(lab)
        inside.run('nft flush ruleset')
        must(sends_by_port(lab, inside, 'staff', devices[0]) == 3, 'it could without those tables')
        inside.run('systemctl stop cordond cordon-dp; systemctl restart nftables')
        must(sends_by_port(lab, inside, 'staff', devices[0]) == 3, 'and nothing more with them, the dataplane gone')
        closed(lab)


def tables(run):
    """All tables of the kernel are taken away, as Debian's nftables.service does: while cordon-nft runs, and while it does not."""
    with enforcing(run, engine='nft', insider=True) as lab:
        inside = lab.inside
        with streams(lab) as stream:
            goes_on(stream)
            inside.run('systemctl restart nftables', 120)
            goes_on(stream)
            last = stream.arrived(DENIED)
            has_record(lab, stream, DENIED)
            must(stream.arrived(DENIED) == last == 0, f'the tables come back by themselves, and nothing passes meanwhile ({last} frames of the denied stream arrived)')
        recovered(lab)
        inside.run('systemctl stop cordon-nft')
        traffic(lab)
        must(True, 'without cordon-nft the kernel goes on enforcing')
        inside.run('systemctl restart nftables', 120)
        closed(lab)
        inside.run('systemctl start cordon-nft', 120)
        recovered(lab)


FILLER = 'filler'


def debugfs(gateway, command):
    done = subprocess.run(['debugfs', '-w', '-R', command, f'{gateway.disk}?offset={gateway.partition("cordon-data")[0]}'],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f'debugfs: {done.stderr.strip()}')


def full(run):
    """The data partition has no room left."""
    with enforcing(run) as lab:
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
        status = lab.status()
        must(status['generation']['number'] == 1, 'generation 1 is in force')
        must(any(re.search(r'is full but for \d{1,3} MiB', text) for text in status['attention']), '`status` says that the disk is full')
        lab.learn_hosts()
        traffic(lab)
        laws = lab.status()['laws']
        must(laws['closed'] and laws['pending'] > 0 and laws['lost'] == 0, f'records wait: {laws["pending"]} pending, none lost, the counts add up')
        done = lab.cordon('commit', lab.policy(open_db(lab)), '-m', 'no room', check=False)
        print(done.stdout + done.stderr)
        number = lab.status()['generation']['number']
        must(number == (2 if done.returncode == 0 else 1), f'a commit is done whole or not at all: exit {done.returncode}, generation {number}')
        must(number == 2, 'there is room for a commit')
        traffic(lab, {('db', 'web', 'https'): 'allow'})
        lab.gateway.power_cut()
        subprocess.run(['e2fsck', '-fy', f'{lab.gateway.disk}?offset={offset}'], capture_output=True)  # the journal first
        debugfs(lab.gateway, f'rm {FILLER}')
        subprocess.run(['e2fsck', '-fy', f'{lab.gateway.disk}?offset={offset}'], capture_output=True)
        lab.gateway.power_on()
        lab.gateway.await_ssh()
        recovered(lab, open_db(lab), {('db', 'web', 'https'): 'allow'})


def traffic(lab, expect=None):
    """As enforces(), where no record can be expected."""
    lab.start_captures()
    rows = {attempt(*words): verdict for words, verdict in ({words: attempt(*words).expect for words in USUAL} | (expect or {})).items()}
    for (a, verdict), (done, came) in zip(rows.items(), at_once(lambda a: tried(lab, a, 'v4'), rows)):
        allowed = verdict == 'allow'
        must((done.returncode == 0) == allowed and (came > 0) == allowed, f'{a.src} -> {a.dst} {a.service}: {verdict}, {came} packets arrived')
    watched(lab)


# --- bad input ---------------------------------------------------------------------------------------------------------------

# What is wrong: (changes of the set-up, of the machine, what the console says). A gateway that is not set up has no management address,
# so only the console and the hosts can tell.
SHUT = {
    'one port only': ({'port': f'lan1 0000:00:{SLOT:02x}.0 access 20 inside'}, {}, 'a gateway needs two ports or more, and here is one'),
    'no key': ({'key': None}, {}, '`key` is missing'),
    'a disk too small': ({}, {'disk': 200}, 'disk too small'),
}


def never(happens, seconds):
    """Looked at all that time: what might come a moment later than the question is seen, too."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if happens():
            return False
        time.sleep(0.5)
    return True


@contextlib.contextmanager
def broken_data(run, broken, with_policy=False, **machine):
    """A gateway that is set up, and then off; broken(machine, offset, length) spoils its data partition. Gives its lab when it is on again."""
    with run.lab(**machine) as lab:
        gateway = lab.gateway
        gateway.attach_drive({'setup.conf': lab.setup()} | ({'policy': lab.example} if with_policy else {}))
        gateway.power_on()
        gateway.await_ssh()
        gateway.power_cut()
        broken(gateway, *gateway.partition('cordon-data'))
        gateway.power_on()
        gateway.shows('damaged beyond what can be repaired without a person')
        gateway.shows('not set up: no port is open and nothing is forwarded')
        must(never(gateway.answers_ssh, 20), 'nothing else answers')
        closed(lab)
        yield lab


def zero(machine, places):
    with open(machine.disk, 'r+b') as disk:
        for at, length in places:
            disk.seek(at)
            disk.write(bytes(length))


def unknown_nic(run):
    """A port whose card is not in the machine, and the drive that corrects it."""
    with run.lab() as lab:
        there, missing = lab.gateway.slot(0), '0000:00:1d.0'
        lab.gateway.attach_drive({'setup.conf': lab.setup().replace(there, missing), 'policy': lab.example})
        lab.gateway.power_on()
        says = f'this machine has no device {missing}'
        lab.gateway.shows(says)
        must(True, f'an unknown NIC: the console says `{says}`')
        lab.gateway.await_ssh()
        must(says in lab.cordon('status', '-o', 'json', check=False).stdout, 'so does `status`')
        closed(lab)
        lab.gateway.power_cut()
        lab.gateway.attach_drive({'setup.conf': lab.setup(), 'policy': lab.example})
        lab.gateway.power_on()
        lab.gateway.await_ssh()
        lab.gateway.await_state('enforcing')
        must(says not in lab.cordon('status', '-o', 'json').stdout, 'the corrected drive is taken, and `status` says nothing of it any more')
        recovered(lab)


def bad_input(run):
    for what, (changes, machine, says) in SHUT.items():
        with run.lab(**machine) as lab:
            lab.gateway.attach_drive({'setup.conf': lab.setup(**changes), 'policy': lab.example})
            lab.gateway.power_on()
            lab.gateway.shows(says)
            must(True, f'{what}: the console says `{says}`')
            lab.gateway.shows('not set up: no port is open and nothing is forwarded')
            must('first policy' not in lab.gateway.console(), 'and nothing of a policy that cannot be tried yet')
            closed(lab)
    unknown_nic(run)


def gone(machine, offset, length):
    """All of it has holes."""
    zero(machine, [(offset + at, 256 << 10) for at in range(0, length, 1 << 20)])


def half_gone(machine, offset, length):
    """Its beginning is lost, and then an update is written over the disk, whose table knows no data partition."""
    zero(machine, [(offset, 64 << 10)])
    write_image(machine)


def bad_data(run):
    with broken_data(run, gone, with_policy=True) as lab:
        lab.gateway.type('m')
        lab.gateway.type('yes')
        lab.gateway.shows('the data partition is new and empty')
        lab.gateway.restart()
        lab.gateway.forget_host()
        lab.gateway.await_ssh()
        lab.gateway.await_state('enforcing')
        must(lab.status()['generation']['number'] == 1, 'made anew and set up again from the drive')
        recovered(lab)
    with broken_data(run, half_gone, disk=800) as lab:
        machine = lab.gateway
        machine.type('r')
        machine.shows('repaired; restart to go on')
        machine.power_cut()
        machine.attach_drive(None)
        machine.power_on()
        machine.await_ssh()
        must('DENY ALL' in machine.cordon('status', check=False).stdout, 'repaired, it has the config and the host key that it had, behind an image that was written anew')


def answers(machine):
    """What is typed on the console, with a slip: (question, what is typed, what is said of it)."""
    return [('Name of this gateway:', 'GW 1', 'lower-case letters'), (None, 'gw1', None), ('Engine', 'dpdk', None),
            ('Management:', f'0000:00:02.0 {MANAGEMENT}', 'no address with a length'), (None, f'0000:00:02.0 {MANAGEMENT}/24 10.0.2.2', None),
            ('Groups of the policy', 'admins', None), ('Time servers', '', None), ('Public key', machine.public_key, None),
            ('Prefixes that lie inside', f'10.20.0.0/16 {MANAGEMENT_NET}', None),
            *((f'Port {n + 1}:', f'lan{n + 1} {machine.slot(n)} access 20 inside', None) for n in range(2)), ('Another port?', 'n', None)]


def set_up_by_hand(machine):
    machine.shows('u  set up')
    machine.type('u')
    for question, typed, wrong in answers(machine):
        if question:
            machine.shows(question, 30)
        machine.type(typed)
        if wrong:
            machine.shows(wrong, 30)
            must(True, f'`{typed}` is explained: {wrong}')


def console(run):
    with run.machine() as machine:
        machine.attach_drive({'setup.conf': 'gateway = WRONG 1\n'})
        machine.power_on()
        machine.shows('config drive: setup.conf:1:')
        set_up_by_hand(machine)
        machine.shows('That is right and was kept', 60)
        machine.restart('')
        machine.await_ssh()
        must('DENY ALL' in machine.cordon('status', check=False).stdout, 'set up by answers on the console, managed by ssh')
        machine.restart()
        machine.await_ssh()
        status = machine.cordon('status', check=False).stdout
        must('DENY ALL' in status and 'config drive' not in status, 'and so after a restart: the drive, still wrong, is not looked at again')
        machine.type('m')
        machine.type('yes')
        machine.shows('made anew at the next start', 30)
        mark = machine.restart()
        wait_for('the console says that nothing is set up', lambda: 'not set up: no port is open' in machine.console()[mark:], 240 * machine.machine.slower, 1)
        must(not machine.answers_ssh(), 'it forgets all of it at the next start if somebody wants that')
    with broken_data(run, gone) as lab:
        set_up_by_hand(lab.gateway)
        lab.gateway.shows('there is no data partition to keep it on', 60)
        must(True, 'without a data partition nothing is kept, and that is said')


# --- packages ------------------------------------------------------------------------------------------------------------------

NEWER = '99.1'
PARTS = {'dpdk': ('cordond', 'cordon-dp', 'cordon-nft'), 'nft': ('cordond', 'cordon-nft')}
# The image's root stays as it was built: dpkg writes to a layer in memory above it.
WRITABLE = ('mkdir -p /run/writable && mount -t tmpfs writable /run/writable && mkdir /run/writable/usr /run/writable/work && '
            'mount -t overlay -o lowerdir=/usr,upperdir=/run/writable/usr,workdir=/run/writable/work usr /usr && rm -f /etc/dpkg/dpkg.cfg.d/*')
CONFIG = '/etc/cordon/cordon.yaml'
KEPT = 'set -e; cd /var/lib/cordon; sha256sum /etc/cordon/*.yaml last-good.image; ls control.db flows-*.db'


def newer_packages(run, lab):
    """The packages, by another version, in the gateway; gives their place there."""
    place = '/tmp/newer'
    lab.gateway.ssh('mkdir', '-p', place)
    for package in sorted(run.packages.glob('cordon*.deb')):
        tree = lab.work / package.stem
        call(['dpkg-deb', '-R', package, tree])
        control = tree / 'DEBIAN/control'
        control.write_text(re.sub(r'(?m)^(Version: |Depends:.*cordon \(= )[^\s)]+', rf'\g<1>{NEWER}', control.read_text()))
        call(['dpkg-deb', '--root-owner-group', '-b', tree, lab.work / 'newer.deb'])
        name = package.name.partition('_')[0]
        done = lab.gateway.ssh(f'cat >{place}/{name}.deb', input=(lab.work / 'newer.deb').read_bytes())
        must(done.returncode == 0, f'{name} {NEWER} is on the gateway')
    return place


def pids(inside, names):
    return {name: inside.run(f'pidof {name} || true').strip() for name in names}


def upgrade(run, engine='dpdk'):
    """The packages are upgraded under systemd and under traffic: with a config that the new version does not take, and with one that it
    takes. Then they are removed, and installed again."""
    names = PARTS[engine]
    with enforcing(run, engine=engine, insider=True) as lab:
        inside = lab.inside
        place = newer_packages(run, lab)
        inside.run(WRITABLE)
        before = pids(inside, names)
        inside.run(f'cp -p {CONFIG} /run/writable/good && echo "no-such-word: 1" >>{CONFIG}')
        said = inside.run(f'dpkg -i {place}/*.deb', 300)
        where = re.search(r'cordon\.yaml:\d+:\d+: error: .*no-such-word.*', said)
        must(where, 'an upgrade with a broken config names file, line and word' + (f': {where[0]}' if where else f'\n{said}'))
        must(re.search('systemctl restart cordon-args cordond', said), 'and what to do')
        must(pids(inside, names) == before, 'what ran goes on')
        status = lab.status()
        must(any('does not take /etc/cordon/cordon.yaml' in text for text in status['attention']), '`status` says so')
        print(lab.cordon('status').stdout)
        enforces(lab)
        inside.run(f'cp -p /run/writable/good {CONFIG} && systemctl restart cordon-args cordond', 120)
        restarted(lab, inside, names, before)
        must(not any('does not take' in text for text in lab.status()['attention']), 'with the config corrected, `status` has nothing to say of it')
        recovered(lab)
        gap = good_upgrade(lab, inside, names, place)
        run.figures[f'upgrade of the packages, engine {engine}'] = f'the allowed stream stands still for {gap:.1f} s'
        removed(lab, inside, names, place)


def restarted(lab, inside, names, before):
    """Each part is another process, and the one that the package brought."""
    lab.gateway.await_state('enforcing')
    lab.explained.clear()  # by the program that was there before
    after = pids(inside, names)
    must(all(after[name] not in ('', before[name]) for name in names), f'each part was started again: {before} {after}')
    for name, pid in after.items():
        must(inside.run(f'[ /proc/{pid}/exe -ef $(command -v {name}) ] && echo same || true').strip() == 'same', f'{name} is the one that was installed')


def good_upgrade(lab, inside, names, place):
    with streams(lab) as stream:
        goes_on(stream)
        before, came = pids(inside, names), stream.arrived(ALLOWED)
        inside.run(f'dpkg -i {place}/*.deb', 300)
        restarted(lab, inside, names, before)
        goes_on(stream)
        gap = stream.gap(ALLOWED, came)
        has_record(lab, stream, DENIED)
        must(stream.arrived(DENIED) == 0, f'an upgrade with a good config: {gap:.1f} s is the longest that nothing of the allowed stream arrived, and nothing of the denied one has')
    must(lab.status()['generation']['number'] == 1, 'generation 1 is in force')
    recovered(lab)
    return gap


def removed(lab, inside, names, place):
    kept = inside.run(KEPT)
    inside.run('dpkg -r cordon-nft cordon', 300)
    must(not any(pids(inside, names).values()), 'removed: no process is left')
    closed(lab)
    left = inside.run(KEPT)
    must(left == kept, 'config, policy and records are left' + (f': {kept}\n{left}' if left != kept else ''))
    inside.run(f'dpkg -i {place}/*.deb && systemctl start cordond', 300)
    lab.gateway.await_state('enforcing')
    must(lab.status()['generation']['number'] == 1, 'installed again and started, generation 1 is in force')
    recovered(lab)


class Entry(NamedTuple):
    go: Callable
    title: str
    image: bool = True  # whether the gateway is the appliance


SCENARIOS = {
    'first-boot': Entry(first_boot, 'first boot to enforcing without a human'),
    'uefi': Entry(first_boot_uefi, 'the same by UEFI instead of BIOS'),
    'matrix': Entry(matrix, 'who may reach whom, between machines, IPv4 and IPv6, a trunk'),
    'bad-policy': Entry(bad_policy, 'a policy with an error on the config drive: closed, and says why'),
    'reboot': Entry(reboot, 'restart under traffic: the last policy comes back, nothing passes before'),
    'reboot-nft': Entry(functools.partial(reboot, engine='nft'), 'the same, the kernel enforces'),
    'kill': Entry(kill, 'kill -9 of each process under traffic'),
    'kill-nft': Entry(functools.partial(kill, engine='nft', names=('cordon-nft', 'cordond')), 'the same, the kernel enforces'),
    'safe-mode': Entry(safe_mode, 'cordon-nft fails again and again: the bridge is shut, until it is started by a person'),
    'matrix-nft': Entry(functools.partial(matrix, engine='nft'), 'the same who may reach whom, the kernel enforces'),
    'links': Entry(links, 'a cable is pulled and put back'),
    'unplug': Entry(unplug, 'the NIC of a port is taken out and put back'),
    'update': Entry(update, 'a newer image is written over the disk: config, generations and records stay'),
    'kernel-ports': Entry(kernel_ports, 'ports that keep their kernel device (af_packet): the host and its ports stay apart'),
    'tables': Entry(tables, 'all tables of the kernel are taken away: they come back, or the bridge is shut'),
    'upgrade': Entry(upgrade, 'the packages upgraded with a config that the new version does not take, with a good one, and removed'),
    'upgrade-nft': Entry(functools.partial(upgrade, engine='nft'), 'the same, the kernel enforces'),
    'clock': Entry(wrong_clock, 'the clock is wrong at boot: 2001, 2038'),
    'full': Entry(full, 'the data partition is full'),
    'bad-input': Entry(bad_input, 'drives with mistakes, a disk too small: says so, stays closed'),
    'console': Entry(console, 'set up by answers on the console; wrong ones are explained'),
    'bad-data': Entry(bad_data, 'a broken data partition: says so, stays closed, is repaired or made anew by a person'),
    'vhost': Entry(vhost, 'this machine is the gateway of its guests, by vhost-user; needs no image', False),
    'power-cut': Entry(power_cut, 'the plug pulled during a commit: generation n or n+1 (3 times, or --count N)'),
}
