# SPDX-License-Identifier: BSD-3-Clause
"""The appliance from its image: first boot, a policy with an error, processes that are killed, and power cuts. Needs an image,
whose building takes minutes: CORDON_IMAGE=build-image/cordon-amd64.img. All scenarios: scripts/vm-lab run."""

import os
import sys

import tap

CONSOLE = 2500  # characters
NAMES = ['first-boot', 'bad-policy', 'kill', 'power-cut']
IMAGE = os.environ.get('CORDON_IMAGE')
if not IMAGE:
    print('1..1\nok 1 - appliance # SKIP CORDON_IMAGE names no image')
    sys.exit(0)

import vmscenarios  # noqa: E402


def consoles(where):
    """The last lines of each, for who has this output and not that machine."""
    return '\n'.join(f'{console}:\n{console.read_bytes().decode(errors="replace")[-CONSOLE:]}' for console in where.rglob('console'))


def goes_well(run, name):
    def case():
        if not run.scenario(name):
            raise AssertionError(f'logs, console and captures: {run.work}\n{consoles(run.where)}')
    return case


def say(text):
    print(f'# {text}', flush=True, file=sys.__stdout__)  # also while a scenario's own words are taken


with vmscenarios.Run(IMAGE, say) as runner:
    runner.need_image(NAMES)
    tap.run([(vmscenarios.SCENARIOS[name].title, goes_well(runner, name)) for name in NAMES])
    for what, value in runner.figures.items():
        say(f'{what}: {value}')
