"""Any WSGI server runs `wsgi:app`."""

from notary.app import create_app
from notary.parts import parts_from
from notary.settings import Settings

app = create_app(parts_from(Settings.from_env()))
