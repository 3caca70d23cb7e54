#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# README stays true: its commands are run as they stand there, with the demo's
# address and files replaced by those of a site of the test's own.
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def blocks(text):
    return re.findall(r'^```(\w+)\n(.*?)^```', text, re.M | re.S)


def adapt(site, text):
    return (text.replace('http://127.0.0.1:8080', site.url)
            .replace('tools/tidings -c var/tidings.conf',
                     '%s/tools/tidings -c %s' % (BUILD, site.conf))
            .replace('var/tidings.db', site.db))


def run_block(site, kind, text):
    if kind == 'sh':
        return subprocess.run(['sh', '-ec', adapt(site, text)], capture_output=True,
                              text=True, timeout=60)
    with tempfile.NamedTemporaryFile('w', suffix='.php') as f:
        f.write(adapt(site, text))
        f.flush()
        return subprocess.run(['php', f.name], capture_output=True, text=True, timeout=60)


def main(t):
    need('curl', 'sqlite3', 'php')
    with open(os.path.join(SRC, 'README.md')) as f:
        readme = f.read()
    runnable = [(kind, text) for kind, text in blocks(readme)
                if kind in ('sh', 'php') and 'quickstart' not in text]
    t.ok(len(runnable) >= 5, 'README has commands', len(runnable))
    inline = re.search(r'`(tools/tidings -c var/tidings.conf publish [^`]*)`', readme)
    t.ok(inline, 'README shows the command line')
    with Site() as site:
        listen = [text for kind, text in runnable if 'curl -N' in text]
        t.equal(len(listen), 1, 'README listens once')
        with open(os.path.join(site.dir, 'heard'), 'w') as heard:
            listener = site.spawn(['sh', '-c', 'exec ' + adapt(site, listen[0])], stdout=heard)
        site.wait_subscribers('hello', 1)
        if inline:
            runnable.insert(1, ('sh', inline.group(1)))
        for kind, text in runnable:
            if 'curl -N' in text:
                continue
            r = run_block(site, kind, text)
            t.ok(r.returncode == 0 and '"status"' not in r.stdout,
                 'it works: ' + text.strip().splitlines()[0][:60], r.stdout, r.stderr)
        def all_heard():
            with open(os.path.join(site.dir, 'heard')) as f:
                got = f.read()
            return all(w in got for w in ('from the shell', 'It works', 'from curl',
                                          'event: headline', 'some data'))
        wait_for(all_heard, 10, 'every message of README')
        t.ok(True, 'the listener heard them all')
        listener.terminate()


run(main)
