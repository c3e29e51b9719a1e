"""What the command `ssen` starts over ROS."""
