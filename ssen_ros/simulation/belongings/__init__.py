"""What people keep on desks, worktops and floors: kinds outside the 20 classes.

`clutter` holds the things of all rooms; these furnish those of `Recipe.VARIED`, some of them held out.
"""
