# SPDX-License-Identifier: MIT
"""A headless Firefox with the interface of page.Browser.

    with Site() as site, Firefox() as browser:
        browser.open(site.url + '/clock-sse.html')

Debian has no geckodriver, so this speaks Firefox's own Marionette protocol:
each packet is its length in decimal, a colon and a JSON array,
[0, id, command, parameters] out and [1, id, error, result] back.  What the
console and the network say is asked of Firefox itself, in its privileged
context.
"""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile

from page import DEADLINE_S, Pages, tidings_test, until

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'  # W3C WebDriver's name for it

# Nothing that it would do by itself: no updates, no reports, no first run, no
# lists from elsewhere; and the way back to a page is never through the disk.
PREFERENCES = {
    'app.normandy.enabled': False,
    'app.shield.optoutstudies.enabled': False,
    'app.update.auto': False,
    'app.update.disabledForTesting': True,
    'browser.cache.disk.enable': False,
    'browser.contentblocking.introCount': 99,
    'browser.discovery.enabled': False,
    'browser.newtabpage.activity-stream.feeds.telemetry': False,
    'browser.newtabpage.enabled': False,
    'browser.ping-centre.telemetry': False,
    'browser.region.network.url': '',
    'browser.region.update.enabled': False,
    'browser.safebrowsing.blockedURIs.enabled': False,
    'browser.safebrowsing.downloads.enabled': False,
    'browser.safebrowsing.malware.enabled': False,
    'browser.safebrowsing.phishing.enabled': False,
    'browser.safebrowsing.update.enabled': False,
    'browser.search.geoip.url': '',
    'browser.search.update': False,
    'browser.sessionstore.resume_from_crash': False,
    'browser.shell.checkDefaultBrowser': False,
    'browser.startup.blankWindow': False,
    'browser.startup.homepage': 'about:blank',
    'browser.startup.homepage_override.mstone': 'ignore',
    'browser.startup.page': 0,
    'browser.tabs.unloadOnLowMemory': False,
    'browser.tabs.warnOnClose': False,
    'browser.topsites.contile.enabled': False,
    'browser.urlbar.suggest.searches': False,
    'browser.uitour.enabled': False,
    'browser.warnOnQuit': False,
    'captivedetect.canonicalURL': '',
    'datareporting.healthreport.service.enabled': False,
    'datareporting.healthreport.uploadEnabled': False,
    'datareporting.policy.dataSubmissionEnabled': False,
    'datareporting.policy.dataSubmissionPolicyBypassNotification': True,
    'dom.disable_beforeunload': True,
    'dom.ipc.processPrelaunch.enabled': False,
    'dom.push.connection.enabled': False,
    'extensions.autoDisableScopes': 15,
    'extensions.blocklist.enabled': False,
    'extensions.enabledScopes': 0,
    'extensions.getAddons.cache.enabled': False,
    'extensions.systemAddon.update.enabled': False,
    'extensions.update.enabled': False,
    'geo.provider.testing': True,
    'media.gmp-manager.updateEnabled': False,
    'messaging-system.rsexperimentloader.enabled': False,
    'network.captive-portal-service.enabled': False,
    'network.connectivity-service.enabled': False,
    'network.dns.disablePrefetch': True,
    'network.prefetch-next': False,
    'network.proxy.type': 0,
    'network.trr.mode': 5,
    'security.certerrors.mitm.priming.enabled': False,
    'security.remote_settings.crlite_filters.enabled': False,
    'security.remote_settings.intermediates.enabled': False,
    'services.settings.server': 'data:,#remote-settings-dummy/v1',
    'signon.autofillForms': False,
    'signon.rememberSignons': False,
    'toolkit.cosmeticAnimations.enabled': False,
    'toolkit.startup.max_resumed_crashes': -1,
    'toolkit.telemetry.enabled': False,
    'toolkit.telemetry.reportingpolicy.firstRun': False,
    'toolkit.telemetry.server': '',
    'trailhead.firstrun.didSeeAboutWelcome': True,
}

# Keeps what goes wrong on the network in a list, in Firefox's parent process.
LISTEN = r'''
    const said = globalThis.tidingsSaid = [];
    const note = (subject, topic) => {
        const channel = subject.QueryInterface(Ci.nsIHttpChannel);
        const url = channel.URI.spec;
        if (topic === 'http-on-stop-request') {
            // Aborted is what the page itself broke off; what has a status
            // was told of already.
            if (!Components.isSuccessCode(channel.status) &&
                channel.status !== Cr.NS_BINDING_ABORTED)
                said.push([url, '0x' + channel.status.toString(16)]);
        } else if (channel.responseStatus >= 400)
            said.push([url, String(channel.responseStatus)]);
    };
    for (const topic of ['http-on-examine-response',
        'http-on-examine-cached-response', 'http-on-stop-request'])
        Services.obs.addObserver(note, topic);
    Services.console.reset();
'''

# What was said since the last time: of the page's origin, or thrown by it.
TELL = r'''
    const origin = arguments[0];
    const bad = [];
    for (const [url, what] of globalThis.tidingsSaid.splice(0))
        if (origin !== null && url.startsWith(origin))
            bad.push(what + ': ' + url);
    for (const line of Services.console.getMessageArray()) {
        if (!(line instanceof Ci.nsIScriptError) ||
            line.flags & Ci.nsIScriptError.warningFlag ||
            !/content javascript|DOM Worker|Content Security/i
                .test(line.category))
            continue;
        if (origin !== null && line.sourceName.startsWith(origin))
            bad.push(line.errorMessage + ' at ' + line.sourceName + ':' +
                line.lineNumber);
    }
    Services.console.reset();
    return bad;
'''


class Failure(tidings_test.Failure):
    """An error that Firefox told."""


class Marionette:
    """The wire: one command at a time, each answered before the next."""

    def __init__(self, port):
        self.sock = socket.create_connection(('127.0.0.1', port), timeout=5)
        # A browser takes its time to start on a busy machine.
        self.sock.settimeout(180 * tidings_test.PATIENCE)
        self.buffer, self.id = b'', 0
        hello = self.read()
        if hello.get('marionetteProtocol') != 3:
            raise Failure('another protocol: %r' % hello)

    def read(self):
        while True:
            length, colon, rest = self.buffer.partition(b':')
            if colon and len(rest) >= int(length):
                self.buffer = rest[int(length):]
                return json.loads(rest[:int(length)])
            data = self.sock.recv(65536)
            if not data:
                raise Failure('Firefox closed the connection')
            self.buffer += data

    def ask(self, command, **parameters):
        self.id += 1
        packet = json.dumps([0, self.id, command, parameters]).encode()
        self.sock.sendall(b'%d:%s' % (len(packet), packet))
        _, number, error, result = self.read()
        assert number == self.id, (number, self.id)
        if error is not None:
            raise Failure('%s: %s: %s' % (command, error['error'],
                                          error['message']))
        # A single thing comes as {"value": thing}.
        if isinstance(result, dict) and set(result) == {'value'}:
            return result['value']
        return result

    def close(self):
        self.sock.close()


class Firefox(Pages):
    """A headless Firefox."""

    name = 'firefox'

    @classmethod
    def binary(cls):
        return 'firefox-esr'

    def __init__(self, preferences=None):
        self.preferences = dict(PREFERENCES, **(preferences or {}))
        self.origin = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix='tidings-firefox.')
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        try:
            with contextlib.suppress(OSError, Failure):
                self.wire.ask('Marionette:Quit', flags=['eForceQuit'])
        finally:
            self.stop()

    def start(self):
        profile = os.path.join(self.directory, 'profile')
        os.mkdir(profile)
        port = tidings_test.free_port()
        self.preferences['marionette.port'] = port
        with open(os.path.join(profile, 'user.js'), 'w') as f:
            for name, value in sorted(self.preferences.items()):
                f.write('user_pref(%s, %s);\n' % (json.dumps(name),
                                                  json.dumps(value)))
        # A home of its own: it makes folders there, and asks whose it is.
        environment = dict(os.environ, HOME=self.directory,
                           XDG_CACHE_HOME=self.directory,
                           XDG_CONFIG_HOME=self.directory,
                           XDG_RUNTIME_DIR=self.directory,
                           MOZ_CRASHREPORTER_DISABLE='1')
        for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'DBUS_SESSION_BUS_ADDRESS'):
            environment.pop(name, None)
        self.output = os.path.join(self.directory, 'output')
        with open(self.output, 'wb') as output:
            self.process = subprocess.Popen(
                [shutil.which(self.binary()), '--headless', '--no-remote',
                 '--profile', profile, '--marionette',
                 '--remote-allow-system-access',
                 '--width', '1280', '--height', '900', 'about:blank'],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=environment)
        self.wire = None
        until(lambda: self.connect(port), 60)
        if self.wire is None:
            with open(self.output, errors='replace') as output:
                raise Failure('Firefox does not start: ' + output.read()[-800:])
        self.wire.ask('WebDriver:NewSession', acceptInsecureCerts=True,
                      pageLoadStrategy='normal')
        self.wire.ask('WebDriver:SetTimeouts', script=DEADLINE_S * 1000,
                      pageLoad=DEADLINE_S * 1000, implicit=0)
        self.privileged(LISTEN)

    def connect(self, port):
        if self.process.poll() is not None:
            return True
        with contextlib.suppress(OSError):
            self.wire = Marionette(port)
        return self.wire

    def stop(self):
        if getattr(self, 'wire', None) is not None:
            self.wire.close()
        process = getattr(self, 'process', None)
        if process is not None:
            try:
                process.wait(5 * tidings_test.PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self):
        """Of Firefox and all its children."""
        return tidings_test.family(self.process.pid)

    def privileged(self, script, *arguments):
        """Runs the script as a part of Firefox itself."""
        self.wire.ask('Marionette:SetContext', value='chrome')
        try:
            return self.wire.ask('WebDriver:ExecuteScript', script=script,
                                 args=list(arguments), sandbox='system',
                                 newSandbox=False)
        finally:
            self.wire.ask('Marionette:SetContext', value='content')

    def navigate(self, url):
        self.wire.ask('WebDriver:Navigate', url=url)

    def back(self):
        self.wire.ask('WebDriver:Back')

    def js(self, script, *arguments):
        return self.wire.ask('WebDriver:ExecuteScript', script=script,
                             args=list(arguments), sandbox=None)

    def js_async(self, script, *arguments):
        return self.wire.ask('WebDriver:ExecuteAsyncScript', script=script,
                             args=list(arguments), sandbox=None)

    def find(self, selector):
        return self.wire.ask('WebDriver:FindElement', using='css selector',
                             value=selector)[ELEMENT]

    def click(self, selector):
        self.wire.ask('WebDriver:ElementClick', id=self.find(selector))

    def type(self, selector, text):
        element = self.find(selector)
        self.wire.ask('WebDriver:ElementClear', id=element)
        self.wire.ask('WebDriver:ElementSendKeys', id=element, text=text)

    def complaints(self):
        """What went wrong since the last call: requests that failed or were
        refused, and what scripts of the page threw."""
        return self.privileged(TELL, self.origin)

    def frozen(self):
        """Here it is the process of the page that stands still."""
        return tidings_test.stopped([self.page_pid()])

    def page_pid(self):
        """Of the page in front."""
        return self.privileged(
            'return gBrowser.selectedBrowser.browsingContext'
            '.currentWindowGlobal.osPid')

    def screenshot(self, path):
        with open(path, 'wb') as f:
            f.write(base64.b64decode(self.wire.ask(
                'WebDriver:TakeScreenshot', full=False, hash=False)))

    # -- tabs

    def tab(self):
        return self.wire.ask('WebDriver:GetWindowHandle')

    def tabs(self):
        return self.wire.ask('WebDriver:GetWindowHandles')

    def new_tab(self, url=None):
        self.switch(self.wire.ask('WebDriver:NewWindow', type='tab',
                                  focus=True)['handle'])
        if url is not None:
            self.visit(url)
        return self.tab()

    def look(self, tab):
        self.wire.ask('WebDriver:SwitchToWindow', handle=tab, focus=False)

    def switch(self, tab):
        self.wire.ask('WebDriver:SwitchToWindow', handle=tab, focus=True)

    def close_tab(self):
        left = self.wire.ask('WebDriver:CloseWindow')
        if left:
            self.look(left[-1])
