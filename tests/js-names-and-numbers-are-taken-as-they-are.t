#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-names-and-numbers-are-taken-as-they-are.t - issue 4: events and channels that
# are called as members of every object are, 0 as a start, data that is no JSON,
# an answer to publish() that is none.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


NAMES = ['constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty']
HEAR = """
const names = arguments[0];
watch('feed', Object.assign({}, arguments[1], { channels: names }));
window.heard = [];
for (const name of names)
	feeds.feed.on(name, m => heard.push([m.channel, m.event]));
"""
PUBLISH = """
const done = arguments[arguments.length - 1], data = {};
data.data = arguments[0] ? data : 'x';
const say = (...all) => done(all);
feeds.feed.publish('feed', data).then(id => say('id'), error =>
	say('error', error instanceof Error));
"""


def test(t, stage):
    client = stage.clients[0]
    for name in NAMES:
        stage.site.publish_sql(name, 'before', name)
    client.js(HEAR, NAMES, {'share': False, 'since': 'earliest', 'retry': 100,
                            'transports': ['sse']})
    client.watched.append('feed')
    for name in NAMES:
        stage.site.publish_sql(name, 'after', name)
    want = [[name, name] for name in NAMES] * 2
    t.soon(lambda: client.js('return heard.length') >= len(want),
           'names of members: events by name', 10,
           lambda: client.js('return heard'))
    t.equal(client.js('return heard'), want, 'once, and in order')
    for n in range(3):
        stage.site.publish_sql('zero', str(n))
    client.js("feeds.feed.subscribe('zero', 0)")
    t.soon(lambda: [m[3] for m in client.got('feed') if m[1] == 'zero'] ==
           ['0', '1', '2'], 'a start of 0: all there is', 10,
           lambda: client.story('feed'))
    t.equal(client.browser.js_async(PUBLISH, True), ['error', True],
            'publish() of what is no JSON: rejected')
    client.proxy.say('{}', 'application/json', '/push/publish', status=201)
    t.equal(client.browser.js_async(PUBLISH, False), ['error', True],
            'an answer to publish() without an id: rejected in the end')
    t.equal(client.thrown(), [], 'nothing is thrown')


stage_test(test, only='chromium')
