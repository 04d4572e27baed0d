"""Print the schema: `python -m schema > schema/schema.graphql`."""

from __future__ import annotations

import sys

from schema.schema import build_schema

if __name__ == "__main__":
    sys.stdout.write(f"{build_schema().as_str().strip()}\n")
