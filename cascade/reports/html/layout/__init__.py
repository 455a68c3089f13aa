"""How does the page look? Sections, charts and number formats."""
