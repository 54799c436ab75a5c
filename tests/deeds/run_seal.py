"""A seal process of its own: `run_seal.py KEYS SOCKET DATABASE_URL ANCHOR`; its clock stands where the office's does."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from notary.database import engine_of
from notary.register import DatabaseReader
from notary.seal.serve import serve
from signing import keys as signing_keys
from signing.responder import load
from signing.stamp import LocalStamper
from signing.status import LocalStatus
from signing.tsa import StampUnit

folder, socket, database, anchor = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
root = signing_keys.load_office(folder, b"pw").chain[-1]
serve(
    folder=folder, passphrase=b"pw", socket=socket, cases=DatabaseReader(engine_of(database, pool_size=2)),
    stamper=LocalStamper(StampUnit(signing_keys.load_stamp_unit(folder / "tsu", b"pw")), (root,)),
    status=LocalStatus(load(folder / "status", folder, b"pw")), test_keys=True,
    rp_id="localhost", origin="http://localhost", now=lambda: time.time() + anchor,
)  # fmt: skip
