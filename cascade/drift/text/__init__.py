"""How do columns of text and categories become quantities that two data sets can be compared by?"""
