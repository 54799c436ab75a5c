"""python -m notary up | web | work | seal | migrate | people | drain | demo | try"""

from __future__ import annotations

import argparse
import sys

from notary.settings import BadSetting, Settings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m notary", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="set up and run the whole office in the foreground")
    verbs.add_parser("web", help="one web server (any WSGI server runs wsgi:app)")
    verbs.add_parser("work", help="one worker for the job queue")
    verbs.add_parser("seal", help="the process that holds the keys")
    verbs.add_parser("demo", help="the main job without hands, in real browsers")
    verbs.add_parser("try", help="the office with cases and two windows, for one person to play all parts")
    verbs.add_parser("migrate", help="bring the database to the newest schema")
    verbs.add_parser("audit", help="does every row that matters still say what the ledger was told")
    people = verbs.add_parser("people", help="one-time enrolment links")
    people.add_argument("login", nargs="?", help="whose link; without it, of everybody who has not enrolled")
    drain = verbs.add_parser("drain", help="a media worker takes no new room, finishes those it has, and stays down")
    drain.add_argument("worker", nargs="?", type=int, help="its number; without it, how every worker does")
    drain.add_argument("--wait", action="store_true", help="return when it has ended")
    drain.add_argument("--back", action="store_true", help="take it up again")
    chosen = parser.parse_args(arguments)
    try:
        settings = Settings.from_env()
    except BadSetting as bad:
        print(f"settings: {bad}", file=sys.stderr)
        return 64
    return run(chosen, settings)


def run(chosen: argparse.Namespace, settings: Settings) -> int:
    match chosen.verb:
        case "up":
            from notary.up import up

            return up(settings)
        case "web":
            from notary.processes import web

            return web(settings)
        case "seal":
            from notary.processes import seal

            return seal(settings)
        case "demo":
            from notary.demo.play import main as demo

            return demo()
        case "try":
            from notary.demo.trying import main as trying

            return trying()
        case "work":
            from notary.work import work

            return work(settings)
        case "migrate":
            from notary.database import migrate

            migrate(settings.database_url)
            return 0
        case "audit":
            from notary.office.auditing import main as audit

            return audit(settings)
        case "drain":
            from notary.office.draining import main as drain

            return drain(settings, chosen.worker, wait=chosen.wait, back=chosen.back)
        case "people":
            from notary.up import print_links

            return print_links(settings, chosen.login)
    return 64


if __name__ == "__main__":
    sys.exit(main())
