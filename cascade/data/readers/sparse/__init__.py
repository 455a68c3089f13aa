"""How do text files of sparse rows become CSR matrices?"""
