"""The types of a Counterfoil ledger, and how each stands in bytes: sections 1 and 2.

Written from src/protocol/FORMAT.md alone, as all of this folder.
"""

import re
from contextlib import contextmanager
from datetime import datetime, timedelta


class Wrong(Exception):
    """What was checked is not as it must be; the text says what and where."""


def require(condition, problem):
    if not condition:
        raise Wrong(problem)


@contextmanager
def within(where):
    """Says where something is wrong."""
    try:
        yield
    except Wrong as problem:
        raise Wrong(f"{where}: {problem}") from None


# Section 2: types. Each can read a value from bytes and write it.


class Reader:
    """Bytes that are read from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        end = self.at + count
        require(end <= len(self.data), "the bytes end too early")
        taken, self.at = self.data[self.at : end], end
        return taken


class Amount(int):
    """Units of a currency's scale."""


class Rate(int):
    """How much one of a currency is in another, in billionths."""


class Time(int):
    """Milliseconds since 1970."""

    def __str__(self):
        time = datetime(1970, 1, 1) + timedelta(milliseconds=self)
        return time.isoformat(timespec="milliseconds" if self % 1000 else "seconds") + "Z"


class Byte:
    @staticmethod
    def read(reader):
        return reader.take(1)[0]

    @staticmethod
    def write(value):
        return bytes([value])


class Integer:
    """An integer of variable length: 0 to 250 in one byte, else a mark and 2, 4 or 8 bytes."""

    WIDTHS = {0xFB: 2, 0xFC: 4, 0xFD: 8}

    def __init__(self, largest, form=int):
        self.largest, self.form = largest, form

    def read(self, reader):
        value = reader.take(1)[0]
        if value > 250:
            require(value in self.WIDTHS, "not an integer")
            encoded = reader.take(self.WIDTHS[value])
            value = int.from_bytes(encoded, "little")
            require(len(self.write(value)) == 1 + len(encoded), "an integer longer than it need be")
        require(value <= self.largest, f"{value} is more than {self.largest}")
        return self.form(value)

    def write(self, value):
        if value <= 250:
            return bytes([value])
        mark, width = next(form for form in self.WIDTHS.items() if value < 256 ** form[1])
        return bytes([mark]) + value.to_bytes(width, "little")


class Fixed:
    """So many bytes as they are."""

    def __init__(self, count):
        self.count = count

    def read(self, reader):
        return reader.take(self.count)

    def write(self, value):
        require(len(value) == self.count, f"{self.count} bytes are needed")
        return value


class String:
    def __init__(self, pattern):
        self.pattern = re.compile(pattern, re.DOTALL)

    def check(self, text):
        require(self.pattern.fullmatch(text), f"{text!r} is not of the form that it must have")
        return text

    def read(self, reader):
        try:
            return self.check(reader.take(U64.read(reader)).decode("utf-8"))
        except UnicodeDecodeError:
            raise Wrong("a string that is not UTF-8") from None

    def write(self, value):
        data = self.check(value).encode("utf-8")
        return U64.write(len(data)) + data


class Stated(list):
    """The list of an option: stated, even where it is empty."""


class Option:
    def __init__(self, of):
        self.of = of

    def read(self, reader):
        mark = reader.take(1)[0]
        require(mark <= 1, f"no option has the number {mark}")
        value = self.of.read(reader) if mark else None
        return Stated(value) if type(value) is list else value

    def write(self, value):
        return b"\0" if value is None else b"\1" + self.of.write(value)


class List:
    def __init__(self, of):
        self.of = of

    def read(self, reader):
        # Grows by what is there, never by what the length promises.
        return [self.of.read(reader) for _ in range(U64.read(reader))]

    def write(self, values):
        return U64.write(len(values)) + b"".join(map(self.of.write, values))


class Struct:
    """Fields in order; a dictionary in Python."""

    def __init__(self, **fields):
        self.fields = fields

    def read(self, reader):
        return {name: kind.read(reader) for name, kind in self.fields.items()}

    def write(self, value):
        return b"".join(kind.write(value[name]) for name, kind in self.fields.items())


class Scales:
    """A list of currencies, each with its scale, sorted; a dictionary in Python."""

    @staticmethod
    def read(reader):
        return {CURRENCY.read(reader): Byte.read(reader) for _ in range(U64.read(reader))}

    @staticmethod
    def write(value):
        pairs = (CURRENCY.write(code) + Byte.write(scale) for code, scale in sorted(value.items()))
        return U64.write(len(value)) + b"".join(pairs)


class Choice:
    """An enum whose variants have no fields; the variant's name in Python."""

    def __init__(self, *names):
        self.names = dict(enumerate(names, 1))
        self.numbers = {name: number for number, name in self.names.items()}

    def read(self, reader):
        number = reader.take(1)[0]
        require(number in self.names, f"the number {number} is unknown")
        return self.names[number]

    def write(self, value):
        return bytes([self.numbers[value]])


class Variant:
    """An enum whose variants have fields; a dictionary with the variant's name under `tag`."""

    def __init__(self, tag, /, **variants):
        self.tag, self.variants = tag, dict(enumerate(variants.items(), 1))
        self.numbers = {name: number for number, (name, _) in self.variants.items()}

    def read(self, reader):
        number = reader.take(1)[0]
        require(number in self.variants, f"no {self.tag} has the number {number}")
        name, fields = self.variants[number]
        return {self.tag: name, **fields.read(reader)}

    def write(self, value):
        number = self.numbers[value[self.tag]]
        return bytes([number]) + self.variants[number][1].write(value)


def decode(kind, data):
    """The value whose one encoding `data` is."""
    reader = Reader(data)
    value = kind.read(reader)
    require(reader.at == len(data), f"{len(data) - reader.at} bytes left over after the value")
    require(kind.write(value) == data, "not the canonical encoding of its value")
    return value


U16, U32, U64 = Integer(2**16 - 1), Integer(2**32 - 1), Integer(2**64 - 1)
TIME, AMOUNT = Integer(253370764799999, Time), Integer(2**63 - 1, Amount)
FX_RATE = Integer(2**64 - 1, Rate)
DIGEST, KEY, SIGNATURE = Fixed(32), Fixed(32), Fixed(64)
ID, CURRENCY = String("[!-~]{1,128}"), String("[A-Z0-9]{3,8}")
