"""Pages of HTML as PDF, by a Chromium, if there is one."""
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm.auto import tqdm

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'msedge', 'microsoft-edge', 'microsoft-edge-stable')
ON_MACOS = 'Google Chrome', 'Chromium', 'Microsoft Edge'
ON_WINDOWS = 'Google/Chrome/Application/chrome.exe', 'Chromium/Application/chrome.exe', 'Microsoft/Edge/Application/msedge.exe'
FOLDERS = 'ProgramFiles', 'ProgramW6432', 'ProgramFiles(x86)', 'LocalAppData'  # variables of Windows, which may stand on another disk than C:
HOW = 'Open a page in any browser and print it, or choose "Save as PDF" there'


def places():
    "Where installers put a browser whose name is no command: for everyone who uses the computer, or for one."
    for folder in (Path('/Applications'), Path.home() / 'Applications'):
        yield from (folder / f'{name}.app' / 'Contents' / 'MacOS' / name for name in ON_MACOS)
    for folder in filter(None, map(os.environ.get, FOLDERS)):
        yield from (Path(folder) / name for name in ON_WINDOWS)


def chromium():
    "The path of a Chromium, Chrome or Edge, or None. The variable CHROMIUM names one that stands elsewhere."
    found = os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, NAMES)), None)
    return found or next((str(place) for place in places() if place.exists()), None)


def launched(driver, program):
    "A browser without a window."
    root = hasattr(os, 'geteuid') and os.geteuid() == 0  # who may not use Chromium's sandbox
    return driver.chromium.launch(executable_path=program, args=['--no-sandbox'] * root)


def print_all(pages, program, playwright):
    "Print the pages, and return the paths of the PDF files."
    written = []
    try:
        with playwright.sync_playwright() as driver:
            browser = launched(driver, program)
            tab = browser.new_page()
            for page in tqdm(pages, desc='PDF', unit='file'):
                tab.goto(page.resolve().as_uri())
                tab.pdf(path=page.with_suffix('.pdf'), prefer_css_page_size=True, tagged=True, outline=True)
                written.append(page.with_suffix('.pdf'))
            browser.close()
    except playwright.Error as error:
        left = f'{len(pages) - len(written)} of {len(pages)} pages are not printed'
        tqdm.write(f'{left}, because {program} failed: {error.message.splitlines()[0]}. {HOW}.', file=sys.stderr)
    return written


def print_to_pdf(pages):
    "Print each page to a tagged PDF beside it, and return their paths: none, and a sentence on what to do, where that can't be done."
    program = chromium()
    try:
        from playwright import sync_api as playwright
    except ImportError:
        tqdm.write(f'No PDF: this needs the package playwright. {HOW}.', file=sys.stderr)
        return []
    if not program:
        tqdm.write(f'No PDF: no Chromium, Chrome or Edge was found; the variable CHROMIUM can name one. {HOW}.', file=sys.stderr)
        return []
    with ThreadPoolExecutor(1) as alone:  # a thread without an event loop, which notebooks have in theirs
        return alone.submit(print_all, pages, program, playwright).result()
