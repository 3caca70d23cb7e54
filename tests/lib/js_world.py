# SPDX-License-Identifier: MIT
"""tidings.js in a world whose time and network are the test's (js_world.js).

    got = scenario('''async ({ World, answer }) => {
        const world = new World();
        world.answer = () => answer(1);
        const feed = world.feed({ transports: ['poll'] });
        await world.run(60000);
        return feed.told;
    }''')
"""
import json
import os
import subprocess

from tidings_test import PATIENCE, SRC, Failure

LIBRARY = os.path.join(SRC, 'htdocs', 'tidings.js')
WORLD = os.path.join(SRC, 'tests', 'lib', 'js_world.js')


def scenario(text):
    """Runs it, and returns what it returned."""
    r = subprocess.run(['node', WORLD, LIBRARY], input=text, text=True,
                       capture_output=True, timeout=60 * PATIENCE)
    if r.returncode != 0:
        raise Failure(r.stderr)
    return json.loads(r.stdout)
