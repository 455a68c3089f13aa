"""At which size does a stage look at images? Areas are averaged down."""
