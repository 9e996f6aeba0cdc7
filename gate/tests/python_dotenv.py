"""What python-dotenv reads: a list of texts on standard input, a list of objects on standard output."""

import io
import json
import logging
import sys

from dotenv import dotenv_values

logging.disable()  # it warns of every line that it passes over


def read(text):
    # As from a file: line ends are translated, and a byte order mark is the parser's business.
    pairs = dotenv_values(stream=io.StringIO(text, newline=None), interpolate=False)
    return {name: value for name, value in pairs.items() if value is not None}


json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
