"""How much fits on a slide of 1280 by 720 pixels: sizes of letters and figures, and where to split. Letters are at least 28 pixels high in
prose, 22 in tables and 20 in code, so that they can be read from the last row."""
import base64
import html
import math
import re
import struct

from markup import readable, sentences

WIDTH, HEIGHT = 1200, 580  # of the body of a slide, within its margins
GAP = 20  # between two things on it
TEXT, TABLE, CODE = 28, 22, 20  # the smallest sizes
# The name of a table's index, for which pandas adds a row to the head, though there is room for it in the first one.
INDEX_NAME = re.compile(r'<tr>\s*<th></th>(?P<names>((?!</tr>).)*)</tr>\s*<tr>\s*<th>(?P<name>[^<]+)</th>(\s*<th></th>)*\s*</tr>', re.S)
LETTER, LINE = .53, 1.35  # of an average letter's width and of a line's height, in sizes


def lines(markdown, width=WIDTH, size=TEXT):
    "How many lines a text takes, on the safe side."
    return max(1, math.ceil(len(readable(markdown)) * LETTER * size / width))


def height(markdown, width=WIDTH, size=TEXT):
    return lines(markdown, width, size) * size * LINE


def question_size(text):
    "Large, and smaller for a long question."
    return next(size for size, most in ((60, 70), (52, 130), (44, 220), (38, 330), (TEXT, math.inf)) if len(text) <= most)


def taken(lead='', code_lines=0):
    "How much of the height is taken by a lead, as HTML, and by lines of code, with the gaps."
    words = re.sub(r'<[^>]+>', '', lead)
    return (height(words) + GAP if words else 0) + (code_lines * 28 + 44 + GAP if code_lines else 0)


def code_size(code, room):
    rows = code.split('\n')
    return max(CODE, min(28, int((WIDTH - 44) / (.605 * max(map(len, rows), default=1) or 1)), int((room - 28) / (LINE * len(rows)))))


def code_room(lead):
    "How many lines of the smallest code fit under a lead."
    return int((HEIGHT - taken(lead) - 28) / (CODE * LINE))


def code_block(marked_up, code, room=None):
    "Code as large as it fits into `room` pixels; `marked_up` is the same as HTML. By default the room is what `taken` counts."
    size = code_size(code, room or code.count('\n') * 28 + 72)
    return f'<pre style="--size: {size}px" data-floor="{CODE}"><code>{marked_up}</code></pre>'


def printed_text(printed):
    "What is worth a place on a slide: not the quotes of a string, nor what pandas says under a series."
    text = re.sub(r'\n(Name: .*)?dtype: \w+$', '', printed.replace('\r', '').strip('\n'))
    return text[1:-1] if '\n' not in text and text[:1] == text[-1:] == "'" else text


def output_block(text, before):
    "What a cell has printed, where `before` pixels are taken by what stands before it. Too much of it is cut, which … says."
    if '\n' not in text and len(text) < 200:
        return f'<pre class="output said" data-floor="{TEXT}">{html.escape(text)}</pre>'
    most, rows = max(2, int((HEIGHT - before - 32) / (CODE * LINE))), [line if len(line) <= 92 else line[:91] + '…' for line in text.split('\n')]
    rows = rows if len(rows) <= most else [*rows[:most - 1], '…']
    shown = '\n'.join(rows)
    return f'<pre class="output" style="--size: {code_size(shown, HEIGHT - before - 4)}px" data-floor="{CODE}">{html.escape(shown)}</pre>'


def within(text, letters):
    "The first sentences of a text, as many as have so many letters, but at least one, and the rest."
    kept, rest = [], sentences(text)
    while rest and (not kept or len(' '.join([*kept, rest[0]])) <= letters):
        kept.append(rest.pop(0))
    return ' '.join(kept), ' '.join(rest)


def figure(png, caption, alt, code_lines, shown):
    "A figure as large as it fits, its caption beneath it or beside it, and what of the caption does not fit."
    wide, high = struct.unpack('>II', base64.b64decode(png[:64])[16:24])
    room = HEIGHT - taken(code_lines=code_lines)
    beneath, rest = within(caption, 170)
    space = room - height(beneath) - 14
    scale, beside = min(WIDTH / wide, space / high), min((WIDTH - 412) / wide, room / high)
    place = 'beneath'
    if beside > 1.05 * scale:
        place, scale = 'beside', beside
        beneath, rest = within(caption, int(room / (TEXT * LINE)) * 380 / (LETTER * TEXT) * .9)
    size = f'width="{int(wide * scale)}" height="{int(high * scale)}"'
    picture = f'<img {size} alt="{html.escape(alt)}" src="data:image/png;base64,{"".join(png.split())}">'
    return f'<figure class="{place}">{picture}<figcaption>{shown(beneath)}</figcaption></figure>', rest and caption


def tables(page, text, lead, code_lines):
    "A table of pandas, in as many parts as its rows need."
    table = re.sub(r'<style.*?</style>|</?div>| border="1"| class="dataframe"| style="[^"]*"', '', page, flags=re.S).strip()
    head, _, rest = table.partition('<tbody>')
    head = INDEX_NAME.sub(lambda found: f'<tr>\n      <th>{found["name"]}</th>{found["names"]}</tr>', head)
    rows = re.findall(r'<tr>.*?</tr>', rest, re.S)
    room = HEIGHT - taken(lead, code_lines)
    width = max(map(len, text.split('\n')))
    head_rows = head.count('<tr>') + 1  # the words of a heading may need two lines
    most = int(room / (TABLE * 1.55)) - head_rows
    count = math.ceil(len(rows) / most) if 'rowspan' not in rest else 1
    each = math.ceil(len(rows) / count)
    size = max(TABLE, min(36, int(room / ((each + head_rows) * 1.6)), int(WIDTH / (width * .6))))
    head = head.replace('<table', f'<table style="--size: {size}px" data-floor="{TABLE}"', 1)
    return [f'{head}<tbody>{"".join(rows[n:n + each])}</tbody></table>' for n in range(0, len(rows), each)]


def split_list(items, above):
    "The items of a list, in groups of which each fits on a slide under `above` pixels, and which are about as high as each other."
    needs, most = [height(item, WIDTH - 40) + 13 for item in items], HEIGHT - above
    aim = sum(needs) / math.ceil(sum(needs) / most)
    groups, used = [], math.inf
    for item, need in zip(items, needs):
        if used + need / 2 > aim or used + need > most:
            groups.append([])
            used = 0
        groups[-1].append(item)
        used += need
    return groups


def split_text(paragraphs, code_lines):
    "The paragraphs of a task, in groups of which each fits; the code comes under the last one."
    groups, used, most = [[]], 0, HEIGHT - 150 - taken(code_lines=code_lines)
    for paragraph in paragraphs:
        need = height(paragraph) + 20 + (60 if paragraph.startswith('$$') else 0)
        if groups[-1] and used + need > most:
            groups.append([])
            used = 0
        groups[-1].append(paragraph)
        used += need
    return groups
