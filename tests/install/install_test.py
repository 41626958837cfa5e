# SPDX-License-Identifier: BSD-3-Clause
"""What `meson install` puts into a DESTDIR is a whole gateway: every file that a unit names is there, systemd finds nothing
wrong with the units, and none is more exposed than it is said to be. And the helpers do what the units ask of them."""

import os
import pathlib
import re
import subprocess
import tempfile

import tap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
PREFIX = os.environ['CORDON_PREFIX'].lstrip('/')
# systemd-analyze security: what each unit is allowed to reach, by the drivers of its ports where it has any.
EXPOSURE = {
    'cordon-args': 0.2, 'cordond': 0.5, 'cordon-ports': 1.8, 'cordon-bridge': 1.8, 'cordon-nft': 1.8, 'cordon-nft-safe': 1.6,
    'cordon-dp': 1.1, 'cordon-dp af_packet': 2.4, 'cordon-dp af_xdp': 2.9, 'cordon-dp uio': 2.2,
}
WATCHED = ('cordon-dp', 'cordon-nft', 'cordond')
USERS = {'cordon-dp': 'cordon-dp', 'cordon-nft': 'cordon-nft', 'cordond': 'cordond', 'cordon-args': 'cordond'}


def run(*argv, **kwargs):
    return subprocess.run([str(a) for a in argv], text=True, capture_output=True, **kwargs)


class Installed:
    def __init__(self, dest):
        self.dest = pathlib.Path(dest)
        done = run('meson', 'install', '-C', BUILD, '--no-rebuild', env=dict(os.environ, DESTDIR=dest))
        tap.equal(done.returncode, 0, done.stdout + done.stderr)
        self.prefix = self.dest / PREFIX
        self.units = {p.stem: p for p in (self.prefix / 'lib/systemd/system').glob('*.service')}

    def text(self, unit):
        return self.units[unit].read_text()

    def there(self, path):
        return (self.dest / path.lstrip('/')).exists()


def files(inst):
    def case():
        for path in ('bin/cordon', 'sbin/cordond', 'sbin/cordon-dp', 'sbin/cordon-nft', 'libexec/cordon/bridge-prepare',
                     'libexec/cordon/port-prepare', 'libexec/cordon/write-args', 'lib/sysusers.d/cordon.conf', 'lib/tmpfiles.d/cordon.conf',
                     'lib/sysctl.d/cordon.conf', 'lib/udev/rules.d/60-cordon.rules', 'lib/systemd/system-generators/cordon-generator',
                     'share/cordon/cordon.yaml', 'share/cordon/schema/policy.schema.json', 'share/cordon/examples/agency-core/rules.yaml',
                     'share/cordon/ztmm/catalogue.yaml', 'share/cordon/ztmm/views.sql', 'share/man/man1/cordon.1', 'share/man/man8/cordond.8'):
            if not (inst.prefix / path).is_file():
                raise AssertionError(f'{path} is missing')
        for name in ('bridge-prepare', 'port-prepare', 'write-args'):
            if not os.access(inst.prefix / 'libexec/cordon' / name, os.X_OK):
                raise AssertionError(f'{name} cannot be executed')
        tap.equal(set(inst.units), {name.split()[0] for name in EXPOSURE}, 'units')
    return case


def named(inst):
    """Programs, drop-ins and arguments of every unit; what belongs to Debian is looked for on this machine."""
    def case():
        for path in [*inst.units.values(), inst.prefix / 'lib/systemd/system-generators/cordon-generator',
                     *(inst.prefix / 'share/cordon/ports').iterdir()]:
            text = path.read_text()
            if re.search(r'@(sbindir|libexecdir|datadir)@', text):
                raise AssertionError(f'{path.name}: a placeholder is left')
            for name in re.findall(rf'/{PREFIX}/[\w./-]*\w', text):
                ours = 'cordon' in name
                if '$' not in name and not (inst.there(name) if ours else pathlib.Path(name).exists()):
                    raise AssertionError(f'{path.name} names {name}, which is not there')
            for other in re.findall(r'\bcordon[\w-]*\.service', text):
                if other.removesuffix('.service') not in inst.units and other != 'cordon-dp.service':
                    raise AssertionError(f'{path.name} names {other}, which is not there')
    return case


def verified(inst):
    def case():
        with tempfile.TemporaryDirectory() as empty:
            units = ':'.join([str(inst.prefix / 'lib/systemd/system'), '/lib/systemd/system', empty])
            done = run('systemd-analyze', 'verify', '--man=no', *inst.units.values(), env=dict(os.environ, SYSTEMD_UNIT_PATH=units))
        # programs lie in the DESTDIR, which named() looked at
        wrong = [line for line in (done.stdout + done.stderr).splitlines()
                 if 'cordon' in line and 'is not executable: No such file' not in line]
        tap.equal(wrong, [], 'systemd-analyze verify')
    return case


def exposure(unit):
    done = run('systemd-analyze', 'security', '--offline=yes', '--no-pager', unit)
    return float(re.search(r'Overall exposure level for \S+: ([\d.]+)', done.stdout)[1])


def secure(inst, name):
    def case():
        unit, _, driver = name.partition(' ')
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch) / f'{unit}.service'
            text = inst.text(unit).split('[Install]')[0]
            if driver:
                text += (inst.prefix / f'share/cordon/ports/{driver}.conf').read_text().replace('[Service]', '')
            path.write_text(text)
            got = exposure(path)
        tap.equal(got, EXPOSURE[name], f'exposure of {name}')
    return case


def supervised(inst):
    """Each daemon is watched and restarted under its own user; units of root hold CAP_NET_ADMIN and no more."""
    def case():
        for name in inst.units:
            text = inst.text(name)
            user = re.search(r'^User=(.*)', text, re.M)
            tap.equal(user[1] if user else None, USERS.get(name), f'{name}: user')
            if name in WATCHED:
                for wanted in ('Type=notify', 'WatchdogSec=', 'Restart=always', 'RestartPreventExitStatus=2'):
                    tap.contains(text, wanted)
            if not user:
                tap.equal(re.findall(r'^CapabilityBoundingSet=(.*)', text, re.M), ['CAP_NET_ADMIN'], name)
        made = (inst.prefix / 'lib/sysusers.d/cordon.conf').read_text()
        for user in USERS.values():
            if not re.search(rf'^u {user} ', made, re.M):
                raise AssertionError(f'nobody makes user {user}')
    return case


CONFIG = """gateway: g
engine: {engine}
fail: {fail}
ports:
  - {{name: a, device: "{a}", role: access, vlan: 20, side: inside}}
  - {{name: b, device: "{b}", role: trunk, vlans: [20, 30], native: 5, side: outside}}
protected: ["10.20.0.0/16"]
"""


def write_args(inst, scratch, config):
    file = scratch / 'cordon.yaml'
    file.write_text(config)
    run_dir = scratch / 'run'
    run_dir.mkdir(exist_ok=True)
    path = f'{inst.prefix}/sbin:' + os.environ['PATH']
    done = run(inst.prefix / 'libexec/cordon/write-args', file, run_dir, env=dict(os.environ, PATH=path))
    return done, {p.stem: p.read_text() for p in run_dir.glob('*.args')}


def arguments(inst):
    def case():
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            virtual = ('net_af_packet0,iface=eth1', 'net_af_packet1,iface=eth2')
            for engine, fail, ports, filled in (
                    ('dpdk', 'closed', ('0000:03:00.0', 'net_af_xdp,iface=eth2'), {'dp', 'port'}),
                    ('dpdk', 'nft', virtual, {'dp', 'nft', 'bridge'}),
                    ('nft', 'closed', ('eth1', 'eth2'), {'nft', 'bridge'})):
                config = CONFIG.format(engine=engine, fail=fail, a=ports[0], b=ports[1])
                done, files = write_args(inst, scratch, config)
                tap.equal(done.returncode, 0, done.stderr)
                tap.equal({k for k, v in files.items() if v}, filled, f'{engine}, {fail}')
            # an error: what was there stays, all of it
            done, after = write_args(inst, scratch, config.replace('role: access', 'role: excess'))
            tap.equal((done.returncode, after), (2, files), 'with an error')
            tap.contains(done.stderr, 'excess')
            tap.equal(list((scratch / 'run').glob('*.new')), [], 'left behind')
    return case


def generator(inst):
    """The rights of a driver are there if the config names it, and else not."""
    def case():
        text = (inst.prefix / 'lib/systemd/system-generators/cordon-generator').read_text()
        for device, drop_ins in (('0000:03:00.0', []), ('net_af_packet0,iface=e', ['port-af_packet.conf']),
                                 ('net_af_xdp,iface=e', ['port-af_xdp.conf'])):
            with tempfile.TemporaryDirectory() as name:
                scratch = pathlib.Path(name)
                (scratch / 'cordon.yaml').write_text(CONFIG.format(engine='dpdk', fail='closed', a=device, b='0000:04:00.0'))
                (scratch / 'generator').write_text(text.replace('/etc/cordon/cordon.yaml', f'{scratch}/cordon.yaml'))
                done = run('sh', scratch / 'generator', scratch / 'units')
                tap.equal(done.returncode, 0, done.stderr)
                found = sorted(p.name for p in (scratch / 'units').rglob('*.conf'))
                tap.equal(found, drop_ins, device)
                for p in (scratch / 'units').rglob('*.conf'):
                    if not inst.there(os.readlink(p)):
                        raise AssertionError(f'{p} leads to {os.readlink(p)}, which is not there')
    return case


def runs_from_there(inst):
    """What the programs read at run time is found where it was installed."""
    def case():
        done = run(inst.prefix / 'bin/cordon', 'check', inst.prefix / 'share/cordon/examples/agency-core')
        tap.equal(done.returncode, 0, done.stdout + done.stderr)
        done = run(inst.prefix / 'sbin/cordond', '--config', inst.prefix / 'share/cordon/cordon.yaml', '--check')
        tap.equal(done.returncode, 0, done.stderr)
        for program in (inst.prefix / 'sbin/cordond', inst.prefix / 'bin/cordon'):
            if f'/{PREFIX}/share/cordon/ztmm'.encode() not in program.read_bytes():
                raise AssertionError(f'{program.name} does not look for its catalogue where it is installed')
    return case


with tempfile.TemporaryDirectory(prefix='cordon-install-') as dest:
    inst = Installed(dest)
    tap.run([
        ('everything has its place', files(inst)),
        ('each file that a unit names is there', named(inst)),
        ('systemd finds nothing wrong with the units', verified(inst)),
        *((f'exposure of {name}', secure(inst, name)) for name in EXPOSURE),
        ('own users, watchdog, and no root with more than CAP_NET_ADMIN', supervised(inst)),
        ('arguments of each process, or what was there before', arguments(inst)),
        ('rights follow the drivers', generator(inst)),
        ('the programs find their files', runs_from_there(inst)),
    ])
