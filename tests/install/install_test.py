# SPDX-License-Identifier: BSD-3-Clause
"""What `meson install` puts into a DESTDIR is a whole gateway: every file that a unit names is there, systemd finds nothing
wrong with the units, and none is more exposed than it is said to be. And the helpers do what the units ask of them."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import tap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
PREFIX = os.environ['CORDON_PREFIX'].lstrip('/')
# systemd-analyze security: what each unit is allowed to reach, by the drivers of its ports where it has any.
EXPOSURE = {
    'cordon-args': 0.2, 'cordond': 0.5, 'cordon-ports': 1.9, 'cordon-bridge': 1.9, 'cordon-nft': 1.8, 'cordon-nft-safe': 1.6,
    'cordon-dp': 1.1, 'cordon-dp af_packet': 2.4, 'cordon-dp af_xdp': 2.9, 'cordon-dp uio': 2.2,
}
# What cloud-init's units do, where there is one.
EARLY = '''[Unit]
DefaultDependencies=no
Wants=network-pre.target systemd-networkd.service
After=systemd-networkd-wait-online.service systemd-networkd.service
Before=network-online.target sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/true
'''
# The appliance's own. What has no user runs once, as root; cordon-data mounts for everybody, so little can be kept from its sight.
APPLIANCE = ROOT / 'firmware/image/root/usr/lib/systemd/system'
APPLIANCE_EXPOSURE = {'cordon-console@': 0.4, 'cordon-devices': 1.5, 'cordon-first-policy': 1.1, 'cordon-do': 2.5, 'cordon-setup': 2.8, 'cordon-data': 4.1}
WATCHED = ('cordon-dp', 'cordon-nft', 'cordond')
USERS = {'cordon-dp': 'cordon-dp', 'cordon-nft': 'cordon-nft', 'cordond': 'cordond', 'cordon-args': 'cordond'}


def run(*argv, **kwargs):
    return subprocess.run([str(a) for a in argv], text=True, capture_output=True, **kwargs)


def runs_here():
    if os.environ.get('CORDON_EMULATED'):
        raise tap.Skip('installed programs of another machine')


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
                     'libexec/cordon/port-prepare', 'libexec/cordon/ports-again', 'libexec/cordon/write-args', 'lib/sysusers.d/cordon.conf', 'lib/tmpfiles.d/cordon.conf',
                     'libexec/cordon/port-common', 'libexec/cordon/huge-pages', 'lib/systemd/system/nftables.service.d/00-cordon.conf', 'lib/systemd/system/nftables.service.d/zz-cordon.conf', 'lib/udev/rules.d/60-cordon.rules', 'lib/systemd/system-generators/cordon-generator',
                     'share/cordon/cordon.yaml', 'share/cordon/schema/policy.schema.json', 'share/cordon/examples/agency-core/rules.yaml',
                     'share/cordon/ztmm/catalogue.yaml', 'share/cordon/ztmm/views.sql', 'share/man/man1/cordon.1', 'share/man/man8/cordond.8',
                     'share/bash-completion/completions/cordon'):
            if not (inst.prefix / path).is_file():
                raise AssertionError(f'{path} is missing')
        for name in ('bridge-prepare', 'port-prepare', 'write-args', 'ports-again', 'huge-pages'):
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


def appliance():
    """Nothing that stays is root, and what root does once has no more rights than it is said to have."""
    units = {path.stem: path for path in APPLIANCE.glob('*.service')}
    tap.equal(set(units), set(APPLIANCE_EXPOSURE), 'units')
    for name, path in units.items():
        text = path.read_text()
        tap.equal('User=' in text, 'Type=oneshot' not in text, f'{name} has a user of its own or runs once')
        with tempfile.TemporaryDirectory() as scratch:
            copy = pathlib.Path(scratch, f'{name}x.service' if name.endswith('@') else path.name)
            copy.write_text(text)
            tap.equal(exposure(copy), APPLIANCE_EXPOSURE[name], f'exposure of {name}')


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
        for line in ('g cordon-vhost -', 'd /run/cordon/vhost 2750 cordon-dp cordon-vhost -'):
            if not any(line in file.read_text().splitlines() for file in inst.prefix.glob('lib/*.d/cordon.conf')):
                raise AssertionError(f'nothing says `{line}`')
        for user in USERS.values():
            if not re.search(rf'^u {user} ', made, re.M):
                raise AssertionError(f'nobody makes user {user}')
    return case


def failures_only(inst):
    """systemd's limit of starts is one of failures: what ended as asked is forgotten, and nothing else is."""
    def case():
        command = re.search(r"^ExecStopPost=-\+/bin/sh -c '(.*)'$", inst.text('cordon-nft'), re.M)[1].replace('$$', '$').replace('%n', 'the-unit')
        with tempfile.TemporaryDirectory() as name:
            systemctl = pathlib.Path(name, 'systemctl')
            systemctl.write_text('#!/bin/sh\necho "$*"\n')
            systemctl.chmod(0o755)
            for result, said in (('success', 'reset-failed the-unit\n'), ('signal', ''), ('exit-code', ''), ('watchdog', ''), ('timeout', '')):
                done = run('env', f'PATH={name}', f'SERVICE_RESULT={result}', '/bin/sh', '-c', command)
                tap.equal((done.returncode, done.stdout), (0, said), result)
    return case


def shut_when_stopped(inst):
    """The bridge's unit never gives a port to the kernel, whatever its link was before."""
    def case():
        tap.equal(re.findall(r'^(Exec\w+)=-?\S*bridge-prepare( --\w+)? @', inst.text('cordon-bridge'), re.M),
                  [('ExecStartPre', ' --stop'), ('ExecStart', ''), ('ExecStop', ' --stop')], 'cordon-bridge')
    return case


CONFIG = """gateway: g
engine: {engine}
fail: {fail}
ports:
  - {{name: a, device: "{a}", role: access, vlan: 20, side: inside}}
  - {{name: b, device: "{b}", role: trunk, vlans: [20, 30], native: 5, side: outside}}
protected: ["10.20.0.0/16"]
"""


def write_args(inst, scratch, config, notices=False):
    file = scratch / 'cordon.yaml'
    file.write_text(config)
    run_dir = scratch / 'run'
    (run_dir / 'notices' if notices else run_dir).mkdir(parents=True, exist_ok=True)
    if notices:
        (run_dir / 'notices/config').touch()
    path = f'{inst.prefix}/sbin:' + os.environ['PATH']
    done = run(inst.prefix / 'libexec/cordon/write-args', file, run_dir, env=dict(os.environ, PATH=path))
    return done, {p.stem: p.read_text() for p in run_dir.glob('*.args')}


def arguments(inst):
    def case():
        runs_here()
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            virtual = ('net_af_packet0,iface=eth1', 'net_af_packet1,iface=eth2')
            for engine, fail, ports, filled in (
                    ('dpdk', 'closed', ('0000:03:00.0', 'net_af_xdp,iface=eth2'), {'dp', 'port'}),
                    ('dpdk', 'closed', ('vhost:/run/cordon/vhost/a', 'vhost:/run/cordon/vhost/b'), {'dp', 'port'}),
                    ('dpdk', 'nft', virtual, {'dp', 'nft', 'bridge', 'port'}),
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


def ended_without_a_word(scratch, write_args):
    (scratch / 'cordond').write_text('#!/bin/sh\nexit 7\n')
    (scratch / 'cordond').chmod(0o755)
    return run(write_args, 'none', scratch / 'run', env=dict(os.environ, PATH=f'{scratch}:' + os.environ['PATH']))


def told(notices):
    return {p.name: p.read_text().splitlines() for p in notices.iterdir() if p.stat().st_size}


GOOD = CONFIG.format(engine='dpdk', fail='closed', a='0000:03:00.0', b='0000:04:00.0')
BAD = GOOD.replace('role: access', 'role: excess')
WORD = 'cordon.yaml:5:45: error: `excess` is not one of: access, trunk'


def config_notice(inst):
    """An error of the config is left to be told; a good config takes that away, and what its parts could not do before."""
    def case():
        runs_here()
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            for config, words in ((BAD.replace('dpdk', 'dpkd'), 'cordon.yaml:2:9: error: `dpkd` is not one of: dpdk, nft'), (BAD, WORD),
                                  (BAD.replace('dpdk', 'a\\nb\\c'), 'cordon.yaml:2:9: error: `a\\nb\\c` is not one of: dpdk, nft')):
                done, _ = write_args(inst, scratch, config, notices=True)
                tap.equal((done.returncode, set(told(scratch / 'run/notices'))), (2, {'config'}), 'with an error')
                first, rest = told(scratch / 'run/notices')['config']
                tap.equal(first, f'config: {scratch}/{words}', 'what')
                tap.contains(rest, f'nothing starts until it is repaired: correct {scratch}/cordon.yaml, then: systemctl restart cordon-args cordond')
                tap.contains(done.stderr, '^~~~')
            (scratch / 'run/port.args.new').mkdir()  # no fault of the config's, so it is not said to be one
            done, _ = write_args(inst, scratch, GOOD, notices=True)
            (scratch / 'run/port.args.new').rmdir()
            tap.equal(done.returncode, 6, 'cannot be written')
            first, rest = told(scratch / 'run/notices')['config']
            tap.contains(first, 'config: cordond: cannot write the arguments to ')
            tap.equal(rest, 'nothing starts until it is repaired; then: systemctl restart cordon-args cordond', 'what to do')
            done = ended_without_a_word(scratch, inst.prefix / 'libexec/cordon/write-args')
            tap.equal((done.returncode, told(scratch / 'run/notices')['config'][0]), (7, 'config: cordond: ended with 7 and said nothing'), 'without a word')
            done, args = write_args(inst, scratch, GOOD, notices=True)
            tap.equal((done.returncode, done.stderr), (0, ''), 'repaired')
            tap.equal(told(scratch / 'run/notices'), {}, 'nothing is left')
            tap.equal('port' in args, True, 'and the arguments are there')
        made = (inst.prefix / 'lib/tmpfiles.d/cordon.conf').read_text()
        for line in ('d /run/cordon-notices 0755 root root -', 'f /run/cordon-notices/config 0664 root cordond -',
                     'L+ /run/cordon/notices - - - - /run/cordon-notices'):
            tap.contains(made, line)
        for part in ('upgrade', 'ports', 'bridge'):
            tap.contains(re.search('^ExecStartPost=-\\+/bin/rm (.*)', inst.text('cordon-args'), re.M)[1], f'/run/cordon-notices/{part}')
    return case


def maintainer_script(scratch, *args):
    """The package's postinst with its paths below `scratch`; what it asks of systemctl is written down by a stand-in."""
    text = (ROOT / 'firmware/debian/cordon.postinst').read_text()
    for path in ('/etc/cordon/cordon.yaml', '/run/cordon', '/run/systemd/system'):
        if not re.search(re.escape(path), text):
            raise AssertionError(f'the script does not name {path}')
        text = re.sub(rf'(?<![\w/]){re.escape(path)}', f'{scratch}{path}', text)
    script = scratch / 'postinst'
    script.write_text(text)
    systemctl = scratch / 'bin/systemctl'
    systemctl.parent.mkdir(exist_ok=True)
    systemctl.write_text(f'#!/bin/sh\necho systemctl "$@" >>{scratch}/called\n')
    systemctl.chmod(0o755)
    (scratch / 'called').write_text('')
    (scratch / 'run/systemd/system').mkdir(parents=True, exist_ok=True)
    done = run('sh', script, *args, env=dict(os.environ, PATH=f'{scratch}/bin:{inst.prefix}/sbin:' + os.environ['PATH']))
    tap.equal(done.returncode, 0, done.stderr)
    return done.stderr, (scratch / 'called').read_text().splitlines()


def box(scratch, config):
    path = scratch / 'etc/cordon/cordon.yaml'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config)


def upgraded(inst):
    """A version that does not take the config restarts nothing and says so, until one does or the config is repaired."""
    def case():
        runs_here()
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            box(scratch, BAD)
            said, called = maintainer_script(scratch, 'configure', '0.0.1')
            tap.equal(called, ['systemctl daemon-reload'], 'with an error')
            first, rest = told(scratch / 'run/cordon-notices')['upgrade']
            tap.contains(first, f'does not take {scratch}/etc/cordon/cordon.yaml: {scratch}/etc/cordon/{WORD}')
            tap.contains(rest, 'what runs goes on as it is until it is restarted')
            tap.contains(rest, 'systemctl restart cordon-args cordond')
            for words in ('^~~~', first.removeprefix('upgrade: '), rest.removeprefix('upgrade: ')):
                tap.contains(said, words)
            tap.equal((scratch / 'run/cordon-notices/upgrade').stat().st_mode & 0o777, 0o644, 'for everybody to read')
            box(scratch, GOOD)
            said, called = maintainer_script(scratch, 'configure', '0.0.1')
            tap.equal(called, ['systemctl daemon-reload', 'systemctl try-restart cordon-args.service'], 'repaired')
            tap.equal(told(scratch / 'run/cordon-notices'), {}, 'nothing is left')
        for args, kept in ((('configure', ''), GOOD), (('configure', ''), BAD), (('configure', '0.0.1'), None), (('triggered', 'x'), BAD)):
            with tempfile.TemporaryDirectory() as name:
                scratch = pathlib.Path(name)
                box(scratch, kept or '')
                if kept is None:
                    (scratch / 'etc/cordon/cordon.yaml').unlink()
                tap.equal(maintainer_script(scratch, *args), ('', []), f'{args}')
                tap.equal((scratch / 'run/cordon').exists(), False, f'{args}')
    return case


def huge_pages(inst):
    """cordon-dp raises their number so that what it needs is free, and takes none away from who has more."""
    def case():
        unit = inst.text('cordon-dp')
        wanted = re.search('^Environment=HUGE_PAGES=([0-9]+)$', unit, re.M)[1]
        tap.contains(unit, f'\nExecStartPre=-+/{PREFIX}/libexec/cordon/huge-pages ${{HUGE_PAGES}}\n')

        def act(number, have, free, larger=None):
            with tempfile.TemporaryDirectory() as name:
                for size, counts in {'2048': (have, free), '64': (9, 9), **({'1048576': larger} if larger else {})}.items():
                    place = pathlib.Path(name, f'hugepages-{size}kB')
                    place.mkdir()
                    for file, count in zip(('nr_hugepages', 'free_hugepages'), counts):
                        (place / file).write_text(f'{count}\n')
                done = run('env', f'CORDON_HUGE_PAGES={name}', inst.prefix / 'libexec/cordon/huge-pages', number)
                return int(pathlib.Path(name, 'hugepages-2048kB/nr_hugepages').read_text()), done.returncode, done.stderr

        for have, free, then in ((0, 0, 256), (255, 255, 256), (256, 256, 256), (4096, 4096, 4096), (4096, 6, 4346)):
            tap.equal(act(wanted, have, free), (then, 0, ''), f'{have} pages, {free} of them free')
        tap.equal(act(wanted, 0, 0, (4, 1)), (0, 0, ''), 'there are larger ones')
        tap.equal(act(wanted, 0, 0, (4, 0)), (256, 0, ''), 'others use them all')
        tap.equal(act('2048', 0, 0, (4, 3)), (2048, 0, ''), 'there are larger ones, and not enough')
        for number in ('512M', '', '-1', '010'):
            pages, code, said = act(number, 3, 3)
            tap.equal((pages, code), (3, 2), number)
            tap.contains(said, f"HUGE_PAGES of cordon-dp.service is a number of pages of 2 MiB, and not '{number}'; nothing was changed")
    return case


def order(inst):
    """Nothing that waits for the network before the system is up, as cloud-init does, makes a circle with what comes before the network."""
    def case():
        with tempfile.TemporaryDirectory() as name:
            units = pathlib.Path(name)
            for unit in inst.units.values():
                shutil.copy(unit, units)
            (units / 'early.service').write_text(EARLY)
            wanted = ' '.join(f'{unit}.service' for unit in ('early', 'systemd-networkd', 'systemd-networkd-wait-online', *inst.units))
            (units / 'multi-user.target').write_text(f'[Unit]\nRequires=basic.target {wanted}\nAfter=basic.target\n')
            done = run('systemd-analyze', 'verify', '--man=no', 'multi-user.target', env=dict(os.environ, SYSTEMD_UNIT_PATH=f'{units}:/lib/systemd/system'))
            tap.equal([line for line in done.stderr.splitlines() if 'cycle' in line], [], 'in what order they start')
    return case


def helper_notices(inst):
    """What root's units could not prepare is left to be told; words of a person's own leave nothing, and a run that succeeds takes it away."""
    def case():
        if os.geteuid():
            raise tap.Skip('needs root')
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            (scratch / 'notices').mkdir()
            words = scratch / 'words'
            for helper, part, bad, good, said in (
                    ('port-prepare', 'ports', '0000:ff:1f.7', 'net_null0', "no PCI device '0000:ff:1f.7'; what else is named is kept from the kernel, and its links are as they were"),
                    ('port-prepare', 'ports', r'net_af_packet,iface=c-\cnone', '', r"no network device 'c-\cnone' (such a name cannot be a port's); what else is named is kept from the kernel, and its links are as they were"),
                    ('bridge-prepare', 'bridge', '--bridge\nc-nosuch\nc-none', '', "no network device 'c-none'; nothing was changed")):
                def act(*argv, code=6, notices=scratch / 'notices'):
                    done = run('env', f'CORDON_NOTICES={notices}', inst.prefix / 'libexec/cordon' / helper, *argv)
                    tap.equal(done.returncode, code, done.stderr)
                    return told(scratch / 'notices')

                words.write_text(bad)
                for _ in range(2):
                    left = act(f'@{words}')
                    tap.equal((set(left), left[part][0]), ({part}, f'{part}: {said}'), helper)
                    tap.contains(left[part][1], 'systemctl restart cordon-args cordond')
                tap.equal(act(f'@{words}', notices=scratch / 'none'), left, 'no directory')
                words.write_text(good)
                tap.equal(act(f'@{words}', code=0), {}, 'succeeded')
                tap.equal(act(*bad.split()), {}, 'by hand')
    return case


def tables_gone(inst):
    """Debian's own nftables.service takes all tables away; the kernel is kept off the dataplane's ports again, and a bridge that nothing guards is shut."""
    def case():
        if os.geteuid():
            raise tap.Skip('needs root')
        drop_in = (inst.prefix / 'lib/systemd/system/nftables.service.d/zz-cordon.conf').read_text()
        tap.equal(re.findall(r'^(Exec\w+)=-/(\S+)$', drop_in, re.M),
                  [(when, f'{PREFIX}/libexec/cordon/ports-again') for when in ('ExecStartPost', 'ExecReload', 'ExecStopPost')], 'when')
        # Debian's own commands, each in ours
        around = (inst.prefix / 'lib/systemd/system/nftables.service.d/00-cordon.conf').read_text()
        debian = pathlib.Path('/lib/systemd/system/nftables.service').read_text()
        tap.equal(re.findall(rf'^(Exec\w+)=(?:/{PREFIX}/libexec/cordon/ports-again (.+))?$', around, re.M),
                  [line for when, what in re.findall(r'^(Exec\w+)=(.+)$', debian, re.M) for line in ((when, ''), (when, what))], 'commands')
        for unit in ('cordon-ports', 'cordon-bridge', 'cordon-nft'):
            tap.contains(inst.text(unit), '\nAfter=nftables.service\n')
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            here = scratch / 'libexec'
            here.mkdir()
            shutil.copy(inst.prefix / 'libexec/cordon/ports-again', here)
            (scratch / 'systemctl').write_text('#!/bin/sh\n[ "$*" = "is-active cordon-nft" ] && echo "$STATE"\n')
            (scratch / 'sleep').write_text('#!/bin/sh\n')
            for helper in ('port-prepare', 'bridge-prepare'):  # the third time, there are tables
                (here / helper).write_text(f'#!/bin/sh\necho {helper} "$@"\n[ $1 != --up ] || {{ echo >>"{scratch}/tries"; [ $(wc -l <"{scratch}/tries") -eq $TABLES ]; }}\n')
            for file in (scratch / 'systemctl', scratch / 'sleep', *here.iterdir()):
                file.chmod(0o755)
            run_dir = scratch / 'run'
            run_dir.mkdir()
            ports, bridge = f'port-prepare --again --sender cordon-dp @{run_dir}/port.args', f'bridge-prepare --shut @{run_dir}/bridge.args'
            up = bridge.replace('--shut', '--up')
            for args, state, tables, then in (
                    ({}, 'inactive', 0, []), ({'port': ''}, 'inactive', 0, []), ({'port': 'x'}, 'inactive', 0, [ports]), ({'port': 'x', 'bridge': ''}, 'active', 1, [ports]),
                    ({'port': 'x', 'bridge': 'y'}, 'inactive', 1, [ports, bridge]), ({'port': 'x', 'bridge': 'y'}, 'active', 1, [ports, bridge, up]),
                    ({'port': '', 'bridge': 'y'}, 'activating', 3, [bridge, up, up, up]), ({'port': '', 'bridge': 'y'}, 'failed', 1, [bridge]),
                    ({'port': '', 'bridge': 'y'}, 'active', 99, [bridge, *[up] * 10])):
                (scratch / 'tries').write_text('')
                for file, text in args.items():
                    (run_dir / f'{file}.args').write_text(text)
                done = run(here / 'ports-again', env=dict(os.environ, CORDON_RUN=run_dir, STATE=state, TABLES=str(tables), PATH=f'{scratch}:{os.environ["PATH"]}'))
                tap.equal((done.returncode, done.stdout.splitlines()), (0, then), f'{args}, cordon-nft is {state}')
            (scratch / 'tries').write_text('')
            done = run(here / 'ports-again', 'sh', '-c', 'echo flush; exit 3', env=dict(os.environ, CORDON_RUN=run_dir, STATE='active', TABLES='2', PATH=f'{scratch}:{os.environ["PATH"]}'))
            tap.equal((done.returncode, done.stdout.splitlines()), (3, [bridge, 'flush', bridge, up, up]), 'around a command that fails')
    return case


def generator(inst):
    """The rights of a driver are there if the config names it, and else not."""
    def case():
        text = (inst.prefix / 'lib/systemd/system-generators/cordon-generator').read_text()
        for device, drop_ins in (('0000:03:00.0', []), ('vhost:/run/cordon/vhost/a', []), ('net_af_packet0,iface=e', ['port-af_packet.conf']),
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
        runs_here()
        done = run(inst.prefix / 'bin/cordon', 'check', inst.prefix / 'share/cordon/examples/agency-core')
        tap.equal(done.returncode, 0, done.stdout + done.stderr)
        done = run(inst.prefix / 'sbin/cordond', '--config', inst.prefix / 'share/cordon/cordon.yaml', '--check')
        tap.equal(done.returncode, 0, done.stderr)
        for program in (inst.prefix / 'sbin/cordond', inst.prefix / 'bin/cordon'):
            if f'/{PREFIX}/share/cordon/ztmm'.encode() not in program.read_bytes():
                raise AssertionError(f'{program.name} does not look for its catalogue where it is installed')
    return case


def numbers():
    """Whose the files on the data partition are does not change from image to image."""
    def lines(path):
        return [line.split() for line in (ROOT / path).read_text().splitlines() if line[:2] in ('u ', 'g ')]
    fixed = {(kind, name): number for kind, name, number, *_ in lines('firmware/image/sysusers.conf')}
    tap.equal(set(fixed), {(kind, name) for kind, name, *_ in lines('firmware/sysusers.conf')}, 'users and groups')
    tap.equal(sorted(fixed.values()), sorted({n for n in fixed.values() if 100 <= int(n) < 1000}), 'a number of its own for each')


with tempfile.TemporaryDirectory(prefix='cordon-install-') as dest:
    inst = Installed(dest)
    tap.run([
        ('everything has its place', files(inst)),
        ('each file that a unit names is there', named(inst)),
        ('systemd finds nothing wrong with the units', verified(inst)),
        *((f'exposure of {name}', secure(inst, name)) for name in EXPOSURE),
        ('own users, watchdog, and no root with more than CAP_NET_ADMIN', supervised(inst)),
        ('a stop that was asked for is no failure', failures_only(inst)),
        ('a stopped gateway leaves its ports shut', shut_when_stopped(inst)),
        ("the appliance's own units", appliance),
        ("numbers of the appliance's users", numbers),
        ('arguments of each process, or what was there before', arguments(inst)),
        ('an error of the config is told until it is repaired', config_notice(inst)),
        ('an upgrade that does not take the config restarts nothing and tells it', upgraded(inst)),
        ('who takes all tables away opens no port to the kernel', tables_gone(inst)),
        ('huge pages are raised and never taken away', huge_pages(inst)),
        ('no circle with what waits for the network before the system is up', order(inst)),
        ('what ports and bridge could not prepare is told', helper_notices(inst)),
        ('rights follow the drivers', generator(inst)),
        ('the programs find their files', runs_from_there(inst)),
    ])
