# SPDX-License-Identifier: BSD-3-Clause
"""A hand inside the appliance, for what nobody else could do there: kill its processes.

The image lets nobody in with root's rights, and stays as it is. But who can write its disk owns the machine: the loader's
command line, on a partition that is not the root, starts a shell that reads commands from a second serial line.
"""

import contextlib
import socket
import time

import guest
from lab import LabError, call

LOADER = '::/grub/grub.cfg'
SERIAL = '/dev/ttyS1'
# What the loader adds for the kernel: systemd's own way to run a command, beside the ordinary start.
WORDS = ['"systemd.run=/usr/bin/udevadm wait --timeout=60 /dev/disk/by-id/virtio-insider"', '"systemd.run=/bin/sh /dev/disk/by-id/virtio-insider"',
         'systemd.run_success_action=none', 'systemd.run_failure_action=none', 'systemd.unit=multi-user.target', 'systemd.wants=kernel-command-line.service']
SCRIPT = f'''stty -F {SERIAL} raw -echo
exec 3<{SERIAL} 4>{SERIAL}
while read -r line <&3; do
	sh -c "$line" </dev/null >&4 2>&1
	echo "exit $?" >&4
done
exit 0
'''


class Insider:
    """Prepares a machine that is off; run() works once it is on."""

    def __init__(self, machine):
        if machine.machine.qemu != guest.QEMU:
            raise LabError('the shell inside the gateway is for amd64 only so far: the emulated machine of arm64 has no second serial line')
        self.machine = machine
        self.path = machine.work / 'insider.sock'
        script = machine.work / 'insider'
        script.write_text(SCRIPT.ljust(4096, '\n'))  # a disk of whole sectors; the shell ends before its empty lines
        machine.options += ['-drive', f'file={script},format=raw,if=none,id=i,readonly=on', '-device', 'virtio-blk-pci,drive=i,serial=insider,addr=a',
                            '-chardev', f'socket,id=insider,path={self.path},server=on,wait=off', '-serial', 'chardev:insider']
        self.line, self.heard = None, ''
        self.change_loader()

    def change_loader(self):
        partition = f'{self.machine.disk}@@{self.machine.partition("cordon-system")[0]}'
        text = call(['mtype', '-i', partition, LOADER])
        lines = [f'{line} {" ".join(WORDS)}' if line.startswith('$linux ') else line for line in text.splitlines()]
        if lines == text.splitlines():
            raise LabError('the loader has no line that starts a kernel')
        changed = self.machine.work / 'grub.cfg'
        changed.write_text('\n'.join(lines) + '\n')
        call(['mcopy', '-o', '-i', partition, changed, LOADER])

    def connect(self, tries=60):
        """Waits for the shell. What it says while nobody listens is lost, so it is asked until it answers."""
        self.line = socket.socket(socket.AF_UNIX)
        self.line.connect(str(self.path))
        for number in range(tries):
            self.line.sendall(f'echo here {number}\n'.encode())
            with contextlib.suppress(LabError):
                self.read_until('here', 5)
                self.line.sendall(b'echo and now\n')
                self.read_until('and now', 60)
                self.read_until('exit', 60)
                return
        raise LabError('the shell inside the gateway does not answer')

    def read_until(self, start, seconds):
        """Whole lines to the one that begins with `start`; what came after it waits for the next call."""
        deadline = time.monotonic() + seconds
        while True:
            *lines, _ = self.heard.split('\n')
            found = next((n for n, line in enumerate(lines) if line.startswith(start)), None)
            if found is not None:
                self.heard = self.heard[sum(len(line) + 1 for line in lines[:found + 1]):]
                return '\n'.join(lines[:found + 1])
            self.line.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                got = self.line.recv(4096)
            except TimeoutError:
                raise LabError(f'no answer from inside the gateway within {seconds} s: {self.heard[-300:]}') from None
            if not got:
                raise LabError('the line into the gateway is closed')
            self.heard += got.decode(errors='replace').replace('\r', '')

    def run(self, command, seconds=60):
        """A line for the shell, as root; gives what it printed."""
        if not self.line:
            self.connect()
        self.line.sendall(command.encode() + b'\n')
        text = self.read_until('exit ', seconds)
        output, _, code = text.rpartition('exit ')
        if int(code) != 0:
            raise LabError(f'in the gateway: `{command}` ended with {int(code)}: {output.strip()}')
        return output
