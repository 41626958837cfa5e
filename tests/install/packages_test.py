# SPDX-License-Identifier: BSD-3-Clause
"""The Debian packages as dpkg installs, upgrades, removes and purges them. The Debian is the root of the appliance's image, which has all
that they depend on: nothing is fetched, and it takes seconds. No systemd runs there, as in any chroot. Needs root, and what takes
minutes to build: CORDON_IMAGE=build-image/cordon-amd64.img CORDON_PACKAGES=build-image/packages."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tap

IMAGE, PACKAGES = os.environ.get('CORDON_IMAGE'), os.environ.get('CORDON_PACKAGES')
if not IMAGE or not PACKAGES:
    print('1..1\nok 1 - packages # SKIP CORDON_IMAGE and CORDON_PACKAGES name no image and no packages')
    sys.exit(0)

# Namespaces of its own: what is started, mounted or told to the kernel ends with the command, and is none of this machine's.
APART = ['unshare', '--mount', '--net', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc']
PROGRAMS = ('cordon', 'cordond', 'cordon-dp', 'cordon-nft')
GROUPS = {'cordond': 'cordon cordon-run cordond', 'cordon-dp': 'cordon-dp cordon-run', 'cordon-nft': 'cordon-nft cordon-run'}
RIGHTS = '''/etc/cordon root:root 755
/run/cordon cordond:cordon-run 3771
/run/cordon-notices root:root 755
/run/cordon/vhost cordon-dp:cordon-vhost 2750
/var/lib/cordon cordond:cordon-run 2750
'''
ENABLED = ('cordon-dp', 'cordond', 'cordon-nft')
# Of all that the packages make, what only a purge takes away.
LASTING = {'/etc/cordon', '/var/lib/cordon', '/run/cordon', '/run/cordon-notices', *(f'user {name}' for name in GROUPS),
           *(f'group {name}' for name in ('cordon', 'cordon-op', 'cordon-run', 'cordon-vhost')),
           *(f'/etc/systemd/system/multi-user.target.wants/{unit}.service' for unit in ENABLED)}
# A gateway that was at work: its config, a policy, records; and what it has told the kernel, beside somebody else's.
USED = '''set -e
cp /usr/share/cordon/cordon.yaml /etc/cordon/
install -d -o cordond -g cordon-run -m 750 /var/lib/cordon/generations
for file in generations/1 2026-11-27.db; do
	echo "$file" >"/var/lib/cordon/$file"
	chown cordond:cordon-run "/var/lib/cordon/$file"
done
mkdir -p /run/cordon-bridges
'''
KEPT = 'find /etc/cordon /var/lib/cordon -printf "%p %u:%g %m %s %t\\n" | sort'
TABLES = 'set -e; for table in netdev:cordon_ports netdev:cordon bridge:cordon inet:cordon inet:other; do nft add table "${table%:*}" "${table#*:}"; done; '


def call(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    tap.equal(done.returncode, 0, f'{argv[0]}: {done.stdout}{done.stderr}')
    return done.stdout


class Debian:
    """The image's root in a directory, which `work` is for."""

    def __init__(self, work):
        self.tree = pathlib.Path(work, 'tree')
        partitions = json.loads(call('sfdisk', '--json', IMAGE))['partitiontable']['partitions']
        root = next(p['start'] for p in partitions if p['name'] == 'cordon-root')
        call('unsquashfs', '-quiet', '-no-progress', '-offset', root * 512, '-dest', self.tree, IMAGE)
        for path in (self.tree / 'etc/dpkg/dpkg.cfg.d').iterdir():  # what an image leaves out
            path.unlink()
        shutil.copytree(PACKAGES, self.tree / 'packages')

    def run(self, line):
        return call(*APART, '--root', self.tree, 'env', '-i', 'PATH=/usr/sbin:/usr/bin', 'LC_ALL=C.UTF-8', 'sh', '-c', line)

    def install(self):
        self.run('dpkg -i /packages/*.deb')

    def traces(self):
        """All that has Cordon's name: files, users, groups."""
        names = {f'/{path.relative_to(self.tree)}' for path in self.tree.rglob('*cordon*')}
        for kind, file in {'user': 'passwd', 'group': 'group'}.items():
            names |= {f'{kind} {name}' for name in self.run(f'cut -d: -f1 /etc/{file} | grep cordon || true').split()}
        return names


def tables(said):
    return [line for line in said.splitlines() if line.startswith('table ')]


def installed(debian):
    def case():
        debian.run('dpkg -P cordon-nft cordon')
        debian.bare = debian.traces()  # the appliance's own
        tap.equal(LASTING & debian.bare, set(), 'left by a purge of what was installed')
        debian.install()
        tap.equal(LASTING - debian.traces(), set(), 'what should be there')
        tap.equal(debian.run('dpkg --verify cordon cordon-nft'), '', 'files as they were packaged')
        tap.equal(debian.run('stat -c "%n %U:%G %a" ' + ' '.join(line.split()[0] for line in RIGHTS.splitlines())), RIGHTS, 'rights')
        for user, groups in GROUPS.items():
            tap.equal(' '.join(sorted(debian.run(f'id -nG {user}').split())), groups, f'groups of {user}')
        for program in PROGRAMS:
            tap.contains(debian.run(f'{program} --version'), f'{program} ')
        tap.equal(debian.run('systemctl is-enabled ' + ' '.join(ENABLED)).split(), ['enabled'] * len(ENABLED), 'units')
    return case


def upgraded(debian):
    def case():
        debian.run(USED + 'systemctl disable cordon-nft')
        before = debian.run(KEPT)
        debian.install()
        tap.equal(debian.run(KEPT), before, 'config, policy and records')
        tap.equal(debian.run('systemctl is-enabled cordon-nft || true').strip(), 'disabled', 'a unit that somebody disabled')
        debian.run('systemctl enable cordon-nft')
    return case


def removed(debian):
    def case():
        before = debian.run(KEPT)
        said = debian.run(TABLES + 'dpkg -r cordon-nft cordon; nft list tables')
        tap.equal(debian.run(KEPT), before, 'config, policy and records')
        tap.equal(len(tables(said)), 5, 'ports stay shut: tables of the kernel')
        tap.equal(LASTING - debian.traces(), set(), 'what should be there')
        tap.equal(debian.run(f'for name in {" ".join(PROGRAMS)}; do command -v $name || true; done; ls /lib/systemd/system | grep -x "cordond.*" || true'), '',
                  'programs and units')
    return case


def purged(debian):
    def case():
        said = debian.run(TABLES + 'dpkg -P cordon-nft cordon; nft list tables')
        tap.equal(debian.traces() ^ debian.bare, set(), 'what has the name of Cordon')
        tap.equal(tables(said), ['table inet other'], 'tables of the kernel')
    return case


with tempfile.TemporaryDirectory(prefix='cordon-packages-') as scratch:
    box = Debian(scratch)
    tap.run([('packages: installed, all is there with its rights', installed(box)),
             ('packages: an upgrade keeps config, policy, records and what is disabled', upgraded(box)),
             ('packages: removed, config, policy and records stay, and ports are shut', removed(box)),
             ('packages: purged, nothing is left', purged(box))])
