"""What does the page show? Its content as plain data."""
