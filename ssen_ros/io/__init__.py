"""Files and messages in and out: clouds, recordings, PointCloud2, saved maps, samples. Knows no ROS."""
