# SPDX-License-Identifier: Apache-2.0
"""Ports for the servers of a test in Python, by ports.sh."""
import os
import subprocess

SHELL = ["bash", "-c", '. "$0"; reserve_ports; echo "$port"; exec cat',
         os.path.join(os.path.dirname(os.path.abspath(__file__)), "ports.sh")]


def reserve_ports():
    """The first of eight ports, and a process that keeps them from other tests: until this one ends, or closes its stdin."""
    keeper = subprocess.Popen(SHELL, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return int(keeper.stdout.readline()), keeper
