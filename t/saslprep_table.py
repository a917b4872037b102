#!/usr/bin/python3
"""Writes the tables of common/saslprep.c from the Unicode data that come with
Python, which have those of Unicode 3.2, as RFC 3454 wants them (Perl, which
has the simple case folding that t/fold_table.pl needs, does not):

	python3 t/saslprep_table.py classes >common/saslprep_table.h
	python3 t/saslprep_table.py nfkc >common/nfkc_table.h
"""
import stringprep
import sys
import unicodedata

old = unicodedata.ucd_3_2_0
ALL = range(0x80, 0x110000)


def table(comment, head, numbers):
    print(f"/* {comment} */\nstatic const {head}[] = {{")
    line = "\t"
    for row in numbers:
        text = "".join(f"{n}," for n in row)
        if len(line + text) > 92:
            print(line)
            line = "\t"
        line += text
    print(line + "\n};")


def ranges(test):
    out = []
    for u in ALL:
        if not test(chr(u)):
            continue
        if out and out[-1][1] == u - 1:
            out[-1][1] = u
        else:
            out.append([u, u])
    return out


def prohibited(c):
    return any(f(c) for f in (stringprep.in_table_c12, stringprep.in_table_c22,
        stringprep.in_table_c3, stringprep.in_table_c4, stringprep.in_table_c5,
        stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
        stringprep.in_table_c9))


def compatibility(u):
    """One step of the decomposition, if it is one of compatibility."""
    d = old.decomposition(chr(u)).split()
    return [int(x, 16) for x in d[1:]] if d and d[0][0] == "<" else []


def classes():
    for name, comment, test in (
        ("prep_nothing", "Mapped to nothing (B.1).", stringprep.in_table_b1),
        ("prep_space", "Spaces (C.1.2).", stringprep.in_table_c12),
        ("prep_prohibited", "Prohibited (C.1.2, C.2.2, C.3 to C.9).",
            prohibited),
        ("prep_unassigned", "Not in Unicode 3.2 (A.1).",
            stringprep.in_table_a1),
        ("prep_right", "RandALCat (D.1).", stringprep.in_table_d1),
        ("prep_left", "LCat, beyond ASCII (D.2).", stringprep.in_table_d2),
    ):
        table(comment + "  From, to.", "uint32_t " + name, ranges(test))


def nfkc():
    one, many, text = [], [], []
    for u in ALL:
        parts = compatibility(u)
        if len(parts) == 1:
            by = parts[0] - u
            if one and one[-1][1] == u - 1 and one[-1][2] == by:
                one[-1][1] = u
            else:
                one.append([u, u, by])
        elif parts:
            many.append([u, len(text)])
            text += parts
    many.append([0xffffffff, len(text)])
    table("From, to: what is added makes the character that it stands for.",
        "int32_t nfkc_one", one)
    table("A character, and where what it stands for begins.",
        "uint32_t nfkc_many", many)
    table("What those stand for.", "uint32_t nfkc_text", [[t] for t in text])
    table("Made of others, and never made of them (composition exclusions)."
        "  From, to.", "uint32_t nfkc_apart", ranges(lambda c:
        not old.decomposition(c).startswith("<") and old.decomposition(c)
        and old.normalize("NFC", c) != c))


what = sys.argv[1]
guard = {"classes": "SASLPREP", "nfkc": "NFKC"}[what]
print(f"#ifndef COMMON_{guard}_TABLE_H\n#define COMMON_{guard}_TABLE_H")
print(f"/* Part of saslprep.c.  Made by t/saslprep_table.py from Unicode"
    f" {old.unidata_version}. */")
print("#include <stdint.h>\n\n/* clang-format off */")
globals()[what]()
print("/* clang-format on */\n#endif")
