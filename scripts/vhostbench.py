# SPDX-License-Identifier: BSD-3-Clause
"""Two guests for a benchmark, and DPDK's own testpmd as a gateway between them.

The guests are one testpmd with two virtio NICs (virtio-user): each plays its side's frames out of memory, in a loop, and throws
away what arrives. What is measured is what arrives, in the same way whatever lies between. No machine is emulated.
"""

import contextlib
import os
import pathlib
import re
import subprocess
import threading
import time

PATIENCE = 60  # seconds
RING = 1024  # of a NIC, each way; a guest's usual 256 make both gateways slower


class SourceError(Exception):
    """One line for the user."""


def waited(pid):
    """For each thread of a process, how many seconds it was ready to run and had no CPU."""
    seconds = {}
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        with contextlib.suppress(OSError):
            seconds[task.name] = int((task / 'schedstat').read_text().split()[1]) / 1e9
    return seconds


class Disturbance:
    """For what part of the time a thread of a gateway or its guests waited for a CPU that others had, the worst of them."""

    def __init__(self, *pids):
        self.since, self.before = time.monotonic(), {pid: waited(pid) for pid in pids}

    def part(self):
        length = time.monotonic() - self.since
        return max((after - before[thread]) / length for pid, before in self.before.items()
                   for thread, after in waited(pid).items() if thread in before)


class Testpmd:
    """One of DPDK's testpmd that runs until end(); `text` is what it has said so far."""

    def __init__(self, name, cpus, devices, *words):
        argv = ['dpdk-testpmd', f'--lcores=0@{cpus[0]},1@{cpus[1]}', '--no-pci', '--in-memory', '--single-file-segments',
                f'--file-prefix={name}-{os.getpid()}', *(f'--vdev={device}' for device in devices), '--', '--forward-mode=io',
                '--port-topology=paired', '--auto-start', '--nb-cores=1', '--stats-period=1', *words]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.text = ''
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.text += line

    def wait(self, what, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise SourceError(f'{what}: testpmd said: {" ".join(self.text.split())[-600:]}')
            time.sleep(0.05)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()


class Guests:
    """They run from start() to stop(). All of it on one CPU."""

    def __init__(self, captures, mbufs, cpu):
        self.players = [f'net_pcap{i},rx_pcap={capture},infinite_rx=1' for i, capture in enumerate(captures)]
        self.words = [f'--rxd={RING}', f'--txd={RING}', f'--total-num-mbufs={mbufs}']
        self.cpu = cpu

    def start(self, sockets):
        nics = [f'net_virtio_user{i},path={path},queues=1,queue_size={RING},mac=02:00:00:00:01:{i:02x}' for i, path in enumerate(sockets)]
        self.testpmd = Testpmd('guests', (self.cpu, self.cpu), [device for pair in zip(self.players, nics) for device in pair], *self.words)

    @property
    def pid(self):
        return self.testpmd.process.pid

    def arrived(self):
        """Frames a second that both NICs got, for each second that is over and had any."""
        rates = [int(rate) for rate in re.findall(r'Rx-pps:\s+(\d+)', self.testpmd.text)]
        # four lines a second: a player, its NIC, and once more
        return [rate for rate in map(sum, zip(rates[1::4], rates[3::4])) if rate]

    def await_frames(self, seconds):
        self.testpmd.wait('no frame has arrived', lambda: len(self.arrived()) >= seconds)

    def stop(self, seconds):
        """(million frames that arrived a second, part of those offered that the ports did not take), of the last seconds."""
        arrived = self.arrived()[-seconds:]
        self.testpmd.end()
        if not arrived:
            raise SourceError('no frame has arrived')
        offered = re.findall(r'Forward statistics for port [13] .*?TX-dropped: (\d+)\s+TX-total: (\d+)', self.testpmd.text, re.S)
        refused = sum(int(dropped) for dropped, _ in offered) / max(1, sum(int(total) for _, total in offered))
        return sorted(arrived)[len(arrived) // 2] / 1e6, refused


@contextlib.contextmanager
def plain_gateway(sockets, cpus):
    """testpmd with the same ports: from one to the other, as fast as it can."""
    gateway = Testpmd('plain', cpus, [f'net_vhost{i},iface={path},queues=1,tso=0,linear-buffer=1' for i, path in enumerate(sockets)],
                      '--total-num-mbufs=16384')
    try:
        gateway.wait('the ports do not start', lambda: 'Rx-pps' in gateway.text)
        yield gateway.process
    finally:
        gateway.end()
