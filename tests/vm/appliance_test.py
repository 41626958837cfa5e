# SPDX-License-Identifier: BSD-3-Clause
"""The appliance from its image: first boot, who reaches whom, and a policy with an error. Needs an image, whose building takes
minutes: CORDON_IMAGE=build-image/cordon-amd64.img. All scenarios: scripts/vm-lab run."""

import os
import sys

import tap

NAMES = ['first-boot', 'matrix', 'bad-policy']
IMAGE = os.environ.get('CORDON_IMAGE')
if not IMAGE:
    print('1..1\nok 1 - appliance # SKIP CORDON_IMAGE names no image')
    sys.exit(0)

import vmscenarios  # noqa: E402


def goes_well(run, name):
    def case():
        if not run.scenario(name):
            raise AssertionError(f'logs, console and captures: {run.work}')
    return case


def say(text):
    print(f'# {text}', flush=True)


with vmscenarios.Run(IMAGE, say) as runner:
    tap.run([(vmscenarios.SCENARIOS[name].title, goes_well(runner, name)) for name in NAMES])
