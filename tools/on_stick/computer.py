"""What this computer is, and whether the stick can set it up."""
import platform
import sys
import sysconfig
from pathlib import Path


def here():
    "This computer: its system, its machine, the Python that runs, its bits, and the version of glibc or macOS, [] if that is not known."
    system = {'Linux': 'linux', 'Darwin': 'macos', 'Windows': 'windows'}.get(platform.system(), platform.system())
    machine = {'win-amd64': 'AMD64', 'win-arm64': 'ARM64', 'win32': 'AMD64'}.get(sysconfig.get_platform(), platform.machine())
    has = platform.mac_ver()[0] if system == 'macos' else platform.libc_ver()[1] if platform.libc_ver()[0] == 'glibc' else ''
    return {'system': system, 'machine': machine, 'python': '{}.{}'.format(*sys.version_info), 'bits': 64 if sys.maxsize > 2 ** 32 else 32,
            'has': [int(part) for part in has.split('.')[:2]] if has else []}


def unfit(manifest, system, machine, python, bits, has):
    "Why this stick cannot set up a computer and what to do, in plain words; '' if it can."
    if system not in manifest['systems']:
        return 'This stick has packages for {}, not for {}: have it made for that, too.'.format(', '.join(manifest['systems']), system)
    entry = manifest['systems'][system]
    wanted = ' or '.join(entry['pythons'])
    if machine != entry['machine']:
        return ('This stick has packages for {title} on {machine}, and this Python runs on {0}. If the computer is {machine}, install another '
                'Python {1}; if not, the course cannot be set up on it from this stick.').format(machine, wanted, **entry)
    if python not in entry['pythons'] or bits != 64:
        return ('This is Python {} with {} bits, and this stick has packages for Python {} with 64. {}'
                .format(python, bits, wanted, (Path(__file__).with_name('get-python.txt')).read_text(encoding='utf-8').strip()))
    needed = entry['pythons'][python]
    if system == 'linux' and not has:
        return 'This Linux has no glibc (Alpine is such a one), and the packages need it: take a computer with another Linux.'
    if has and needed['oldest'] and has < needed['oldest']:
        return 'The packages need {} {}.{} or newer, and this computer has {}.{}: its system is too old for them.'.format(
            'macOS' if system == 'macos' else 'glibc', *needed['oldest'], *(has + [0])[:2])
    if needed['lacking']:
        return 'The package index had nothing of {} for {}, so the stick cannot set this computer up.'.format(
            ', '.join(needed['lacking']), entry['title'])
    return ''
