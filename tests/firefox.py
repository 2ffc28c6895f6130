"""Pages in Firefox, by the protocol that it speaks itself (WebDriver BiDi, a W3C draft): no driver beside it is needed."""
import asyncio
import itertools
import json
import re
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager

from tornado.websocket import websocket_connect

PROGRAM = shutil.which('firefox-esr') or shutil.which('firefox')
# Nothing of it may ask for anything elsewhere while it is tested.
SETTINGS = {'app.normandy.enabled': False, 'browser.safebrowsing.malware.enabled': False, 'datareporting.policy.dataSubmissionEnabled': False,
            'network.captive-portal-service.enabled': False, 'network.connectivity-service.enabled': False, 'network.proxy.type': 1,
            'network.proxy.http': '127.0.0.1', 'network.proxy.http_port': 9, 'network.proxy.ssl': '127.0.0.1', 'network.proxy.ssl_port': 9}


class Tab:
    def __init__(self, ask, context, faults):
        self.ask, self.context, self.faults = ask, context, faults

    def goto(self, address):
        self.ask('browsingContext.navigate', context=self.context, url=address, wait='complete')

    def evaluate(self, code):
        "What an expression comes to, once its promise is kept. Raises an `AssertionError` with what it throws."
        found = self.ask('script.evaluate', expression=f'(async () => JSON.stringify(await ({code})))()', awaitPromise=True, target={'context': self.context})
        assert found['type'] == 'success', found['exceptionDetails']['text']
        return json.loads(found['result']['value']) if 'value' in found['result'] else None

    def until(self, code, seconds=60):
        "Wait until an expression comes true."
        self.evaluate(f'''new Promise((done, failed) => {{ const end = Date.now() + {1000 * seconds}
            const look = () => ({code}) ? done(true) : Date.now() > end ? failed(Error({json.dumps(code)} + ' did not come true')) : setTimeout(look, 50); look() }})''')


@contextmanager
def tab(profile):
    "A tab of a new Firefox with its profile in this folder, and what its pages complain of in `faults`."
    profile.mkdir()
    (profile / 'user.js').write_text(''.join(f'user_pref({json.dumps(name)}, {json.dumps(value)});\n' for name, value in SETTINGS.items()))
    with open(profile / 'said.txt', 'w') as said:
        process = subprocess.Popen([PROGRAM, '--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'], stdout=said, stderr=said)
    loop, numbers, faults = asyncio.new_event_loop(), itertools.count(), []  # in a thread, since this one may have a loop already
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def kept(promise):
        return asyncio.run_coroutine_threadsafe(promise, loop).result(180)
    try:
        end = time.monotonic() + 120
        while not (place := re.search(r'ws://[\w.:]+', (profile / 'said.txt').read_text(errors='replace'))):
            assert process.poll() is None and time.monotonic() < end, (profile / 'said.txt').read_text(errors='replace')[-2000:]
            time.sleep(.1)

        async def connected():
            return await websocket_connect(f'{place[0]}/session', max_message_size=1 << 28)
        socket = kept(connected())

        def ask(method, **params):
            async def answered():
                number = next(numbers)
                await socket.write_message(json.dumps({'id': number, 'method': method, 'params': params}))
                while True:
                    said = json.loads(await socket.read_message())
                    if said.get('method') == 'log.entryAdded' and said['params']['level'] in ('error', 'warn'):
                        faults.append(said['params']['text'])
                    if said.get('id') == number:
                        assert said['type'] == 'success', said
                        return said['result']
            return kept(answered())
        ask('session.new', capabilities={})
        ask('session.subscribe', events=['log.entryAdded'])
        yield Tab(ask, ask('browsingContext.getTree')['contexts'][0]['context'], faults)
    finally:
        process.kill()
        process.wait()
        loop.call_soon_threadsafe(loop.stop)
