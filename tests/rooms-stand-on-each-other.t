#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""shared/ is a house: each folder of it is a room, and a room includes those
below it alone. HACKING.md shows it; this reads the #includes.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# From the ground up.
ROOMS = ('base', 'wire', 'table', 'publish', 'out', 'engine', 'access', 'intake')
# Circles of files within a room that are still to be dissolved.
KNOTS = {
    'engine/client engine/hub engine/settle',
    'intake/conn intake/conns',
}
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)
n = failed = 0


def report(found, name):
    global n, failed
    n += 1
    failed += bool(found)
    print('%sok %d - %s' % ('not ' if found else '', n, name))
    for line in found:
        print('#   ' + line)


def includes(folder):
    """{path: what it includes of ours} of the C below the folder."""
    found = {}
    for at, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in names:
            if name.endswith(('.c', '.h')):
                path = os.path.join(at, name)
                with open(path) as f:
                    found[os.path.relpath(path, ROOT)] = INCLUDE.findall(f.read())
    return found


def circles(arrows):
    """Sets of names that reach each other."""
    def reach(start):
        seen, todo = set(), [start]
        while todo:
            for name in arrows.get(todo.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    todo.append(name)
        return seen
    reached = {name: reach(name) for name in arrows}
    return {frozenset({name} | {other for other in reached[name] if name in reached.get(other, ())})
            for name in arrows if name in reached[name]}


files = includes('shared')
room = lambda path: path.split('/')[1]
noun = lambda path: os.path.splitext(path)[0]
ours = [(path, name) for path, names in sorted(files.items()) for name in names
        if name.startswith('shared/')]
report(['no rooms are found'] * (len(files) < 100), 'there are rooms')
report([path for path in sorted(files) if path.count('/') != 2 or room(path) not in ROOMS],
       'every file is in a room')
report(['%s includes %s' % arrow for arrow in ours if arrow[1] not in files],
       'what is included is there')
report(['%s includes %s' % arrow for arrow in ours
        if ROOMS.index(room(arrow[1])) > ROOMS.index(room(arrow[0]))], 'no room includes one above it')
report(['%s includes %s' % (path, name) for path, names in sorted(files.items()) for name in names
        if name.startswith(('apache/', 'cgi-bin/', 'daemon/', 'tests/', 'tools/'))],
       'nor what stands outside the house')
arrows = {}
for path, name in ours:
    if noun(path) != noun(name):
        arrows.setdefault(noun(path), set()).add(noun(name))
found = {' '.join(sorted(name.partition('/')[2] for name in circle)) for circle in circles(arrows)}
report(['new: ' + knot for knot in sorted(found - KNOTS)] +
       ['gone: ' + knot for knot in sorted(KNOTS - found)], 'no circle of files but those we know')
with open(os.path.join(ROOT, 'HACKING.md')) as f:
    house = f.read().partition('## The rooms of shared/')[2].partition('\n## ')[0]
at = [house.find('\n    %s/ ' % name) for name in reversed(ROOMS)]
report([house or 'no such section'] * (-1 in at or at != sorted(at)), 'HACKING.md shows them, one on the other')
print('1..%d' % n)
sys.exit(1 if failed else 0)
