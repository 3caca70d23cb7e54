#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: pages of the listed sites may read and publish, with credentials;
# "*" lets all read, without credentials; without a list there are no
# headers. The same in every program.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

READERS = ('/push/poll?channel=a', '/push/longpoll?channel=a&wait=0', '/push/sse?channel=a',
           '/push/publish?channel=a', '/push/status?format=json')
PRE = 'Access-Control-'


def ask(site, path, origin, method='GET', **headers):
    """Headers of the answer, of a held one as well."""
    if origin:
        headers['Origin'] = origin
    if path.startswith('/push/sse') and method == 'GET':
        with site.stream(path, headers) as s:
            return s.headers, s.status
    r = site.request(method, path, None, headers)
    return r.headers, r.status


def cors(headers):
    return {k[len(PRE):]: v for k, v in headers.items() if k.startswith(PRE)}


def main(t):
    with Site() as site:
        for path in READERS:
            headers, status = ask(site, path, 'https://app.example')
            t.ok(not cors(headers) and status == 200, 'no list, no headers: ' + path,
                 headers)
        headers, status = ask(site, '/push/poll?channel=a', 'https://app.example', 'OPTIONS',
                              **{PRE + 'Request-Method': 'GET'})
        t.ok(not cors(headers), 'nor for a preflight', headers)

    good, other = 'https://app.example', 'https://app.example.evil'
    listed = {'access': {'origins': good + ' http://two.example:8080'}}
    with Site(settings=listed) as site:
        for path in READERS:
            headers, status = ask(site, path, good)
            got = cors(headers)
            t.ok(status == 200 and got.get('Allow-Origin') == good and
                 got.get('Allow-Credentials') == 'true' and
                 'ETag' in got.get('Expose-Headers', ''), 'listed: ' + path, headers)
            t.ok('Origin' in headers.get('Vary', ''), 'a cache tells origins apart', headers)
            headers, status = ask(site, path, None)
            t.ok(not cors(headers) and 'Origin' in headers.get('Vary', ''),
                 'without Origin there is Vary alone', headers)
            for bad in (other, 'null', 'https://app.example:444', 'http://app.example',
                        'https://xapp.example', '*', 'https://app.example/'):
                headers, status = ask(site, path, bad)
                t.ok(status == 200 and not cors(headers), '%s is not listed' % bad, headers)
        headers, _ = ask(site, '/push/poll?channel=a', 'http://two.example:8080')
        t.equal(cors(headers).get('Allow-Origin'), 'http://two.example:8080', 'the second one')
        cursor = site.get('/push/poll?channel=a').json['cursor']
        r = site.get('/push/poll?channel=a', {'Origin': good, 'If-None-Match': '"%s"' % cursor})
        t.ok(r.status == 304 and cors(r.headers).get('Allow-Origin') == good, 'also on a 304',
             r.headers)
        r = site.get('/push/poll', {'Origin': good})
        t.ok(r.status == 400 and cors(r.headers).get('Allow-Origin') == good,
             'also on a refusal, so that the page can read it', r.headers)
        r = site.request('PUT', '/push/poll', b'', {'Origin': good})
        t.ok(r.status == 405 and cors(r.headers).get('Allow-Origin') == good, 'and on a 405',
             r.headers)
        for program, wanted in (('poll', 'GET'), ('longpoll', 'POST'), ('sse', 'GET'),
                                ('publish', 'POST'), ('publish', 'DELETE')):
            headers, status = ask(site, '/push/%s?channel=a' % program, good, 'OPTIONS', **{
                PRE + 'Request-Method': wanted,
                PRE + 'Request-Headers': 'cache-control, content-type, idempotency-key'})
            got = cors(headers)
            allowed = got.get('Allow-Headers', '').lower()
            t.ok(status == 204 and got.get('Allow-Origin') == good and
                 wanted in got.get('Allow-Methods', '') and all(
                     h in allowed for h in ('authorization', 'content-type', 'event-type',
                                            'idempotency-key', 'last-event-id',
                                            'if-none-match', 'cache-control', 'pragma',
                                            'x-requested-with', 'accept', 'accept-language',
                                            'content-language')),
                 'preflight of %s %s' % (wanted, program), headers)
            headers, status = ask(site, '/push/%s?channel=a' % program, other, 'OPTIONS',
                                  **{PRE + 'Request-Method': wanted})
            t.ok(not cors(headers), 'not from elsewhere', headers)

    with Site(settings={'access': {'origins': ['*', good]}}) as site:
        for path in READERS:
            got = cors(ask(site, path, 'https://any.example')[0])
            t.ok(got.get('Allow-Origin') == '*' and 'Allow-Credentials' not in got,
                 '*: anybody, without credentials: ' + path, got)
        got = cors(ask(site, '/push/poll?channel=a', 'null')[0])
        t.ok(got.get('Allow-Origin') == '*', 'a page without origin too', got)
        got = cors(ask(site, '/push/poll?channel=a', good)[0])
        t.ok(got.get('Allow-Origin') == good and got.get('Allow-Credentials') == 'true',
             'who is listed beside * keeps credentials', got)
        headers, status = ask(site, '/push/poll?channel=a', 'https://any.example', 'OPTIONS',
                              **{PRE + 'Request-Method': 'POST'})
        t.equal((status, cors(headers).get('Allow-Origin')), (204, '*'), 'preflight of *')
        t.ok(site.lives(), 'the programs live')


run(main)
