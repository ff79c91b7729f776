"""python verify.py ID TIMESTAMP SIGNATURES [NOW] < body, with WEBHOOK_SECRET=whsec_…; exit code 0: it is genuine."""

import base64
import hmac
import os
import re
import sys
import time

TOLERANCE = 300  # seconds between the sender's clock and ours


def genuine(secret: str, id_: str, timestamp: str, signatures: str, body: bytes, now: float) -> bool:
    """`body` is what came in, byte for byte, before anything parsed it."""
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, "sha256")
    expected = b"v1," + base64.b64encode(digest)
    return any(hmac.compare_digest(one.encode(), expected) for one in signatures.split(" "))


if __name__ == "__main__":
    moment = float(sys.argv[4]) if len(sys.argv) > 4 else time.time()
    body = sys.stdin.buffer.read()
    sys.exit(0 if genuine(os.environ["WEBHOOK_SECRET"], *sys.argv[1:4], body, moment) else 1)
