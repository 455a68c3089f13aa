"""How do files become a data set? Tables, arrays, image folders."""
