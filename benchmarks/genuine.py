"""
Is anything genuine refused? N deeds over all matters and notices, judged by our rules, by the second opinion and by poppler.

    python benchmarks/genuine.py [--deeds N]

Each deed has its own number, names and text; every fifth carries a translation, every seventh four signers, every tenth is a
notice; titles are those of `rules/matters`. pdfsig must say of both signatures that they are valid and trusted (its exit code says
nothing). The second opinion is asked of every nineteenth, in its child process, as on a bank's machine.
"""

import argparse
import copy
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "signing")]

from cryptography.hazmat.primitives.serialization import Encoding

from signing import facts as facts_room
from signing import pades, render, specimen
from signing.throwaway import authority
from signing.verify import Trust, examine, verify

EXAMPLES = ROOT / "signing" / "examples"
FACTS = facts_room.read((EXAMPLES / "facts.json").read_bytes())
NOTICE = json.loads((EXAMPLES / "notice.json").read_text())
MATTERS = [tomllib.loads(path.read_text()) for path in sorted((ROOT / "rules" / "matters").glob("*.toml"))]
ABROAD = {
    "language": "en", "title": "Notarial Certificate", "translator": "Sample Translator",
    "paragraphs": ["This is to certify that the attached instrument was signed by remote video before the notary."],
}  # fmt: skip
HOUSE = authority(FACTS["office"]["name"])
TRUST = Trust((HOUSE.root,), (HOUSE.root,))


def facts_of(no: int) -> dict:
    """The facts of paper `no`."""
    if no % 10 == 0:
        notice = copy.deepcopy(NOTICE) | {"number": f"（2026）渝示证补字第{no}号"}
        if no % 20 == 0:
            del notice["corrections"]
            notice |= {"kind": "revocation", "number": f"（2026）渝示证撤字第{no}号"}
        return notice
    facts = specimen.vary(FACTS, no) | {"test": True}
    matter = MATTERS[no % len(MATTERS)]
    facts["matter"] = {"key": matter["key"], "title": matter["deed_title"]["zh"]}
    if no % 5 == 0:
        facts["translation"] = ABROAD
    if no % 7 == 0:
        first = facts["instrument"]["signatures"][0]
        facts["instrument"]["signatures"] = [first | {"label": f"声明人{n}（签名）："} for n in range(1, 5)]
    return facts


def by_poppler(folder: Path, path: Path) -> bool:
    said = subprocess.run(
        ["pdfsig", "-no-ocsp", "-nssdir", folder / "nss", path], capture_output=True, text=True, check=False
    ).stdout
    return said.count("Signature is Valid.") == 2 and len(re.findall(r"Certificate is Trusted\.", said)) == 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deeds", type=int, default=1000)
    count, said, refused = parser.parse_args().deeds, Counter(), []
    with tempfile.TemporaryDirectory(prefix="yz-genuine-") as name:
        folder = Path(name)
        (folder / "nss").mkdir()
        (folder / "root.der").write_bytes(HOUSE.root.public_bytes(Encoding.DER))
        database = [sys.executable, str(ROOT / "tests" / "signing" / "nss_database.py")]
        subprocess.run([*database, str(folder / "nss"), str(folder / "root.der")], check=True)
        for no in range(1, count + 1):
            facts = facts_of(no)
            notary = HOUSE.notary(facts["notary"]["name"], facts["notary"].get("id"))
            deed = pades.seal(render.deed(facts), notary, HOUSE.seal, HOUSE.stamper, HOUSE.status)
            (folder / "deed.pdf").write_bytes(deed)
            told = {
                "our rules": examine(deed, TRUST).verdict == "valid",
                "pdfsig": by_poppler(folder, folder / "deed.pdf"),
            }
            if no % 19 == 0:
                told["second opinion"] = verify(deed, TRUST).verdict == "valid"
            said.update(name for name, good in told.items() if good)
            refused += [(no, name) for name, good in told.items() if not good]
    print(f"{count} papers over {len(MATTERS)} matters; called valid by", dict(said))
    print("refused:", refused or "none")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
