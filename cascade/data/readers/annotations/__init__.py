"""How do the files of annotation tools become labels of images?"""
