"""Flask: one blueprint per audience; parse, one verb, answer."""
