# ssen_ros on ROS 2 Jazzy. Written by the documentation of what it uses; nobody has built it yet.
#
#   docker build -t ssen_ros .
#   docker run --rm -it --net=host --ipc=host --user "$(id -u)" ssen_ros \
#     ros2 launch ssen_ros ssen.launch.py cloud_topic:=/rtabmap/cloud_map
#
# CUDA: PyPI's PyTorch brings it along. With NVIDIA's driver and container toolkit on the host, add `--gpus all`.
# CPU only, gigabytes smaller: --build-arg TORCH="torch --index-url ADDRESS-OF-THE-CPU-BUILDS".
# --ipc=host and the user of the SLAM: Fast DDS hands clouds over in shared memory.
ARG BASE=ros:jazzy
FROM ${BASE}
ARG TORCH=torch>=2.1

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-colcon-common-extensions python3-venv \
 && rm -rf /var/lib/apt/lists/*
# Ubuntu 24.04 lets pip install into a venv only; this one sees rclpy.
RUN python3 -m venv --system-site-packages /opt/venv
ENV PATH=/opt/venv/bin:$PATH

# What the package needs, before its code, so that a change of the code leaves these layers as they are.
WORKDIR /ws
COPY package.xml pyproject.toml src/ssen_ros/
COPY scripts/requirements.py src/ssen_ros/scripts/
RUN apt-get update && rosdep update --rosdistro "$ROS_DISTRO" \
 && rosdep install --from-paths src --ignore-src -y --skip-keys python3-torch -t buildtool -t build -t exec \
 && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir ${TORCH} \
 && python3 src/ssen_ros/scripts/requirements.py run bags > /tmp/requirements.txt \
 && pip install --no-cache-dir -r /tmp/requirements.txt

COPY . src/ssen_ros/
RUN . "/opt/ros/$ROS_DISTRO/setup.sh" && python3 -m colcon build --packages-select ssen_ros

ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility ROS_LOG_DIR=/tmp/ros_log
ENTRYPOINT ["/bin/bash", "-c", "source /ws/install/setup.bash && exec \"$@\"", "--"]
CMD ["ros2", "launch", "ssen_ros", "ssen.launch.py"]
