from hypothesis import settings

# No deadline: a busy machine is not a failure. Fewer examples than the default 100: the suite stays quick.
settings.register_profile("ssen_ros", deadline=None, max_examples=60)
settings.load_profile("ssen_ros")
