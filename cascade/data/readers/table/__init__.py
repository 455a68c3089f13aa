"""How do text tables, JSON lines and Parquet files become columns by their roles?"""
