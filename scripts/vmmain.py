# SPDX-License-Identifier: BSD-3-Clause
"""scripts/vm-lab: run the appliance's scenarios, or keep a lab to look around in."""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import guest
import lab
import vmlab
import vmscenarios

STATE = pathlib.Path('/run/cordon-vm-lab')  # a link to the directory of the lab that is kept


def clock(text, began=time.monotonic()):
    print(f'{time.monotonic() - began:5.0f} s  {text}', file=sys.stderr, flush=True)


def run(args):
    names = list(dict.fromkeys(args.scenario)) or list(vmscenarios.SCENARIOS)
    results = {}
    with vmscenarios.Run(args.image, clock, args.count, packages=args.packages) as runner:
        runner.need_image(names)
        for name in names:
            results[name] = runner.scenario(name)
        for what, value in runner.figures.items():
            print(f'figure  {what}: {value}')
        for name, good in results.items():
            print(f'{"ok    " if good else "FAILED"}  {name}: {vmscenarios.SCENARIOS[name].title}')
        if not all(results.values()):
            print(f'logs, consoles and captures of what failed: {runner.work}')
    return 0 if all(results.values()) else 1


def up(args):
    if STATE.is_symlink():
        raise lab.LabError(f'a lab is kept already ({STATE}); scripts/vm-lab down ends it')
    vmlab.need_image(args.image)
    work = tempfile.mkdtemp(prefix='cordon-vmlab-')
    STATE.symlink_to(work)  # before the first machine: however this ends, `down` finds them all
    try:
        made = vmlab.VmLab(args.image, engine=args.engine, say=clock, work=work, mortal=False)
        made.up()
        made.learn_hosts()
        made.gateway.end_master()
    except KeyboardInterrupt:
        down(args)
        raise
    except Exception:
        end(work)
        for large in ('hosts/initramfs', 'gateway/disk'):
            pathlib.Path(work, large).unlink(missing_ok=True)
        STATE.unlink(missing_ok=True)
        clock(f'the machines are ended; their consoles and logs are in {work}')
        raise
    print(f'The lab runs. Hosts: {" ".join(made.hosts)}\n'
          f'On a host:             scripts/vm-lab on staff ping -c 1 10.20.0.11\n'
          f'As the administrator:  ssh -i {made.gateway.key} -p {made.gateway.port} admin@127.0.0.1\n'
          f'On the console:        socat - UNIX:{made.gateway.work}/console.sock\n'
          f'End it:                scripts/vm-lab down')
    return 0


def on(args):
    if not STATE.is_symlink():
        raise lab.LabError('no lab runs; scripts/vm-lab up starts one')
    hosts = vmlab.Hosts(STATE.readlink() / 'hosts')
    if args.host not in hosts.home:
        raise lab.LabError(f'there is no host {args.host}; there are {", ".join(hosts.home)}')
    hosts.join()
    done = hosts.run(args.host, args.command, args.timeout)
    sys.stdout.write(done.stdout)
    return done.returncode


def machines(work):
    """Processes of QEMU that speak of a lab's directory."""
    numbers = [int(name) for name in os.listdir('/proc') if name.isdigit()]
    return [pid for pid in numbers if re.match(rf'(\S*/)?qemu-system-\S+ .*{re.escape(str(work))}/', lab.command_line(pid))]


def end(work):
    for pid in machines(work):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    lab.wait_for('the machines end', lambda: not machines(work), 10)


def down(_):
    if not STATE.is_symlink():
        print('no lab runs')
        return 0
    work = STATE.readlink()
    end(work)
    shutil.rmtree(work, ignore_errors=True)
    STATE.unlink(missing_ok=True)
    return 0


def stop_on(signum, frame):
    raise KeyboardInterrupt


def count(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{number} cuts would show nothing')
    return number


def main():
    parser = argparse.ArgumentParser(prog='vm-lab', description='The appliance in a virtual machine, between hosts in two others. Needs root and an image '
                                     '(firmware/build --setup).', epilog='Exit: 0 as it should be, 1 a scenario failed, 2 usage, 6 the lab itself does not work.')
    verbs = parser.add_subparsers(dest='verb', required=True)
    listed = '\n'.join(f'  {name:12} {entry.title}' for name, entry in vmscenarios.SCENARIOS.items())
    verb = verbs.add_parser('run', help='run scenarios (all of them, or those named)', description='Scenarios:\n' + listed,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    verb.add_argument('scenario', nargs='*', metavar='SCENARIO')
    verb.add_argument('--count', type=count, help='how often power-cut pulls the plug (default: 3)')
    verb.add_argument('--packages', type=pathlib.Path, metavar='DIR', help='the Debian packages for upgrade (default: builds them first)')
    verb.set_defaults(go=run)
    kept = verbs.add_parser('up', help='start the lab and leave it running')
    kept.add_argument('--engine', choices=['dpdk', 'nft'], default='dpdk')
    kept.set_defaults(go=up)
    for v in (verb, kept):
        v.add_argument('--image', type=pathlib.Path, default=vmlab.IMAGE, help=f'default: {vmlab.IMAGE.relative_to(lab.ROOT)}')
    verb = verbs.add_parser('on', help='run a command on a host of the lab that runs')
    verb.add_argument('--timeout', type=float, default=60, metavar='SECONDS')
    verb.add_argument('host')
    verb.add_argument('command', nargs=argparse.REMAINDER)
    verb.set_defaults(go=on)
    verbs.add_parser('down', help='end the lab that runs').set_defaults(go=down)
    args = parser.parse_args()
    unknown = [n for n in getattr(args, 'scenario', []) if n not in vmscenarios.SCENARIOS]
    if unknown:
        parser.error(f'no scenario {unknown[0]}; there are {", ".join(vmscenarios.SCENARIOS)}')
    if os.geteuid() != 0:
        parser.error('run this as root; nothing was changed')
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, stop_on)
    try:
        return args.go(args)
    except (lab.LabError, guest.GuestError, subprocess.SubprocessError, OSError) as err:
        print(f'vm-lab: {err}', file=sys.stderr)
        return 6
    except KeyboardInterrupt:
        print('\nvm-lab: interrupted; the machines are ended', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
