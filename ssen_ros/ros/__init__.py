"""The border to ROS 2: the only folder that imports rclpy or messages. Nothing here computes geometry."""
