"""
python -m webrtc serve --socket PATH --rec DIR [--host IP] [--engine port|aiortc] [--open-door --port N]
python -m webrtc export REC OUT --key-file F

`serve` is one media worker. `export` decrypts one room's folder to playable .webm files (.mkv where they are H.264) and verifies the
chain on the way: exit 0 if everything recorded is there and unchanged, 1 if not (what opens is written all
the same), 64 for wrong usage. Reasons and ledger entries for an export are the office's.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from storage import BadBox, vault
from webrtc import journal


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    asked = _parse(arguments)
    return asked.run(asked) or 0


def _serve(asked: argparse.Namespace) -> int:
    from webrtc.engine import Wire, serve

    production = os.environ.get("ENV", "").strip().lower() == "production"
    if asked.open_door and production:
        print("the open door does not stand in production", file=sys.stderr)
        return 64
    if asked.open_door and asked.host not in ("", "127.0.0.1"):
        print("the open door stands on loopback only: --host 127.0.0.1", file=sys.stderr)
        return 64
    if not asked.open_door and asked.socket is None:
        print("--socket PATH is needed", file=sys.stderr)
        return 64
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    for noisy in ("aiortc", "aioice"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.umask(0o077)
    host = asked.host or ("127.0.0.1" if asked.open_door else "")
    wire = Wire(asked.engine, host, asked.udp_port, asked.public_host)
    asyncio.run(serve(asked.socket, asked.rec, wire, asked.port if asked.open_door else None))
    return 0


def _export(asked: argparse.Namespace) -> int:
    key = asked.key_file.read_bytes()
    if len(key) != vault.KEY_BYTES:
        print(f"{asked.key_file}: a key has {vault.KEY_BYTES} bytes", file=sys.stderr)
        return 64
    manifest = export(asked.rec, asked.out, key)
    print(json.dumps(manifest, indent=1, sort_keys=True))
    return 0 if manifest["intact"] else 1


def export(folder: Path, out: Path, key: bytes) -> dict[str, Any]:
    """Write a room's segments as files that play, `journal.jsonl` and `manifest.json` into `out`; returns the manifest."""
    manifest = journal.manifest_of(folder, key)
    out.mkdir(parents=True, exist_ok=True)
    for segment in manifest["segments"]:
        name = segment["segment"]
        with (out / journal.file_name(segment)).open("wb") as stream:
            try:
                for plain in journal.fragments(folder / f"{name}.rec", key, manifest["room"]):
                    stream.write(plain)
            except (BadBox, FileNotFoundError):
                continue  # the manifest's problems name it
    (out / journal.NAME).write_bytes((folder / journal.NAME).read_bytes())
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    return manifest


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m webrtc", description=__doc__)
    parser.error = lambda message: parser.exit(64, f"{message}\n")  # type: ignore[assignment,method-assign]
    verbs = parser.add_subparsers(required=True)
    serve = verbs.add_parser("serve", help="one media worker")
    serve.add_argument("--socket", type=Path)
    serve.add_argument("--rec", type=Path, required=True)
    serve.add_argument("--host", default="", help="the one address to bind; default: every one but loopback")
    serve.add_argument("--engine", choices=("port", "aiortc"), default="port", help="port: one UDP port for all")
    serve.add_argument("--udp-port", type=int, default=0, help="engine port: the one UDP port; 0 takes any")
    serve.add_argument(
        "--public-host", default="", help="engine port: the address that browsers send to, if not --host"
    )
    serve.add_argument("--open-door", action="store_true", help="POST /offer on loopback, for tests")
    serve.add_argument("--port", type=int, default=8081)
    serve.set_defaults(run=_serve)
    take = verbs.add_parser("export", help="decrypt a room's folder to files that play")
    take.add_argument("rec", type=Path)
    take.add_argument("out", type=Path)
    take.add_argument("--key-file", type=Path, required=True)
    take.set_defaults(run=_export)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
