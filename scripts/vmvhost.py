# SPDX-License-Identifier: BSD-3-Clause
"""A hypervisor host as the gateway: cordon-dp and cordond run on this machine, under their own users, and the NICs of guests are
their ports, by vhost-user. The hosts are those of vmlab, in two guests that belong to a user who may connect to the ports and
nothing else.

    with VhostLab(build, work) as lab:
        lab.up()
        lab.run('staff', ['curl', ...])
"""

import os
import pathlib
import pwd
import grp
import shutil
import signal
import subprocess

from lab import GUEST_GROUP, HUGE, ROOT, Lab, LabError, call, wait_for
from scenario import raise_huge_pages
from vmlab import Hosts, InGuests

BUILD = ROOT / 'build-release'
GUEST_USER = 'nobody'
# What connects to a UNIX socket, and ends with the number of the error.
CONNECT = 'import socket, sys; sys.exit(socket.socket(socket.AF_UNIX).connect_ex(sys.argv[1]))'


def build_release():
    """A release, as quickstart makes it."""
    if not (BUILD / 'build.ninja').exists():
        call(['meson', 'setup', '--buildtype=release', BUILD, ROOT])
    call(['ninja', '-C', BUILD, 'dataplane/io/cordon-dp', 'controlplane/daemon/cordond', 'controlplane/cli/cordon'])
    return BUILD


def as_guest_user(group):
    """Words of setpriv."""
    return [f'--reuid={GUEST_USER}', f'--regid={group}', '--clear-groups']


class VhostHosts(Hosts):
    """The gateway's sockets are there first, and the machines connect to them, again each second if they have to."""

    rights = as_guest_user(GUEST_GROUP)

    def __init__(self, work, sockets, say=None):
        super().__init__(work, say=say)
        self.sockets = sockets
        for name in self.GROUPS:
            (self.work / name).mkdir(parents=True)
            shutil.chown(self.work / name, GUEST_USER)

    def wire(self, host):
        return self.sockets / self.hosts[host].port

    def nic(self, host):
        # the emulated processor cannot take a vhost-user device's interrupts by MSI-X: vectors=0
        return ['-chardev', f'socket,id=c{host},path={self.wire(host)},reconnect=1', '-netdev', f'vhost-user,id={host},chardev=c{host}',
                '-device', f'virtio-net-pci,netdev={host},mac={self.mac(host)},vectors=0,romfile=']

    def memory(self):
        """The gateway reads and writes frames where the guest has them."""
        return ['-object', f'memory-backend-memfd,id=m,size={self.MEMORY}M,share=on', '-numa', 'node,memdev=m']


class VhostLab(InGuests, Lab):
    """`work`: the guests' directory."""

    def __init__(self, build, work, say=None):
        Lab.__init__(self, build, driver='vhost', say=say)
        InGuests.__init__(self)
        self.work = pathlib.Path(work)

    @property
    def sockets(self):
        return self.dir / 'vhost'

    def up(self, policy=None):
        self.raise_pages()
        self.make_dirs()
        self.make_ns(self.ns('gw'))
        self.make_sockets()
        self.net = VhostHosts(self.work / 'hosts', self.sockets, self.say)
        self.hosts = self.net.hosts
        self.start_gateway()
        self.undo.callback(self.net.close)
        self.net.up()
        self.say(f'committing {policy or self.example}')
        self.cordon('commit', self.policy(policy or self.example), '-m', 'first policy')
        self.learn_hosts()

    def raise_pages(self):
        before = raise_huge_pages()
        if before is not None:
            self.undo.callback(HUGE.write_text, str(before))

    def make_sockets(self):
        """As tmpfiles makes it on a box."""
        self.sockets.mkdir()
        os.chown(self.sockets, pwd.getpwnam('cordon-dp').pw_uid, grp.getgrnam(GUEST_GROUP).gr_gid)
        self.sockets.chmod(0o2750)

    def device(self, host, driver):
        return f'{driver}:{self.sockets / host.port}'

    # --- what happens to guests and gateway ------------------------------------------------------------------------------

    def ports_up(self):
        """Hosts whose port has a link."""
        up = {p['name'] for e in self.status()['engines'] for p in e['ports'] if p['up']}
        return {h.name for h in self.hosts.values() if h.port in up}

    def await_ports(self, hosts):
        wait_for(f'ports of {", ".join(sorted(hosts))} have a link, and no others', lambda: self.ports_up() == set(hosts), 30)

    def kill_guest(self, group):
        g = self.net.guests[group]
        g.process.kill()
        g.process.wait()
        for name in self.net.GROUPS[group]:
            self.capturing.pop(name, None)

    def kill_dataplane(self):
        self.stop('dp', sig=signal.SIGKILL)
        self.start_dp()
        wait_for('cordond has the dataplane again', lambda: all(e['state'] == 'active' for e in self.status()['engines']), 30)

    def connects(self, host, group):
        """What a process of the guests' user in this group gets at a port: None, or the error."""
        done = subprocess.run(['setpriv', *as_guest_user(group), '/usr/bin/python3', '-c', CONNECT, self.net.wire(host)], cwd='/',
                              capture_output=True, text=True)
        if done.stderr:
            raise LabError(f'setpriv: {done.stderr.strip()}')
        return os.strerror(done.returncode) if done.returncode else None
