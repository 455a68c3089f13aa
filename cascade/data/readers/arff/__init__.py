"""How do ARFF files, as MULAN and MEKA publish data sets, become rows and labels?"""
