"""What does the page contain? Its content as plain data."""
