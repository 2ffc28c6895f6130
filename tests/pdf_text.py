"""The text of a PDF that Chromium has made."""
import re
import zlib


def streams(data):
    "The objects of a file by their numbers: what is said of each, and its content, unpacked."
    for number, body in re.findall(rb'(?:^|[\r\n])(\d+) 0 obj(.*?)endobj', data, re.S):
        head, _, rest = body.partition(b'stream')
        content = rest.lstrip(b'\r\n').partition(b'endstream')[0]
        yield number, head, zlib.decompressobj().decompress(content) if b'FlateDecode' in head else content


def letters(table):
    "What the glyphs of a font stand for, by the table that a font has for those who copy text."
    def text(code):
        return bytes.fromhex(code.decode()).decode('utf-16-be')
    found = {}
    for block in re.findall(rb'beginbfchar(.*?)endbfchar', table, re.S):
        found |= {int(glyph, 16): text(code) for glyph, code in re.findall(rb'<(\w+)>\s*<(\w+)>', block)}
    for block in re.findall(rb'beginbfrange(.*?)endbfrange', table, re.S):
        for first, last, code in re.findall(rb'<(\w+)>\s*<(\w+)>\s*<(\w+)>', block):
            start = text(code)
            found |= {glyph: start[:-1] + chr(ord(start[-1]) + n) for n, glyph in enumerate(range(int(first, 16), int(last, 16) + 1))}
    return found


def text_of_pdf(data):
    "All text, in the order in which it is drawn."
    objects = {number: (head, content) for number, head, content in streams(data)}
    fonts = {}
    for head, _ in objects.values():
        for name, number in re.findall(rb'/(F\d+) (\d+) 0 R', head):
            if table := re.search(rb'/ToUnicode (\d+) 0 R', objects[number][0]):
                fonts[name] = letters(objects[table[1]][1])
    said = []
    for _, content in objects.values():
        font = {}
        for name, shown in re.findall(rb'/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>', content) if b' Tf' in content else []:
            if name:
                font = fonts.get(name, {})
            else:
                said += [font.get(int(shown[i:i + 4], 16), '') for i in range(0, len(shown), 4)]
    return ''.join(said)
