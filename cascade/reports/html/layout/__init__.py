"""How is the page laid out? Sections, charts and number formats."""
