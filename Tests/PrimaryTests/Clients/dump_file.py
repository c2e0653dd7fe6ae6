"""Prints the dump of a plain database file, as the client programs do for their replicas: `dump_file.py FILE`."""

import json
import sys

from judge import dump_file

print(json.dumps(dump_file(sys.argv[1])))
