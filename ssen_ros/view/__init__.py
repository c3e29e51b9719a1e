"""The labelled map in the browser, live, and corrected there by hand. It knows `LabelledMap` and no ROS."""
