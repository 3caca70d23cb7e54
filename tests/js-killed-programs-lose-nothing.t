#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-killed-programs-lose-nothing.t - issue 4: kill -9 of every program while
# messages are published: the library comes back over each transport and on the
# ladder, in Chromium and in Firefox, and every message arrives once and in
# order.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')


def test(t, stage):
    for name in TRANSPORTS:
        stage.watch(name, transports=[name])
    stage.watch('ladder')
    stage.publish()
    stage.flows(t, 'at first')
    for program in ('wsd', 'sse', 'longpoll', 'iframe', 'poll', 'publish'):
        stage.site.kill(program)
        stage.flows(t, 'after the death of ' + program)
    stage.complete(t)


stage_test(test)
