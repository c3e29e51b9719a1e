"""The part of launch and launch_ros that the launch files use, for machines without a ROS distribution.

Arguments are keyword by keyword those of launch 3 and launch_ros 0.26, so that a misspelt one fails here too.
"""

import importlib.util
from collections.abc import Callable
from types import ModuleType


class LaunchContext:
    def __init__(self):
        self.launch_configurations: dict[str, str] = {}


class LaunchDescription:
    def __init__(self, entities):
        self.entities = entities

    def visit(self, context):
        return self.entities


class LaunchConfiguration:
    def __init__(self, name: str):
        self._name = name

    def perform(self, context: LaunchContext) -> str:
        return context.launch_configurations[self._name]


class DeclareLaunchArgument:
    def __init__(self, name: str, *, default_value: str | None = None, description: str, choices=None):
        self.name, self.default_value, self.description = name, default_value, description
        self._choices = choices

    def visit(self, context):
        if self.default_value is not None:
            assert isinstance(self.default_value, str)
            context.launch_configurations.setdefault(self.name, self.default_value)
        value = context.launch_configurations[self.name]  # KeyError: a required argument is missing
        assert self._choices is None or value in self._choices, value
        return []


class OpaqueFunction:
    def __init__(self, *, function: Callable):
        self._function = function

    def visit(self, context):
        return self._function(context)


class UnsetLaunchConfiguration:
    def __init__(self, name: str):
        self._name = name

    def visit(self, context):
        context.launch_configurations.pop(self._name, None)
        return []


class PythonLaunchDescriptionSource:
    def __init__(self, location: str):
        self.location = location


class IncludeLaunchDescription:
    """As launch does, it looks for required arguments among those given here, not in the scope around."""

    def __init__(self, source: PythonLaunchDescriptionSource, *, launch_arguments=()):
        self._source, self._arguments = source, dict(launch_arguments)

    @property
    def description(self) -> LaunchDescription:
        spec = importlib.util.spec_from_file_location("included", self._source.location)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.generate_launch_description()

    def visit(self, context):
        description = self.description
        for argument in arguments_of(description):
            if argument.default_value is None and argument.name not in self._arguments:
                raise RuntimeError(
                    f"Included launch description missing required argument '{argument.name}', "
                    f"given: [{', '.join(self._arguments)}]"
                )
        context.launch_configurations.update(self._arguments)
        return [description]


class GroupAction:
    """Scoped and forwarding, as by default: what is set inside ends with it."""

    def __init__(self, actions):
        self._actions = actions

    def visit(self, context):
        before = dict(context.launch_configurations)

        def restore(context):
            context.launch_configurations.clear()
            context.launch_configurations.update(before)
            return []

        return [*self._actions, OpaqueFunction(function=restore)]


class Node:
    def __init__(
        self, *, package, executable, name=None, namespace=None, parameters=(), remappings=(), arguments=(),
        ros_arguments=(), output="log",
    ):  # fmt: skip
        self.package, self.executable, self.name, self.namespace = package, executable, name, namespace
        self.parameters, self.remappings = list(parameters), dict(remappings)
        self.arguments, self.ros_arguments = list(arguments), list(ros_arguments)
        assert all(isinstance(part, str) for part in (*self.arguments, *self.ros_arguments))
        assert all(isinstance(entry, str) or entry for entry in self.parameters), "rcl refuses an empty map"


def modules() -> dict[str, ModuleType]:
    """What to put into sys.modules."""
    contents = {
        "launch": (LaunchContext, LaunchDescription),
        "launch.actions": (
            DeclareLaunchArgument,
            GroupAction,
            IncludeLaunchDescription,
            OpaqueFunction,
            UnsetLaunchConfiguration,
        ),
        "launch.launch_description_sources": (PythonLaunchDescriptionSource,),
        "launch.substitutions": (LaunchConfiguration,),
        "launch_ros": (),
        "launch_ros.actions": (Node,),
    }
    made = {}
    for name, classes in contents.items():
        made[name] = ModuleType(name)
        for kind in classes:
            setattr(made[name], kind.__name__, kind)
    return made


def nodes(description: LaunchDescription, arguments: dict[str, str]) -> list[Node]:
    """The nodes that a description starts, given these arguments on the command line."""
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    started, pending = [], [description]
    while pending:
        entity = pending.pop(0)
        if isinstance(entity, Node):
            started.append(entity)
        else:
            pending = list(entity.visit(context)) + pending
    return started


def arguments_of(description: LaunchDescription) -> list[DeclareLaunchArgument]:
    """What `ros2 launch --show-args` lists: those declared here, and in what is included at the top."""
    found = [entity for entity in description.entities if isinstance(entity, DeclareLaunchArgument)]
    for entity in description.entities:
        if isinstance(entity, IncludeLaunchDescription):
            found += arguments_of(entity.description)
    return found
