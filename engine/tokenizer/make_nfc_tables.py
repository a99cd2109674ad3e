"""Prints nfc_tables.inl from the Unicode data of this Python: make_nfc_tables.py > nfc_tables.inl"""

import sys
import unicodedata

HANGUL = range(0xAC00, 0xD7A4)  # composed by arithmetic


def decompositions():
    for code in range(sys.maxunicode + 1):
        mapping = unicodedata.decomposition(chr(code))
        if mapping and not mapping.startswith("<") and code not in HANGUL:
            first, second = ([int(part, 16) for part in mapping.split()] + [0])[:2]
            composed = unicodedata.normalize("NFC", chr(code)) == chr(code)
            yield code, first, second, int(composed)


def classes():
    """Runs of code points with one combining class."""
    first = last = kind = 0
    for code in range(sys.maxunicode + 1):
        this = unicodedata.combining(chr(code))
        if this and this == kind and code == last + 1:
            last = code
            continue
        if kind:
            yield first, last, kind
        first, last, kind = code, code, this
    if kind:
        yield first, last, kind


def table(name, of, rows):
    cells = ["{" + ",".join(f"{v:#x}" if v > 9 else str(v) for v in row) + "}," for row in rows]
    print(f"constexpr {of} {name}[] = {{")
    line = ""
    for cell in cells:
        if len(line) + len(cell) > 118:
            print(line)
            line = ""
        line += cell
    print(line + "\n};")


print("// clang-format off")
print(f"// Made by make_nfc_tables.py from Unicode {unicodedata.unidata_version}.")
table("kDecompositions", "Decomposition", decompositions())
table("kClasses", "ClassRange", classes())
print("// clang-format on")
