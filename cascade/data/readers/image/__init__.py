"""How do image files become rows of pixels, and lists of images a data set?"""
