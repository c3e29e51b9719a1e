"""The room as triangles that rays can be cast at."""

import numpy as np

from ssen_ros.errors import SsenError
from ssen_ros.rotations import turn_z
from ssen_ros.simulation.materials import MaterialTable
from ssen_ros.simulation.rooms import Room


class Scene:
    """The room as triangles that rays can be cast at; room frame. Raises SsenError without embreex."""

    def __init__(self, room: Room):
        objects = room.objects
        vertices, faces, materials, material, owner, facing = [], [], [], [], [], []
        count = 0
        for row, placed in enumerate(objects):
            mesh = placed.mesh
            vertices.append(mesh.vertices @ turn_z(placed.yaw).T + placed.position)
            faces.append(mesh.faces + count)
            material.append(mesh.material + len(materials))
            materials += mesh.materials
            owner.append(np.full(len(mesh.faces), row))
            facing.append(mesh.facing)
            count += len(mesh.vertices)
        corners = np.concatenate(vertices).astype(np.float32)[np.concatenate(faces)]
        self._embree = _embree_scene(corners)
        self._material = np.concatenate(material)
        self._table = MaterialTable(materials)
        self._owner = np.concatenate(owner)
        self._facing = np.concatenate(facing)
        self._position = np.array([o.position for o in objects], np.float32)
        self._cos = np.cos([o.yaw for o in objects]).astype(np.float32)
        self._sin = np.sin([o.yaw for o in objects]).astype(np.float32)
        self.semantic_label = np.array([o.class_id for o in objects], np.int8)
        self.instance_label = np.array([o.instance_id for o in objects], np.int16)

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Triangle (n,) or -1, distance (n,) in direction lengths and unit normal (n, 3) of (n, 3) rays."""
        hit = self._embree.run(origins, directions, output=1)
        normal = hit["Ng"]
        length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        return hit["primID"].astype(np.int64), hit["tfar"], normal / length

    def is_blocked(self, origins: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(n,) bool: something stands between two points, (n, 3) m each."""
        hit = self._embree.run(origins, np.ascontiguousarray(targets - origins, np.float32), output=1)
        return (hit["primID"] >= 0) & (hit["tfar"] < 0.98)

    def owner(self, triangle: np.ndarray) -> np.ndarray:
        """(n,) row of the room's objects that each triangle belongs to."""
        return self._owner[triangle]

    @property
    def has_optics(self) -> bool:
        """Whether any surface is glass that one sees through, or a mirror."""
        return bool((self._table.clear + self._table.mirror).any())

    def optics(self, triangle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shares (n,) of the rays that pass triangles (n,), and that they throw back; none where -1."""
        material = self._material[triangle]
        hit = triangle >= 0
        return hit * self._table.clear[material], hit * self._table.mirror[material]

    def surface(self, triangle: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Albedo (n, 3) in 0..1 and chance (n,) of losing the depth, at (n, 3) points on (n,) triangles."""
        row, material = self._owner[triangle], self._material[triangle]
        d = points - self._position[row]
        c, s = self._cos[row], self._sin[row]
        local = np.stack([c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0], d[:, 2]], axis=1)
        return self._table.colors(material, local, self._facing[triangle]), self._table.dropout[material]


def _embree_scene(corners: np.ndarray):
    """An embreex scene of (m, 3, 3) triangle corners."""
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError as error:
        raise SsenError(
            f"the simulator casts its rays with embreex, which does not import here ({error}); "
            "`pip install embreex`, whose wheels are for x86-64 only"
        ) from error
    scene = EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(corners))
    return scene
