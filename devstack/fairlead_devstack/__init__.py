"""What a developer's machine needs around Fairlead: a real control plane, its programs, Debian's packages.

For tests, the demo and ``make up`` only; no part of the distribution.
"""
