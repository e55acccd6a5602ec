"""A program with an agent of its own, which may end in several ways."""

from __future__ import annotations

import os
import sys

from tests.capture.bots import PaymentError, check, refund


def answer(question: str) -> str:
    """An agent."""
    try:
        refund(question)
    except PaymentError as error:
        return f"{check(question)['total']} {error}"
    return "?"


def main() -> None:
    """`program.py ORDER [kill|raise|STATUS]`."""
    print(answer(sys.argv[1]), flush=True)
    how = sys.argv[2] if len(sys.argv) > 2 else "0"
    if how == "kill":
        os.kill(os.getpid(), 9)
    if how == "raise":
        raise RuntimeError("at the end")
    sys.exit(int(how))


if __name__ == "__main__":
    main()
