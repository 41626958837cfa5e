# SPDX-License-Identifier: BSD-3-Clause
"""scripts/vm-lab: run the appliance's scenarios, or keep a lab to look around in."""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import lab
import vmlab
import vmscenarios

STATE = pathlib.Path('/run/cordon-vm-lab.json')


def clock(text, began=time.monotonic()):
    print(f'{time.monotonic() - began:5.0f} s  {text}', file=sys.stderr, flush=True)


def run(args):
    names = args.scenario or list(vmscenarios.SCENARIOS)
    results = {}
    with vmscenarios.Run(args.image, clock, args.count) as runner:
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
    if STATE.exists():
        raise lab.LabError(f'a lab is kept already ({STATE}); scripts/vm-lab down ends it')
    made = vmlab.VmLab(args.image, engine=args.engine, say=clock, mortal=False)
    try:
        made.up()
        made.learn_hosts()
    except BaseException:
        made.close()
        raise
    pids = [made.gateway.process.pid, *(g.process.pid for g in made.net.guests.values())]
    STATE.write_text(json.dumps({'work': str(made.work), 'pids': pids, 'port': made.gateway.port}))
    made.gateway.end_master()
    print(f'The lab runs. Hosts: {" ".join(made.hosts)}\n'
          f'On a host:             scripts/vm-lab on staff ping -c 1 10.20.0.11\n'
          f'As the administrator:  ssh -i {made.gateway.key} -p {made.gateway.port} admin@127.0.0.1\n'
          f'On the console:        socat - UNIX:{made.gateway.work}/console.sock\n'
          f'End it:                scripts/vm-lab down')
    return 0


def on(args):
    state = json.loads(STATE.read_text()) if STATE.exists() else None
    if not state:
        raise lab.LabError('no lab runs; scripts/vm-lab up starts one')
    hosts = vmlab.Hosts(pathlib.Path(state['work'], 'hosts'))
    if args.host not in hosts.home:
        raise lab.LabError(f'there is no host {args.host}; there are {", ".join(hosts.home)}')
    hosts.join()
    done = hosts.run(args.host, args.command, args.timeout)
    sys.stdout.write(done.stdout)
    return done.returncode


def down(_):
    if not STATE.exists():
        print('no lab runs')
        return 0
    state = json.loads(STATE.read_text())
    # a number may mean another process by now: only those that still speak of this lab
    for pid in state['pids']:
        if state['work'] in lab.command_line(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    lab.wait_for('the machines end', lambda: not any(state['work'] in lab.command_line(pid) for pid in state['pids']), 10)
    subprocess.run(['rm', '-rf', state['work']], check=True)
    STATE.unlink()
    return 0


def stop_on(signum, frame):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog='vm-lab', description='The appliance in a virtual machine, between hosts in two others. Needs root and an image '
                                     '(firmware/build --setup).', epilog='Exit: 0 as it should be, 1 a scenario failed, 2 usage, 6 the lab itself does not work.')
    verbs = parser.add_subparsers(dest='verb', required=True)
    listed = '\n'.join(f'  {name:12} {entry.title}' for name, entry in vmscenarios.SCENARIOS.items())
    verb = verbs.add_parser('run', help='run scenarios (all of them, or those named)', description='Scenarios:\n' + listed,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    verb.add_argument('scenario', nargs='*', metavar='SCENARIO')
    verb.add_argument('--count', type=int, help='how often power-cut pulls the plug (default: 3)')
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
    signal.signal(signal.SIGTERM, stop_on)
    try:
        return args.go(args)
    except (lab.LabError, OSError) as err:
        print(f'vm-lab: {err}', file=sys.stderr)
        return 6
    except KeyboardInterrupt:
        print('\nvm-lab: interrupted; the machines are ended', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
