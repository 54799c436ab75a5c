"""Tables and constraints, no verbs."""
