# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine for one command: Debian 12's kernel, an initramfs made on the spot, no disk, no network outside.

QEMU emulates the processor, so it runs wherever QEMU does. The guest holds busybox, the kernel modules of MODULES (and
what they need), programs of this machine with their shared libraries, and files of the caller's choice. Three serial
lines lead out: the console, what the command prints, and how it goes (that it began, the number it ended with).

    exit, output = guest.run(['nft', 'list', 'ruleset'])
    exit, output = guest.run('ip link add b type bridge && nft -f /rules', files={'/rules': rules})

A guest that panics, ends without an answer or takes too long is a GuestError; its console log stays and is named.

A Guest stays, for many commands, also at the same time: a fourth line takes them and gives their answers.

    with guest.Guest(work, guest.make(work / 'initramfs', guest.AGENT, programs=['curl'])) as g:
        exit, output = g.run(['curl', '-V'])
"""

import argparse
import base64
import itertools
import os
import pathlib
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple

SCRIPTS = pathlib.Path(__file__).resolve().parent
QEMU = 'qemu-system-x86_64'
# `rep movsb`, which a kernel prefers on a processor with erms, is emulated byte by byte: copying takes ten times as long.
CPU = 'max,-erms'
BUSYBOX = pathlib.Path('/usr/bin/busybox')  # Debian's busybox-static puts it into /bin, which is the same here

# Not br_netfilter: it takes bridged frames away from the bridge family's own connection tracking.
MODULES = [
    'virtio_pci', 'virtio_net', 'bridge', 'veth', 'tun', '8021q', 'nf_tables', 'nft_ct', 'nft_log', 'nft_limit', 'nft_objref',
    'nft_reject_inet', 'nft_reject_bridge', 'nft_meta_bridge', 'nf_conntrack_bridge', 'nf_conntrack_netlink', 'nfnetlink_log',
    'tcp_diag', 'udp_diag',
]
PROGRAMS = ['dash', 'flock', 'nft', 'ip', 'bridge', 'ss', 'ping', 'ethtool', 'conntrack']
# What a test in Python does not need, by the first part of its path in the standard library.
NO_PYTHON = {'test', 'tests', 'idlelib', 'lib2to3', 'distutils', 'ensurepip', 'tkinter', 'turtledemo', 'pydoc_data', 'unittest',
             'curses', 'sqlite3', 'dbm', 'xmlrpc', 'wsgiref', 'venv', 'dist-packages'}
BOOT = 60  # seconds until the command must have begun, on a machine with better things to do
ETC = ['protocols', 'services', 'ethertypes', 'iproute2', 'host.conf', 'nsswitch.conf']

INIT = '''#!/bin/sh
# first process of the guest: files, modules, the command, its exit number, the end
export PATH=/usr/sbin:/usr/bin:/usr/libexec/busybox HOME=/root TERM=dumb
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /run/lock /dev/shm /dev/pts
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
while read -r module; do insmod /modules/"$module".ko || echo "no module $module"; done </modules/order
ip link set lo up
cd /root
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
echo begin >/dev/ttyS2
sh /command </dev/null >/dev/ttyS1 2>&1
number=$?
stty -F /dev/ttyS1 raw -echo
echo "exit $number" >/dev/ttyS2
poweroff -f
'''

# The command of a guest that stays. A line `ID COMMAND` is answered by `ID EXIT OUTPUT`, both texts in base64; each command runs
# beside the others. The guest ends with its machine.
AGENT = '''
mkdir -p /run/agent /run/log
stty -F /dev/ttyS3 raw -echo
answer() { flock 9; printf '%s %s ' "$1" "$2" >/dev/ttyS3; base64 -w 0 <"$3" >/dev/ttyS3; echo >/dev/ttyS3; }
exec 3</dev/ttyS3
echo ready >/dev/ttyS3
while read -r id command; do
	(
		echo "$command" | base64 -d >"/run/agent/$id.sh"
		sh "/run/agent/$id.sh" </dev/null >"/run/agent/$id" 2>&1 3<&-
		answer "$id" $? "/run/agent/$id" 9>/run/agent/lock # opened by each: who inherits one holds the same lock
		rm -f "/run/agent/$id" "/run/agent/$id.sh"
	) &
done <&3
'''


class GuestError(Exception):
    """The guest gave no answer. `console`: its log, kept; `output`: what the command had printed by then."""

    def __init__(self, text, console, output='', late=False):
        super().__init__(f'{text}; the console log is {console}')
        self.console, self.output, self.late = console, output, late


class Answer(NamedTuple):
    exit: int
    output: str


class Archive:
    """An initramfs in the making (cpio, newc); paths are the guest's."""

    def __init__(self, out):
        self.out = out
        self.made = {}
        for path in ('dev', 'proc', 'sys', 'run', 'tmp', 'root', 'etc', 'usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64'):
            self.directory(path)
        for name in ('bin', 'sbin', 'lib', 'lib64'):
            self.link(name, f'usr/{name}')

    def entry(self, path, mode, data):
        """False if the path is there already."""
        if path in self.made:
            return False
        self.made[path] = mode
        name = path.encode() + b'\0'
        fields = (len(self.made), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        head = b'070701' + b''.join(b'%08x' % f for f in fields) + name
        self.out.write(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))
        return True

    @staticmethod
    def inside(path):
        """The guest's /bin, /sbin and /lib are links, as on the host."""
        path = str(path).lstrip('/')
        return f'usr/{path}' if re.match(r'(s?bin|lib|lib64)(/|$)', path) else path

    def directory(self, path):
        if path and path not in self.made:
            self.directory(os.path.dirname(path))
            self.entry(path, stat.S_IFDIR | 0o755, b'')

    def link(self, path, target):
        self.directory(os.path.dirname(path))
        self.entry(path, stat.S_IFLNK | 0o777, os.fsencode(target))

    def file(self, path, data, mode=0o644):
        path = self.inside(path)
        self.directory(os.path.dirname(path))
        return self.entry(path, stat.S_IFREG | mode, data)

    def copy(self, source, path=None):
        """A file or a whole directory of this machine, links as links inside of it."""
        source = pathlib.Path(source)
        path = pathlib.PurePosixPath(path or source)
        if not source.is_dir():
            self.file(path, source.read_bytes(), source.stat().st_mode & 0o777)
            return
        for here, names, files in os.walk(source):
            names[:] = [n for n in names if n not in ('.git', '__pycache__')]
            to = self.inside(path / os.path.relpath(here, source))
            self.directory(os.path.normpath(to))
            for name in files:
                found = pathlib.Path(here, name)
                if found.is_symlink():
                    self.link(os.path.normpath(f'{to}/{name}'), os.readlink(found))
                elif found.is_file():
                    self.copy(found, os.path.normpath(f'/{to}/{name}'))

    def end(self):
        self.made.pop('TRAILER!!!', None)
        self.entry('TRAILER!!!', 0, b'')


def libraries(programs):
    """Shared libraries (and the loader) of programs, by their names on this machine."""
    done = subprocess.run(['ldd', *map(str, programs)], capture_output=True, text=True)
    missing = re.findall(r'^\s*(\S+) => not found', done.stdout, re.M)
    if missing:
        raise ValueError(f'libraries that are not here: {missing}')
    return sorted(set(re.findall(r'(/\S+) \(0x', done.stdout)))


def add_programs(archive, programs):
    """Programs by name or path; a name is found on PATH and in the system's own directories."""
    paths = []
    for program in programs:
        found = shutil.which(str(program), path=os.environ.get('PATH', '') + ':/usr/sbin:/usr/bin')
        if found is None:
            raise FileNotFoundError(f'no program {program}')
        paths.append(pathlib.Path(found))
    for path in paths:
        archive.copy(path.resolve(), path)
    for library in libraries(paths):
        archive.copy(pathlib.Path(library).resolve(), library)


def add_python(archive):
    """This machine's Debian python3 with its standard library."""
    real = pathlib.Path('/usr/bin/python3').resolve()
    home = pathlib.Path('/usr/lib') / real.name
    archive.copy(real)
    archive.link('usr/bin/python3', real.name)
    for path in sorted(home.rglob('*')):
        part = path.relative_to(home).parts[0]
        if path.is_file() and part not in NO_PYTHON and not part.startswith('config-'):
            archive.copy(path.resolve(), path)
    extra = [lib for lib in pathlib.Path('/lib/x86_64-linux-gnu').glob('libgcc_s.so.1')]  # opened when a thread ends
    for library in libraries([real, *home.glob('lib-dynload/*.so'), *extra]) + extra:
        archive.copy(pathlib.Path(library).resolve(), library)


def add_busybox(archive):
    archive.copy(BUSYBOX)
    archive.link('usr/bin/sh', 'dash')  # busybox as a shell takes its own ip and ping before those of this machine
    for applet in subprocess.run([BUSYBOX, '--list'], capture_output=True, text=True, check=True).stdout.split():
        archive.link(f'usr/libexec/busybox/{applet}', '/usr/bin/busybox')


def module_order(directory, wanted):
    """Paths of modules, each after those it needs (which its own .modinfo names)."""
    files = {p.stem.replace('-', '_'): p for p in directory.rglob('*.ko')}
    order = {}

    def add(name):
        name = name.replace('-', '_')
        if name in order:
            return
        if name not in files:
            raise FileNotFoundError(f'the kernel has no module {name}')
        needs = re.search(rb'\0depends=([^\0]*)\0', files[name].read_bytes())
        for need in needs[1].decode().split(',') if needs and needs[1] else []:
            add(need)
        order[name] = files[name]

    for name in wanted:
        add(name)
    return list(order.values())


def initramfs(out, kernel, script, files, programs, modules):
    archive = Archive(out)
    archive.file('init', INIT.encode(), 0o755)
    archive.file('command', script.encode())
    archive.file('etc/passwd', b'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n')
    archive.file('etc/group', b'root:x:0:\nnogroup:x:65534:\n')
    archive.file('etc/hosts', b'127.0.0.1 localhost\n::1 localhost\n')
    for path, content in files.items():
        if isinstance(content, (bytes, str)):
            archive.file(path, content.encode() if isinstance(content, str) else content)
        else:
            archive.copy(content, path)
    add_busybox(archive)
    order = module_order(kernel / 'modules', modules)
    for module in order:
        archive.copy(module, f'modules/{module.name}')
    archive.file('modules/order', ''.join(f'{m.stem}\n' for m in order).encode())
    for name in ETC:
        if pathlib.Path('/etc', name).exists():
            archive.copy(f'/etc/{name}')
    if 'python3' in programs:
        add_python(archive)
    add_programs(archive, [p for p in programs if p != 'python3'])
    archive.end()


def kernel_directory():
    done = subprocess.run([SCRIPTS / 'vm-kernel'], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise FileNotFoundError('there is no kernel for guests (scripts/vm-kernel)')
    return pathlib.Path(done.stdout.strip())


def serial(name, backend):
    return ['-chardev', f'{backend},id={name}', '-serial', f'chardev:{name}']


# Translated code is kept until this many MiB are full. With QEMU's own choice of 1024 a guest that restarts writes over a million pieces
# of it, each found and forgotten by itself: such a start took 30 to 150 s, and 30 s with this. Starts from power-on are the same.
ACCEL = 'tcg,tb-size=128'


def launch(argv, log, mortal=True, rights=(), qemu=QEMU):
    """A machine that, unless it is meant to stay, never outlives its runner. rights: whose it is, in words of setpriv."""
    words = [*rights, *(['--pdeathsig', 'KILL'] if mortal else [])]
    argv = [*(['setpriv', *words] if words else []), qemu, '-accel', ACCEL, '-nodefaults', '-no-user-config', '-display', 'none', *argv]
    with open(log, 'a', encoding='utf-8') as out:
        return subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd='/', start_new_session=not mortal)


def machine(work, image, kernel, memory, cpus, options, mortal=True, rights=()):
    lines = [word for name in ('console', 'output', 'status') for word in serial(name, f'file,path={work}/{name}')]
    return launch(['-machine', 'q35', '-cpu', CPU, '-m', memory, '-smp', cpus, '-no-reboot', *lines, '-kernel', kernel / 'vmlinuz', '-initrd',
                   image, '-append', 'console=ttyS0 quiet panic=-1 oops=panic tsc=unstable net.ifnames=0', *options], work / 'qemu.log', mortal, rights)


def wait(process, status, timeout):
    """None if the machine ended by itself, else what took too long. `timeout` counts from the command's beginning."""
    limits = {'the guest did not start': BOOT, 'no answer': timeout}
    for what, limit in limits.items():
        deadline = time.monotonic() + limit
        while what == 'no answer' or not read(status):
            if process.poll() is not None:
                return None
            if time.monotonic() > deadline:
                return f'{what} within {limit:g} s'
            time.sleep(0.02)
    return None


def boot(work, kernel, timeout, memory, cpus, options):
    process = machine(work, work / 'initramfs', kernel, memory, cpus, options)
    try:
        return wait(process, work / 'status', timeout)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def read(path):
    return path.read_text(errors='replace') if path.exists() else ''


def keep_console(work):
    """The log outlives the machine: the console, then what QEMU itself had to say."""
    handle, name = tempfile.mkstemp(prefix='cordon-guest-', suffix='.log')
    with open(handle, 'w', encoding='utf-8') as log:
        log.write(read(work / 'console') + read(work / 'qemu.log'))
    return name


def run(command, files=None, timeout=30, memory=512, cpus=1, programs=(), modules=(), options=()):
    """Run a command (words, or a text for sh) in a fresh guest: (exit, output).

    timeout: seconds of the command; booting has its own. files: guest path -> text, bytes, or a pathlib.Path of this machine (a file or a directory). programs: beside
    PROGRAMS; 'python3' brings its library along. modules: beside MODULES. options: more words for QEMU.
    """
    script = command if isinstance(command, str) else 'exec ' + ' '.join("'" + str(w).replace("'", "'\\''") + "'" for w in command)
    kernel = kernel_directory()
    # one file of a guest is read, copied and unpacked: memory is quicker than a disk
    with tempfile.TemporaryDirectory(prefix='cordon-guest-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None) as name:
        work = pathlib.Path(name)
        with open(work / 'initramfs', 'wb') as out:
            initramfs(out, kernel, script, files or {}, [*PROGRAMS, *programs], [*MODULES, *modules])
        late = boot(work, kernel, timeout, memory, cpus, options)
        output, status = read(work / 'output'), re.search(r'^exit (\d+)\n', read(work / 'status'), re.M)
        if status:
            return Answer(int(status[1]), output)
        what = 'the guest panicked' if 'Kernel panic' in read(work / 'console') else late or 'the guest ended without an answer'
        raise GuestError(what, keep_console(work), output, late=what == late)


def make(image, script, files=None, programs=(), modules=()):
    """An initramfs as a file, for guests that share it."""
    with open(image, 'wb') as out:
        initramfs(out, kernel_directory(), script, files or {}, [*PROGRAMS, *programs], [*MODULES, *modules])
    return image


class Guest:
    """A guest that stays until close(). `image` runs AGENT. `work`: a directory of its own, which holds its console log.

    mortal: it ends with this process. Else, and if it runs already, another process can talk to it: Guest(work).
    rights: whose process it is, in words of setpriv; `work` is theirs.
    """

    def __init__(self, work, image=None, memory=512, cpus=1, options=(), mortal=True, rights=()):
        self.work = pathlib.Path(work)
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.asking = threading.Lock()
        self.process = None
        path = self.work / 'agent'
        if image:
            self.work.mkdir(exist_ok=True)
            self.process = machine(self.work, image, kernel_directory(), memory, cpus,
                                   [*serial('agent', f'socket,path={path},server=on,wait=off'), *options], mortal, rights)
        try:
            self.line = self.connect(path)
            if image:
                self.await_agent()
        except BaseException:
            self.close()
            raise
        self.line.settimeout(None)
        threading.Thread(target=self.listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
        return False

    def connect(self, path):
        line = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + BOOT
        while line.connect_ex(str(path)) != 0:
            self.check_alive()
            if time.monotonic() > deadline:
                raise GuestError('the guest has no line', self.work / 'console')
            time.sleep(0.05)
        return line

    def check_alive(self):
        if self.process and self.process.poll() is not None:
            raise GuestError(f'the guest ended: {read(self.work / "qemu.log").strip()}', self.work / 'console')

    def await_agent(self):
        """The first line of the agent; what it says before that is a serial line coming up."""
        said, deadline = b'', time.monotonic() + BOOT
        self.line.settimeout(1)
        while b'ready' not in said or not said.endswith(b'\n'):
            self.check_alive()
            if time.monotonic() > deadline:
                raise GuestError(f'the guest did not start within {BOOT} s', self.work / 'console')
            try:
                said += self.line.recv(100)
            except socket.timeout:
                continue

    def listen(self):
        with self.line.makefile('rb') as answers:
            for answer in answers:
                words = answer.split()
                waiting = self.waiting.pop(words[0].decode(), None) if len(words) in (2, 3) else None
                if waiting:
                    waiting['answer'] = Answer(int(words[1]), base64.b64decode(words[2] if len(words) > 2 else b'').decode(errors='replace'))
                    waiting['event'].set()

    def run(self, command, timeout=30):
        """(exit, output and errors) of words or of a text for sh; subprocess.TimeoutExpired if it takes longer."""
        script = command if isinstance(command, str) else 'exec ' + shlex.join(str(w) for w in command)
        # another process that talks to the same guest takes other names
        number, waiting = f'{os.getpid()}-{next(self.numbers)}', {'event': threading.Event()}
        self.waiting[number] = waiting
        with self.asking:
            self.line.sendall(f'{number} {base64.b64encode(script.encode()).decode()}\n'.encode())
        if not waiting['event'].wait(timeout):
            self.waiting.pop(number, None)
            self.check_alive()
            raise subprocess.TimeoutExpired(script, timeout)
        return waiting['answer']

    def spawn(self, name, command):
        """Start what goes on by itself; its output is /run/log/NAME in the guest. Gives its process number there."""
        return int(self.run(f'setsid {shlex.join(str(w) for w in command)} >/run/log/{name} 2>&1 3<&- & echo $!').output)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def shared(text):
    """HOST or GUEST=HOST."""
    guest, _, host = text.rpartition('=')
    host = pathlib.Path(host).resolve()
    if not host.exists():
        raise argparse.ArgumentTypeError(f'there is no {host}')
    return guest or str(host), host


def main():
    parser = argparse.ArgumentParser(prog='vm-guest', description='Run a command in a fresh guest with the kernel of Debian 12.',
                                     epilog='Exit: the command\'s own; 124 not within the time, 125 no answer from the guest.')
    parser.add_argument('--file', action='append', type=shared, default=[], metavar='[GUEST=]HOST', help='take a file or directory along')
    parser.add_argument('--program', action='append', default=[], help='take a program and its libraries along (python3: with its library)')
    parser.add_argument('--module', action='append', default=[], help='load one more kernel module, such as br_netfilter')
    parser.add_argument('--timeout', type=float, default=60, metavar='SECONDS')
    parser.add_argument('--memory', type=int, default=512, metavar='MB')
    parser.add_argument('--cpus', type=int, default=1)
    parser.add_argument('command', nargs='+', help='after --; one word is a line for sh')
    args = parser.parse_args()
    command = args.command[0] if len(args.command) == 1 else args.command
    try:
        number, output = run(command, dict(args.file), args.timeout, args.memory, args.cpus, args.program, args.module)
    except GuestError as err:
        sys.stdout.write(err.output)
        print(f'vm-guest: {err}', file=sys.stderr)
        return 124 if err.late else 125
    except (OSError, ValueError) as err:
        print(f'vm-guest: {err}', file=sys.stderr)
        return 6
    sys.stdout.write(output)
    return number


if __name__ == '__main__':
    sys.exit(main())
