"""May the challenger take the place of the champion?"""
