#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-goes-on-when-online-again.t - issue 4: the browser says that it is offline,
# and then online: the library goes on at once, however long its back-off has
# become, and loses nothing.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


def offline(client, yes):
    """As if somebody had pulled the cable, or put it in."""
    if client.name == 'firefox':
        client.browser.privileged('Services.io.offline = arguments[0]', yes)
    else:
        client.browser.driver.execute_cdp_cmd('Network.enable', {})
        client.browser.driver.execute_cdp_cmd(
            'Network.emulateNetworkConditions',
            {'offline': yes, 'latency': 0, 'downloadThroughput': -1,
             'uploadThroughput': -1})


def test(t, stage):
    for name in ('ws', 'sse', 'longpoll', 'iframe', 'poll'):
        stage.watch(name, transports=[name], retry=300000, maxRetry=300000)
    stage.publish()
    stage.flows(t, 'at first')
    # To its own machine a browser talks even then.
    for client in stage.clients:
        offline(client, True)
        client.proxy.down()
    stage.soon(t, lambda client: all(
        client.status(name)['state'] == 'waiting' for name in client.watched),
        'offline: all wait')
    for client in stage.clients:
        client.proxy.up()
        offline(client, False)
    stage.flows(t, 'when online again', 5, 10)
    stage.complete(t)


stage_test(test)
