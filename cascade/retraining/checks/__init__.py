"""May this data be used for training?"""
