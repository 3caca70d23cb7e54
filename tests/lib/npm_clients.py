# SPDX-License-Identifier: MIT
"""Clients that nobody here wrote, as npm has them: exactly the versions that
tests/clients/package-lock.json names, checked by its sums, unpacked into a
folder that is removed at the end.

    clients = npm_clients()              # skips the file where npm is out of reach
    Site(httpd_extra=clients.httpd)      # they are at /clients/NAME/...

Import this before page.py, which tells everybody that there is no proxy.
"""
import atexit
import json
import os
import shutil
import subprocess
import tempfile

from tidings_test import PATIENCE, SRC, Failure, need, skip_all

LOCKED = os.path.join(SRC, 'tests', 'clients')
ENVIRONMENT = dict(os.environ)
# What npm says when the registry can't be reached, or has trouble itself.
AWAY = ('ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ERR_SOCKET_TIMEOUT',
        'ENETUNREACH', 'EHOSTUNREACH', 'FETCH_ERROR', 'E403', 'E407', 'E429', 'E500', 'E502',
        'E503', 'E504', 'SELF_SIGNED_CERT_IN_CHAIN', 'DEPTH_ZERO_SELF_SIGNED_CERT',
        'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
        'CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED')


class Clients:
    def __init__(self, folder):
        self.folder = folder
        self.modules = os.path.join(folder, 'node_modules')
        self.httpd = 'Alias "/clients/" "%s/"' % self.modules

    def versions(self):
        out = []
        for name in sorted(self.locked()):
            with open(os.path.join(self.modules, name, 'package.json')) as f:
                package = json.load(f)
            out.append('%s %s' % (package['name'], package['version']))
        return ', '.join(out)

    @staticmethod
    def locked():
        with open(os.path.join(LOCKED, 'package.json')) as f:
            return json.load(f)['dependencies']


def npm_clients():
    need('node', 'npm')
    folder = tempfile.mkdtemp(prefix='tidings-clients-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    for name in ('package.json', 'package-lock.json'):
        shutil.copy(os.path.join(LOCKED, name), folder)
    try:
        r = subprocess.run(
            ['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline',
             '--fetch-retries=1', '--fetch-timeout=20000'],
            cwd=folder, env=ENVIRONMENT, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=120 * PATIENCE)
    except subprocess.TimeoutExpired:
        skip_all('npm has nothing within two minutes')
    if r.returncode != 0:
        away = [code for code in AWAY if 'code ' + code in r.stderr]
        if away:
            skip_all('npm does not reach its registry: ' + away[0])
        raise Failure('npm ci: ' + r.stderr[-800:])
    return Clients(folder)
