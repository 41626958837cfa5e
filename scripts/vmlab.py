# SPDX-License-Identifier: BSD-3-Clause
"""The appliance in a virtual machine, and hosts in others, wired through its ports.

The gateway is the image as it would be written to a disk: it boots by its own loader, takes its set-up from a config drive,
is looked at over its management network and its console, and nothing else leads into it. The hosts are two guests with a
network namespace for each host, and the same servers and clients that scripts/lab.py uses. Processors are emulated, so all
of it is slow, and runs wherever QEMU does. Everything is in one directory; close() ends the machines.

    with VmLab(image) as lab:
        lab.up()
        lab.run('staff', ['curl', ...])
"""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from typing import NamedTuple

import guest
from lab import HOSTS, INSIDE, OUTSIDE, ROOT, VLAN, Host, LabError, Wired, call, database, dnsmasq, nginx, postgres, postgres_programs, wait_for, web_files
from vminsider import Insider

MIB = 1 << 20
IMAGE = ROOT / 'build-image/cordon-amd64.img'
DISK = 1024  # MiB
PATIENCE = 4
BOOT = 240  # seconds from power-on until ssh answers, on a machine with better things to do
LEFT, RIGHT = ('staff', 'intruder', 'world'), ('web', 'db', 'dns')
MANAGEMENT = '10.0.2.15'
MANAGEMENT_NET = '10.0.2.0/24'
SLOT = 0x10  # PCI slot of the first port
LAB = '/lab'  # in the guests of the hosts
# What the servers and clients need beside their programs.
CLIENT_PROGRAMS = ['nginx', 'dnsmasq', 'curl', 'dig', 'nmap', 'tcpdump', 'setpriv', 'env', 'timeout', 'setsid']
NMAP_FILES = ['nmap-services', 'nmap-protocols', 'nmap-payloads']
# The name server on a trunk: its frames carry their tag.
VM_HOSTS = [Host(h.name, h.port, h.v4, h.v6, h.side, h.title, f'trunk, vlans: [{VLAN}, {VLAN + 10}]') if h.name == 'dns' else h for h in HOSTS]


class Machine(NamedTuple):
    """What QEMU gives a gateway of one architecture, an IOMMU before its ports included. Slots of PCI are the same in all of them."""
    qemu: str
    words: list
    slower: int = 1  # how many times the patience that amd64 takes


MACHINES = {
    'amd64': Machine(guest.QEMU, ['-machine', 'q35,kernel-irqchip=split', '-cpu', guest.CPU, '-device', 'intel-iommu,intremap=on,device-iotlb=on']),
    # `max` computes signatures of pointers (pauth), which an emulator is slow at
    'arm64': Machine('qemu-system-aarch64', ['-machine', 'virt,gic-version=3,iommu=smmuv3', '-cpu', 'neoverse-n1', '-bios', '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd'], 2),
}


def machine_of(image):
    """By the image's name, which firmware/build ends with the architecture."""
    machine = next((m for arch, m in MACHINES.items() if image.stem.endswith(f'-{arch}')), MACHINES['amd64'])
    if not shutil.which(machine.qemu):
        raise LabError(f'{machine.qemu} is missing; firmware/build --setup installs it for the architecture that it builds')
    return machine


def need_image(path):
    """Before anything begins."""
    if not path.is_file():
        raise LabError(f'there is no image {path}: firmware/build --setup makes one')


class Qmp:
    """The machine's own controls: links, devices, power."""

    def __init__(self, path):
        self.line = socket.socket(socket.AF_UNIX)
        self.line.settimeout(20)
        self.line.connect(str(path))
        self.lines = self.line.makefile('rb')
        self.lines.readline()
        self('qmp_capabilities')

    def __call__(self, command, **arguments):
        self.line.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')
        for line in self.lines:
            answer = json.loads(line)
            if 'error' in answer:
                raise LabError(f"QEMU: {command}: {answer['error']['desc']}")
            if 'return' in answer:
                return answer['return']
        raise LabError(f'QEMU ended at {command}')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def setup_text(settings):
    """A set-up file; a list is a line for each, None is left out."""
    return ''.join(f'{name.replace("_", "-")} = {v}\n' for name, value in settings.items() if value is not None
                   for v in (value if isinstance(value, list) else [value]))


class Appliance:
    """The gateway's machine: a disk, a config drive, ports, a management network, a console.

    ports: UNIX sockets that the ports are wired to, None for a port without a cable. disk: its size in MiB. options: more words for QEMU.
    removable: number of the port that can be taken out while the machine runs.
    """

    def __init__(self, work, image, ports, disk=DISK, memory=2048, options=(), mortal=True, removable=None):
        self.removable = removable
        self.work, self.image, self.ports = pathlib.Path(work), pathlib.Path(image), ports
        self.machine = machine_of(self.image)
        self.memory, self.options, self.mortal = memory, list(options), mortal
        self.disk = self.work / 'disk'
        self.drive = None
        self.process = self.master = self.qmp = None
        self.began = 0.0
        self.boots = 0
        self.port = free_port()
        self.work.mkdir(exist_ok=True)
        if not self.disk.exists():
            call(['cp', '--sparse=always', '--reflink=auto', self.image, self.disk])
            if disk * MIB > self.disk.stat().st_size:
                os.truncate(self.disk, disk * MIB)
        self.key = self.work / 'key'
        if not self.key.exists():
            call(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'admin', '-f', self.key])

    @property
    def public_key(self):
        return self.key.with_suffix('.pub').read_text().strip()

    def slot(self, number):
        """The PCI address of a port in the guest."""
        return '0000:01:00.0' if number == self.removable else f'0000:00:{SLOT + number:02x}.0'

    # --- what is attached ----------------------------------------------------------------------------------------------

    def attach_drive(self, files):
        """A config drive: path -> text, or a directory of this machine. None: no drive."""
        self.drive = None
        if files is None:
            return
        stage, drive = self.work / 'drive', self.work / 'drive.img'
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
        for name, content in files.items():
            if isinstance(content, pathlib.Path):
                shutil.copytree(content, stage / name)
            else:
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / name).write_text(content)
        drive.unlink(missing_ok=True)
        with open(drive, 'wb') as file:
            file.truncate(8 * MIB)
        call(['mkfs.fat', '-n', 'CORDON', drive])
        if files:
            call(['mcopy', '-s', '-i', drive, *sorted(stage.iterdir()), '::/'])
        self.drive = drive

    def partition(self, name):
        """(offset, length) in bytes of a partition of the disk."""
        table = json.loads(call(['sfdisk', '--json', self.disk]))['partitiontable']
        found = next((p for p in table['partitions'] if p.get('name') == name), None)
        if not found:
            raise LabError(f'the disk has no partition {name}')
        return found['start'] * 512, found['size'] * 512

    # --- power -----------------------------------------------------------------------------------------------------------

    def power_on(self):
        self.boots += 1
        for name in ('qmp', 'console.sock'):
            (self.work / name).unlink(missing_ok=True)
        words = [*self.machine.words, '-m', self.memory, '-smp', '2',
                 '-drive', f'file={self.disk},format=raw,if=none,id=d,cache=unsafe', '-device', 'virtio-blk-pci,drive=d,addr=8,bootindex=1',
                 '-netdev', f'user,id=m,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-{MANAGEMENT}:22', '-device', 'virtio-net-pci,netdev=m,addr=2,romfile=',
                 '-chardev', f'socket,id=console,path={self.work}/console.sock,server=on,wait=off,logfile={self.work}/console,logappend=on',
                 '-serial', 'chardev:console', '-qmp', f'unix:{self.work}/qmp,server=on,wait=off']
        if self.drive:
            words += ['-drive', f'file={self.drive},format=raw,if=none,id=c,readonly=on', '-device', 'virtio-blk-pci,drive=c,addr=9']
        for number, wire in enumerate(self.ports):
            words += self.port_words(number, wire)
        with open(self.console_log, 'a', encoding='utf-8') as log:
            log.write(f'\n--- power-on {self.boots}\n')
        self.console_from = self.console_log.stat().st_size
        self.restarted = 0
        self.began = time.monotonic()
        self.process = guest.launch([*words, *self.options], self.work / 'qemu.log', self.mortal, qemu=self.machine.qemu)
        self.qmp = wait_for('QEMU runs', self.try_qmp, 20)

    def card(self, number, wire):
        """The device of a port, as QEMU wants it."""
        return {'driver': 'virtio-net-pci', 'id': f'port{number}', **({'netdev': f'n{number}'} if wire else {}),
                **({'bus': 'socket'} if number == self.removable else {'addr': f'{SLOT + number:x}'}),
                'mac': f'52:54:00:0b:00:{number:02x}', 'disable-legacy': 'on', 'iommu_platform': True, 'ats': True, 'romfile': ''}

    def plug_in(self, number):
        """The card of a port that was taken out."""
        self.qmp('device_add', **self.card(number, self.ports[number]))

    def port_words(self, number, wire):
        wired = ['-netdev', f'stream,id=n{number},server=off,addr.type=unix,addr.path={wire}'] if wire else []
        if number == self.removable:
            wired += ['-device', f'pcie-root-port,id=socket,chassis=1,addr={SLOT + number:x}']
        return [*wired, '-device', json.dumps(self.card(number, wire))]

    def try_qmp(self):
        if self.process.poll() is not None:
            raise LabError(f'QEMU ended: {guest.read(self.work / "qemu.log").strip()}')
        try:
            return Qmp(self.work / 'qmp')
        except OSError:
            return None

    def power_cut(self):
        """The plug is pulled."""
        self.end_master()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def restart(self, line='b'):
        """As who sits at the console does it: by the menu, or by the line that the set-up ends with."""
        wait_for('the console shows its menu', lambda: 'b  restart' in self.console()[self.restarted:], BOOT * self.machine.slower, 0.5)
        self.restarted = mark = len(self.console())
        self.type(line)
        self.end_master()
        self.boots += 1
        # the kernel's last words; that ssh does not answer may only mean that there is much to do
        wait_for('the gateway goes down', lambda: 'reboot: Restarting system' in self.console()[mark:], 120 * self.machine.slower, 0.5)
        return mark

    def end_master(self):
        if self.master and self.master.poll() is None:
            self.master.kill()
            self.master.wait()
        self.master = None

    @property
    def seconds(self):
        return time.monotonic() - self.began

    # --- the console ------------------------------------------------------------------------------------------------------

    @property
    def console_log(self):
        return self.work / 'console'

    def console(self):
        """What it showed since power-on, without the movements of the cursor."""
        with open(self.console_log, 'rb') as log:
            log.seek(self.console_from)
            return re.sub(r'\x1b[^a-zA-Z]*[a-zA-Z]|\r', '', log.read().decode(errors='replace'))

    def type(self, line):
        """A line at the keyboard."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f'{self.work}/console.sock')
            s.sendall(line.encode() + b'\n')
            # what is shown meanwhile has to be taken, or the guest waits for us
            s.settimeout(0.2)
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    s.recv(4096)

    def shows(self, text, seconds=BOOT):
        def seen():
            if self.process.poll() is not None:
                raise LabError(f'QEMU ended: {guest.read(self.work / "qemu.log").strip()}')
            return text in self.console()
        wait_for(f'the console shows `{text}`', seen, seconds * self.machine.slower, 0.5)

    # --- the administrator ------------------------------------------------------------------------------------------------

    def ssh_words(self):
        # a name of its own for each boot: the line of the last one is dead and does not know it
        return ['ssh', '-F', 'none', '-i', self.key, '-p', str(self.port), '-S', self.work / f'ssh{self.boots}', '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR',
                '-o', 'IdentitiesOnly=yes', '-o', f'UserKnownHostsFile={self.work}/known_hosts', '-o', 'StrictHostKeyChecking=accept-new', '-o',
                'ConnectTimeout=60', '-o', 'ServerAliveInterval=20', '-o', 'ServerAliveCountMax=3', 'admin@127.0.0.1']

    def answers_ssh(self):
        """Whether a server answers: the forwarding of QEMU alone would always connect."""
        if self.process.poll() is not None:
            raise LabError(f'QEMU ended: {guest.read(self.work / "qemu.log").strip()}')
        try:
            with socket.create_connection(('127.0.0.1', self.port), 3) as s:
                s.settimeout(8)  # each try costs the guest a process
                return s.recv(4) == b'SSH-'
        except OSError:
            return False

    def await_ssh(self, seconds=BOOT):
        wait_for(f'ssh of the gateway answers (console: {self.console_log})', self.answers_ssh, seconds * self.machine.slower, 0.5)
        if not self.master:
            words = self.ssh_words()
            with open(self.work / 'ssh.log', 'a', encoding='utf-8') as log:
                self.master = subprocess.Popen([*words[:-1], '-M', '-N', words[-1]], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            wait_for(f'the administrator logs in ({self.work}/ssh.log)', self.logged_in, 90 * self.machine.slower, 0.2)

    def logged_in(self):
        if self.master.poll() is not None:
            raise LabError(f'ssh: {guest.read(self.work / "ssh.log").strip()}')
        return (self.work / f'ssh{self.boots}').is_socket()

    def forget_host(self):
        """Its keys were on the data partition, and that is made anew."""
        (self.work / 'known_hosts').unlink(missing_ok=True)

    def ssh(self, *argv, timeout=120, **kwargs):
        """A command of the administrator's, one word of shell or many."""
        line = argv[0] if len(argv) == 1 else shlex.join(str(a) for a in argv)
        return subprocess.run([*map(str, self.ssh_words()), line], capture_output=True, text='input' not in kwargs, timeout=timeout, **kwargs)

    def cordon(self, *argv, check=True, timeout=120):
        done = self.ssh('cordon', *argv, timeout=timeout)
        if check and done.returncode != 0:
            raise LabError(f"cordon {' '.join(map(str, argv))}: exit {done.returncode}\n{done.stderr.strip()}")
        return done

    def status(self):
        return json.loads(self.cordon('status', '-o', 'json').stdout)['data']

    def await_state(self, state, seconds=120):
        """Waits in the guest, which has no time for a log-in each second. Gives the seconds since power-on."""
        seconds *= self.machine.slower
        line = f'for n in $(seq {seconds}); do cordon status -o plain 2>/dev/null | head -n 1 | grep -q "  {state}" && exit 0; sleep 0.5; done; cordon status; exit 1'
        done = self.ssh(line, timeout=4 * seconds)
        if done.returncode != 0:
            raise LabError(f'the gateway is not {state}: {(done.stdout or done.stderr).strip()[:600]}')
        return self.seconds

    def copy_policy(self, path):
        """A directory to the gateway; gives its place there."""
        path = pathlib.Path(path)
        path = path if path.is_absolute() else ROOT / path
        place = f'/tmp/policies/{path.parent.name}-{path.name}'
        packed = subprocess.run(['tar', '-C', path, '-c', '.'], capture_output=True, check=True).stdout
        done = self.ssh(f'rm -rf {place} && mkdir -p {place} && tar -C {place} -x --no-same-owner', input=packed)
        if done.returncode != 0:
            raise LabError(f'the policy could not be copied to the gateway: {done.stderr.decode().strip()}')
        return place


class Hosts:
    """Two guests with the hosts of a lab, each in a namespace with a NIC of its own. They outlive the gateway's machine."""

    GROUPS = {'left': LEFT, 'right': RIGHT}
    MEMORY = 1024
    rights = ()  # whose the machines are

    def __init__(self, work, hosts=None, say=None, mortal=True):
        self.work = pathlib.Path(work)
        self.hosts = {h.name: h for h in (hosts or VM_HOSTS)}
        self.say = say or (lambda text: None)
        self.mortal = mortal
        self.guests = {}
        self.home = {name: group for group, names in self.GROUPS.items() for name in names}

    def wires(self):
        """Where the gateway's ports are plugged in, in the order of the hosts."""
        return [self.wire(name) for name in self.hosts]

    def wire(self, host):
        return self.work / f'{host}.sock'

    def up(self):
        self.say('packing the hosts')
        self.image = self.pack()
        for name in self.GROUPS:
            self.boot(name)
        self.serve()

    def boot(self, name):
        """One guest with its hosts, but not their servers."""
        names = self.GROUPS[name]
        self.say(f'starting the guest of {", ".join(names)}')
        options = [word for host in names for word in self.nic(host)]
        self.guests[name] = guest.Guest(self.work / name, self.image, memory=self.MEMORY, options=[*self.memory(), *options], mortal=self.mortal, rights=self.rights)
        # psql is Debian's wrapper of many versions elsewhere
        self.guests[name].run(f'ln -sf {postgres_programs()}/psql /usr/bin/psql')
        for host in names:
            self.address(self.hosts[host])

    def nic(self, host):
        """Words for QEMU."""
        return ['-netdev', f'stream,id={host},server=on,addr.type=unix,addr.path={self.wire(host)}',
                '-device', f'virtio-net-pci,netdev={host},mac={self.mac(host)},romfile=']

    def memory(self):
        return []

    def join(self):
        """Hosts that run already."""
        self.guests = {name: guest.Guest(self.work / name) for name in self.GROUPS}

    def mac(self, host):
        return f'52:54:00:0a:01:{list(self.hosts).index(host):02x}'

    def pack(self):
        """The initramfs of both guests."""
        web_files(self.work / 'web', f'{LAB}/web')
        database(self.work / 'db', '--wal-segsize=1')
        binaries = postgres_programs()
        files = {f'{LAB}/web': self.work / 'web', f'{LAB}/db': self.work / 'db', '/usr/share/zoneinfo/Etc': pathlib.Path('/usr/share/zoneinfo/Etc')}
        share = pathlib.Path('/usr/share/postgresql') / binaries.parent.name
        files[f'{share}/timezonesets'] = share / 'timezonesets'
        files[f'{binaries.parent}/lib/empty'] = ''  # it wants the directory, and no query here what could be in it
        files |= {f'/usr/share/nmap/{name}': pathlib.Path('/usr/share/nmap', name) for name in NMAP_FILES}
        image = guest.make(self.work / 'initramfs', guest.AGENT, files=files, programs=[*CLIENT_PROGRAMS, binaries / 'postgres', binaries / 'psql'])
        shutil.rmtree(self.work / 'db')
        return image

    def address(self, host):
        """A namespace with eth0, behind its tag where the port is a trunk."""
        trunk = 'trunk' in host.role
        device = 'trunk' if trunk else 'eth0'
        lines = [f'd=$(grep -l {self.mac(host.name)} /sys/class/net/*/address | cut -d/ -f5)', f'ip netns add {host.name}',
                 f'ip link set "$d" netns {host.name} name {device}', f'exec ip netns exec {host.name} sh -ec "$rest"']
        inside = ['ip link set lo up', f'ip link set {device} up']
        if trunk:
            inside += [f'ip link add link trunk name eth0 type vlan id {VLAN}']
        inside += [f'echo 0 >/proc/sys/net/ipv6/conf/eth0/{key}' for key in ('accept_dad', 'accept_ra', 'router_solicitations')]
        inside += [f'ip addr add {host.v4}/24 dev eth0', f'ip addr add {host.v6}/64 dev eth0 nodad', 'ip link set eth0 up']
        inside += [f'ip route add {far} dev eth0' for far in (INSIDE if host.side == 'outside' else OUTSIDE)]
        done = self.guests[self.home[host.name]].run(f'set -e; rest={shlex.quote("; ".join(inside))}; ' + '; '.join(lines), 60)
        if done.exit != 0:
            raise LabError(f'host {host.name}: {done.output.strip()}')

    def serve(self):
        self.say('starting servers on the hosts')
        right = self.guests['right']
        # no user of its own there
        right.run(f'chown -R nobody:nogroup {LAB}/db && chmod 700 {LAB}/db/data; mkdir -p /var/log/nginx /var/lib/nginx /var/lib/misc', 60)
        servers = {'web': (nginx(f'{LAB}/web'), 443), 'db': (postgres(f'{LAB}/db', 'nobody', 'nogroup'), 5432), 'dns': (dnsmasq(self.hosts['web']), 53)}
        for name, (argv, port) in servers.items():
            self.spawn(name, name, argv)
        for name, (argv, port) in servers.items():
            def listens(name=name, port=port):
                return self.run(name, ['ss', '-Hltn', f'sport = :{port}']).stdout.strip()
            try:
                wait_for(f'{name} listens on port {port}', listens, 60, 0.3)
            except LabError as err:
                raise LabError(f'{err}: {right.run(["tail", "-n", "5", f"/run/log/{name}"]).output.strip()}') from None

    def run(self, host, argv, timeout=20 * PATIENCE):
        answer = self.guests[self.home[host]].run(['ip', 'netns', 'exec', host, *argv], timeout)
        return subprocess.CompletedProcess(argv, answer.exit, answer.output, '')

    def spawn(self, host, name, argv):
        return self.guests[self.home[host]].spawn(name, ['ip', 'netns', 'exec', host, *argv])

    def end(self, host, pid):
        self.guests[self.home[host]].run(['kill', str(pid)])

    def close(self):
        for g in self.guests.values():
            g.close()


class InGuests(Wired):
    """Hosts in guests (`net`), whatever the gateway between them is."""

    patience = PATIENCE
    net = None

    def __init__(self):
        self.capturing = {}

    @property
    def certificate(self):
        return f'{LAB}/web/cert.pem'

    def run(self, host, argv, timeout=20 * PATIENCE):
        return self.net.run(host, argv, timeout)

    def start_captures(self):
        for name in self.hosts:
            if name not in self.capturing:
                self.capturing[name] = self.net.spawn(name, f'tcpdump-{name}', ['tcpdump', '-i', 'eth0', '-Q', 'in', '-U', '--immediate-mode', '-w',
                                                                                f'/run/{name}.pcap', '-Z', 'root', 'ip or ip6'])
        wait_for('captures run', lambda: all(self.run(n, ['sh', '-c', f'test -s /run/{n}.pcap']).returncode == 0 for n in self.hosts), 40)

    def stop_captures(self):
        for name, pid in self.capturing.items():
            self.net.end(name, pid)
        self.capturing = {}

    def captured(self, host, what):
        # exits with 1 for a last frame that is still being written
        return int(self.net.run(host, ['sh', '-c', f'tcpdump -Z root -nr /run/{host}.pcap {shlex.quote(what)} 2>/dev/null | wc -l']).stdout)

    def arrival_times(self, host, what):
        """The time of each such frame, in seconds of the guest's clock."""
        return self.net.run(host, ['sh', '-c', f'tcpdump -Z root -tt -nr /run/{host}.pcap {shlex.quote(what)} 2>/dev/null | cut -d " " -f 1']).stdout.split()

    def fetch_captures(self, to):
        """For a person who looks into a failure."""
        for name in self.capturing:
            packed = self.net.run(name, ['sh', '-c', f'gzip -c /run/{name}.pcap | base64 -w 0'], 120).stdout
            (to / f'{name}.pcap.gz.base64').write_text(packed)


class VmLab(InGuests):
    """The hosts and the appliance between them. hosts: those of another lab, which go on; insider: with a hand inside the appliance."""

    def __init__(self, image=IMAGE, engine='dpdk', say=None, work=None, hosts=None, mortal=True, insider=False, **machine):
        super().__init__()
        self.work = pathlib.Path(work or tempfile.mkdtemp(prefix='cordon-vmlab-'))
        self.dir = self.work
        self.say = say or (lambda text: None)
        self.engine = engine
        self.shared = hosts is not None
        self.work.chmod(0o711)  # a user without rights makes the database inside
        if not hosts:
            (self.work / 'hosts').mkdir(exist_ok=True)
        self.net = hosts or Hosts(self.work / 'hosts', say=self.say, mortal=mortal)
        self.hosts = self.net.hosts
        self.gateway = Appliance(self.work / 'gateway', image, self.net.wires(), mortal=mortal, **machine)
        self.inside = Insider(self.gateway) if insider else None
        self.patience = PATIENCE * self.gateway.machine.slower
        self.places, self.copying = {}, threading.Lock()
        self.explained = {}
        self.example = self.managed(super().example)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
        return False

    def managed(self, policy):
        """A policy that also says who manages the gateway: the whole management network."""
        place = self.work / policy.name
        if not place.exists():
            shutil.copytree(ROOT / policy, place)
            identities = place / 'identities.yaml'
            identities.write_text(identities.read_text().replace('  role:  [', '  role:  [admin, '))
            (place / 'admins.yaml').write_text(
                f'cordon: 1\nclassify:\n  - {{id: c-admin, when: {{prefix: {MANAGEMENT_NET}}}, set: {{role: admin}}}}\ngroups:\n  admins: {{role: admin}}\n'
                'rules:\n  - {id: admin-ssh, effect: allow, from: admins, to: $gateway, service: ssh, owner: netsec, review_by: 2099-12-31, '
                'why: "the gateway is managed"}\n')
        return place

    def up(self, policy=None, drive=None):
        """From nothing to a gateway that enforces, without a human. Gives the seconds from power-on."""
        if not self.net.guests:
            self.net.up()
        self.say('first boot of the gateway')
        self.gateway.attach_drive(drive or {'setup.conf': self.setup(), 'policy': policy or self.example})
        self.gateway.power_on()
        self.gateway.await_ssh()
        took = self.gateway.await_state('enforcing')
        self.say(f'enforcing {took:.0f} s after power-on')
        return took

    def setup(self, **changes):
        """The set-up file of this lab; changes: other values, None for a setting left out."""
        ports = [f'{h.port} {self.gateway.slot(n)} ' + ('trunk ' if 'trunk' in h.role else 'access ') +
                 re.search(r'vlans?: *\[?([\d, ]+)', h.role)[1].replace(' ', '') + f' {h.side}' for n, h in enumerate(self.hosts.values())]
        settings = {'gateway': 'gw1', 'engine': self.engine, 'port': ports, 'protected': f'10.20.0.0/16 fd00:20::/48 {MANAGEMENT_NET}',
                    'management': f'0000:00:02.0 {MANAGEMENT}/24 10.0.2.2', 'allow_from': 'admins', 'key': self.gateway.public_key}
        return setup_text(settings | changes)

    def close(self):
        self.gateway.power_cut()
        if not self.shared:
            self.net.close()

    # --- what a scenario asks for --------------------------------------------------------------------------------------

    def cordon(self, *argv, check=True, timeout=120):
        return self.gateway.cordon(*argv, check=check, timeout=timeout)

    def policy(self, path):
        """Copied to the gateway, once as long as it stays what it is there."""
        path = ROOT / path
        with self.copying:
            state = self.state_of(path)
            if self.places.get(path, (None, None))[0] != state:
                self.places[path] = (state, self.gateway.copy_policy(path))
            return self.places[path][1]

    def state_of(self, path):
        return (self.gateway.boots, tuple(sorted((p.name, p.stat().st_mtime_ns) for p in path.iterdir())))

    def explain(self, path, *words):
        """Asked once of each policy as it is: an emulated gateway takes seconds for it."""
        place = self.policy(path)
        key = (place, self.state_of(ROOT / path), words)
        if key not in self.explained:
            done = super().explain(path, *words)
            if done.returncode != 0:
                return done
            self.explained[key] = done
        return self.explained[key]
