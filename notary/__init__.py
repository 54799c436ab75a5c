"""The office: cases, people, law. The only package that knows Flask and SQL."""
