"""The paper's figures, made of our data: for each one function that computes it and one that draws it."""
