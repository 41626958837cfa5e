# SPDX-License-Identifier: BSD-3-Clause
"""Guests whose NICs are ports of cordon-dp on this machine: who reaches whom, and what becomes of a port whose guest is killed."""

import os
import sys

import tap

import vmscenarios


def say(text):
    print(f'# {text}', flush=True, file=sys.__stdout__)  # also while a scenario's own words are taken


def goes_well():
    with vmscenarios.Run(say=say, build=os.environ['CORDON_BUILD']) as run:
        if not run.scenario('vhost'):
            raise AssertionError(f'logs and captures: {run.work}')


tap.run([(vmscenarios.SCENARIOS['vhost'].title, goes_well)])
