"""What a code cell of a lesson puts on slides: what it has shown, and the code where that is short or the matter itself."""
import re

from excerpts import folded, last_call, split_code, trimmed
from layout import HEIGHT, code_block, code_room, figure, output_block, printed_text, tables, taken
from markup import as_html, coloured
from notebooks import source


def options(code):
    return dict(re.findall(r'^#\| ?([\w-]+): ?(.*)$', code, re.M))


def in_notes(code, said=''):
    return f'{said}<pre>{coloured(code)}</pre>'


def calls(cell):
    "The source of a cell, in which an assert that is there to print, by the call that it begins with, is that call."
    prints = any(out['output_type'] == 'stream' for out in cell['outputs'])
    return re.sub(r'^assert (\w+\(.+\)) == .+$', r'\1', source(cell), flags=re.M) if prints else source(cell)


def telling(code, most, alone):
    "Has it at most so many lines, and is more than what matches `alone`, which would say no more than what it shows?"
    return 0 < len(code.splitlines()) <= most and not re.fullmatch(alone, code)


def definitions(code, lead):
    "Slides of code that shows nothing: long bodies are cut, and what is still too long is split."
    room = code_room(lead)
    pieces = split_code(folded(code, room), room)
    found = [('code', over + code_block(coloured(piece), piece, HEIGHT - taken(over)), [])
             for over, piece in zip([lead] + [''] * len(pieces), pieces)]
    if '\n\n'.join(pieces) != code and '\n'.join(pieces) != code:
        found[-1][2].append(in_notes(code, '<p>In full:</p>'))
    return found


def width_of(picture):
    return int(re.search(r'width="(\d+)"', picture)[1])


def results(cell):
    "What a cell has shown: pairs of a kind and what it is made of. Everything printed comes last, together."
    printed = ''
    for out in cell['outputs']:
        data = {kind: ''.join(value) for kind, value in out.get('data', {}).items() if kind.startswith(('text/', 'image/'))}
        if 'image/png' in data:
            yield 'figure', data['image/png']
        elif 'text/html' in data:
            yield 'table', (data['text/html'], data['text/plain'])
        else:
            printed += ''.join(out.get('text', '')) or data.get('text/plain', '')
    if printed.strip():
        yield 'result', printed


def slides_of(cell, lead, leads_on, shown):
    """Slides as triples of kind, body and what is said, and what is to be said with a later one, if there are none. `lead` is what stands
    above; `leads_on` says that it ends in a colon."""
    option, code = options(source(cell)), trimmed(calls(cell))
    fold = option.get('code-fold') == 'true'
    shows = [] if option.get('output') == 'false' else list(results(cell))
    if not shows:
        if not fold and re.search(r'^(def|class) ', code, re.M):  # what only prepares the next thing is for the notes
            return definitions(code, lead if leads_on else ''), []
        return [], [in_notes(code)] * bool(code)
    made, on_slide = [], fold
    for kind, content in shows:
        beside, told = '', []
        if kind == 'result':
            content = printed_text(content)
            beside = '' if on_slide else code if telling(code, 12 - max(0, content.count('\n') - 2), r'\w+') else last_call(code)
        elif not on_slide and telling(code, 3, r'[\w.]+(\(.*\))?;?'):
            beside = code
        lines = len(beside.splitlines())
        if kind == 'table':
            bodies = tables(*content, lead, lines)
            if len(bodies) > 1 and beside:  # rather no code than two slides
                beside, bodies = '', tables(*content, lead, 0)
        elif kind == 'figure':
            caption, alt = (option.get(f'fig-{name}', '').strip('"').replace('\\"', '"') for name in ('cap', 'alt'))
            alone = figure(content, caption, alt, 0, shown)
            body, cut = figure(content, caption, alt, lines, shown) if beside else alone
            if width_of(body) < .9 * width_of(alone[0]):  # rather no code than a small picture
                beside, (body, cut) = '', alone
            bodies, lead, told = [body], '', [as_html(caption)] if cut else []
        block = code_block(coloured(beside), beside) if beside else ''
        if kind == 'result':
            bodies, block = [block + output_block(content, taken(lead, lines))], ''
        made += [(kind, lead + body, []) for body in bodies]
        made[-1] = kind, made[-1][1] + block, told
        on_slide, lead = on_slide or beside, ''
    if code and on_slide != code:
        made[-1][2].append(in_notes(code))
    return made, []
