#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: without a key 401, with a wrong one 403, from a page of another
# site 403; reading needs none. Nothing refused is stored or removed.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

KEYS = {'access': {'publish_from_loopback': 'no',
                   'publish_key': ['app:s3cret/+=', 'plain-secret', 'other:two'],
                   'origins': 'https://app.example'}}


def main(t):
    with Site(settings=KEYS) as site:
        def publish(auth=None, method='POST', **headers):
            if auth is not None:
                headers['Authorization'] = auth
            return site.request(method, '/push/publish?channel=a',
                                b'x' if method == 'POST' else None, headers)

        rows = [
            (None, 401), ('', 401), ('Basic YTpi', 401), ('Bearer', 401),
            ('Bearer ', 401), ('Bearer wrong', 403), ('Bearer app', 403),
            ('Bearer app:s3cret/+=', 403), ('Bearer s3cret/+', 403), ('Bearer s3cret/+==', 403),
            ('Bearer S3CRET/+=', 403), ('Bearer other:', 403), ('Bearer ' + 'x' * 4000, 403),
            ('Bearer s3cret/+=', 201), ('bearer s3cret/+=', 201), ('Bearer  s3cret/+=', 201),
            ('Bearer plain-secret', 201), ('Bearer two', 201),
        ]
        stored = 0
        for auth, status in rows:
            r = publish(auth)
            # httpd may drop an empty one; either refusal will do.
            ok = r.status == status or (auth in ('Bearer', 'Bearer ') and r.status in (401, 403))
            t.ok(ok, '%r: %d' % (auth and auth[:30], status), r)
            if r.status == 401:
                t.ok('Bearer' in r.headers['WWW-Authenticate'], 'says how', r.headers)
            if r.status > 300:
                t.ok(r.headers['Content-Type'] == 'application/problem+json' and
                     's3cret' not in r.text.replace(auth or '-', ''), 'and no more', r)
            stored += r.status == 201
        count = lambda: site.sql('SELECT count(*) FROM changes')[0][0]
        t.equal(count(), stored, 'only what was allowed is stored')
        t.equal(publish(None, 'DELETE').status, 401, 'removing needs a key')
        t.equal(publish('Bearer wrong', 'DELETE').status, 403, 'a right one')
        t.equal(count(), stored, 'nothing is removed')
        for path in ('/push/publish?channel=a', '/push/poll?channel=a', '/push/status'):
            t.equal(site.get(path).status, 200, 'reading needs none: ' + path)
        r = site.post('/push/publish', 'channel=a&data=x', 'application/x-www-form-urlencoded')
        t.equal(r.status, 401, 'a form needs one')
        r = site.post('/push/publish?batch=1', '[{"channel":"a","data":"x"}]', 'application/json')
        t.equal(r.status, 401, 'a batch too')

        host = '127.0.0.1:%d' % site.port
        key = 'Bearer plain-secret'
        for origin, status in (('https://app.example', 201), ('http://' + host, 201),
                               ('https://evil.example', 403), ('null', 403),
                               ('http://127.0.0.1', 403), ('http://%s.evil' % host, 403),
                               ('https://app.example.evil', 403), ('x' * 3000, 403)):
            r = publish(key, Origin=origin)
            t.ok(r.status == status, 'a page of %s: %d' % (origin[:40], status), r)
        t.equal(publish(key, 'DELETE', Origin='https://evil.example').status, 403,
                'removing likewise')
        t.equal(publish(key, 'DELETE').status, 204, 'with key and without Origin it is done')
        t.equal(count(), 0, 'all is gone')

    with Site() as site:
        r = site.post('/push/publish?channel=a', 'x')
        t.equal(r.status, 201, 'from loopback, where the configuration says so')
        r = site.post('/push/publish?channel=a', 'x', None, {'Origin': 'https://evil.example'})
        t.equal(r.status, 403, 'but not from a page of another site')
        r = site.post('/push/publish?channel=a', 'x', None, {'Authorization': 'Bearer x'})
        t.equal(r.status, 403, 'nor with a wrong key')
        r = site.post('/push/publish?channel=a', 'x', None, {'X-Forwarded-For': '192.0.2.1'})
        t.ok(r.status in (201, 401), 'X-Forwarded-For is no error', r)

    with Site(settings={'access': {'publish_from_loopback': 'no'}}) as site:
        for headers in ({}, {'X-Forwarded-For': '127.0.0.1'}, {'X-Real-IP': '::1'},
                        {'Remote-Addr': '127.0.0.1'}, {'Authorization': 'Bearer '}):
            r = site.post('/push/publish?channel=a', 'x', None, headers)
            t.ok(r.status in (401, 403), 'no key in the configuration: nobody, %r' % headers, r)
        t.equal(site.sql('SELECT count(*) FROM changes'), [(0,)], 'nothing is stored')
        t.ok(site.lives(), 'the programs live')


run(main)
