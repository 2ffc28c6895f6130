"""Pages in a browser that nothing may leave, and what is in the way of people who can't see or use a page as others do."""
from contextlib import contextmanager
from urllib.parse import urlparse

from axe_playwright_python.sync_playwright import Axe

DESKTOP, PHONE = {'width': 1265, 'height': 900}, {'width': 375, 'height': 700}  # 1,280 pixels less a scroll bar


@contextmanager
def watched_page(browser, **options):
    "A page that remembers its faults: console errors, failed requests, and requests to any host at all."
    context = browser.new_context(**{'viewport': DESKTOP, **options})
    page = context.new_page()
    page.faults = []
    page.on('console', lambda message: message.type in ('error', 'warning') and page.faults.append(message.text))
    page.on('pageerror', lambda error: page.faults.append(str(error)))
    page.on('requestfailed', lambda request: page.faults.append(f'failed: {request.url}'))
    page.on('request', lambda request: urlparse(request.url).scheme in ('file', 'data', 'blob') or page.faults.append(f'left the folder: {request.url}'))
    yield page
    context.close()


def serious(page, **options):
    "What axe finds to be in the way of people who can't see or use a page as others do."
    found = Axe().run(page, options={'resultTypes': ['violations'], **options}).response['violations']
    return [(v['id'], [n['html'][:160] for n in v['nodes'][:4]], [n.get('failureSummary', '')[:200] for n in v['nodes'][:1]])
            for v in found if v['impact'] in ('serious', 'critical')]
