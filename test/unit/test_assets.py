"""Folders of models, textures and prints in simulated rooms, on tiny ones the tests make themselves."""

import json

import numpy as np
import pytest
from PIL import Image

from ssen_ros.cli import main
from ssen_ros.errors import DataError
from ssen_ros.io.samples import load_sample
from ssen_ros.labels import CLASS_NAMES, UNKNOWN
from ssen_ros.simulation import Assets, build_room
from ssen_ros.simulation.assets import write_attribution
from ssen_ros.simulation.layout import Placed
from ssen_ros.simulation.materials import Material, Texture
from ssen_ros.simulation.mesh import MeshBuilder
from ssen_ros.simulation.model_files import MODEL
from ssen_ros.simulation.rooms import Room
from ssen_ros.simulation.scene import Scene

CHAIR = CLASS_NAMES.index("chair")
SEEDS = range(1000, 1014)
KINDS = {
    "chair": ("Chair", (0.45, 0.5, 0.9)),
    "table": ("Table", (1.2, 0.8, 0.75)),
    "cabinet": ("Cupboard", (0.8, 0.4, 1.2)),
    "": ("Toaster", (0.3, 0.2, 0.2)),
}


def save_model(path, size, **arrays):
    """A pyramid that fills `size` m, as integers in steps of half a millimetre; two colours."""
    w, d, h = np.array(size) * 2000
    vertices = np.array([(-w, -d, 0), (w, -d, 0), (w, d, 0), (-w, d, 0), (0, 0, 2 * h)]) / 2
    faces = np.array([(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)], np.uint16)
    colors = np.array([(250, 30, 30)] * 2 + [(30, 30, 250)] * 2, np.uint8)
    np.savez(path, **{"vertices": vertices.astype(np.int16), "faces": faces, "colors": colors} | arrays)


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    entries = []
    for class_name, (name, size) in KINDS.items():
        for k in range(30):
            file = f"{name}{k}.npz"
            save_model(folder / file, size)
            entries.append({
                "file": file, "name": f"{name} {k}", "creator": "Ann Author", "licence": "CC BY 4.0",
                "scannet_class": class_name, "size_m": size,
            })  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture
def textures(tmp_path):
    folder = tmp_path / "textures"
    for group in ("Plaster", "Oak"):
        (folder / group).mkdir(parents=True)
        for k in range(12):
            Image.new("RGB", (8, 8), (200, 10 * k, 60)).save(folder / group / f"{group}_{k}.jpg")
    uses = {"wall": ["Plaster"], "floor": ["Oak"], "furniture": ["Oak"], "fabric": ["Plaster"]}
    manifest = {"licence": "CC0 1.0", "suggested_use": uses}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def prints(tmp_path):
    folder = tmp_path / "prints"
    folder.mkdir()
    for k in range(12):
        Image.new("RGB", (8, 12), (20 * k, 200, 30)).save(folder / f"print_{k}.png")
    (folder / "manifest.json").write_text(json.dumps({"licence": "public domain"}))
    return folder


@pytest.fixture
def assets(models, textures, prints):
    return Assets.open([models], textures, prints)


def meshes(room):
    return [(p.class_id, p.mesh.vertices.tobytes(), p.mesh.material.tobytes()) for p in room.objects]


def is_model(placed):
    return any(material.use == MODEL for material in placed.mesh.materials)


def test_without_folders_nothing_changes():
    for seed in SEEDS[:4]:
        bare, room = build_room(seed), build_room(seed, Assets().for_room(seed))
        assert meshes(bare) == meshes(room)
        assert [p.mesh.materials for p in bare.objects] == [p.mesh.materials for p in room.objects]
        assert not any(m.texture for p in bare.objects for m in p.mesh.materials)


def test_models_of_a_class_stand_in_for_its_furniture(assets):
    seen, rooms = set(), 0
    for seed in SEEDS:
        of_room = assets.for_room(seed)
        room = build_room(seed, of_room)
        placed = [p for p in room.objects if is_model(p)]
        rooms += bool(placed)
        for p in placed:
            class_name = CLASS_NAMES[p.class_id] if p.class_id != UNKNOWN else ""
            seen.add(class_name)
            ratio = p.mesh.size / KINDS[class_name][1]
            assert ((0.7 < ratio) & (ratio < 1.4)).all(), (class_name, p.mesh.size)
            assert p.instance_id >= 1
            if class_name:
                assert p.position[2] + p.mesh.lower[2] == pytest.approx(0.0, abs=1e-3), "it stands"
        assert bool(placed) == any(line.startswith("model") for line in of_room.credits)
    assert seen == set(KINDS) and 2 <= rooms <= len(SEEDS) - 2, "in a share of the rooms"


def test_the_same_room_is_made_with_the_same(models, textures, prints, assets):
    for seed in SEEDS[:3]:
        one, two = assets.for_room(seed), Assets.open([models], textures, prints).for_room(seed)
        assert meshes(build_room(seed, one)) == meshes(build_room(seed, two)) and one.credits == two.credits


@pytest.fixture
def everywhere(monkeypatch):
    """All rooms are made with everything."""
    for share in ("_ROOMS_WITH_MODELS", "_ROOMS_WITH_TEXTURES", "_ROOMS_WITH_PRINTS"):
        monkeypatch.setattr(f"ssen_ros.simulation.assets.{share}", 1.0)


def test_one_in_five_is_held_out(assets, everywhere):
    used = {True: set(), False: set()}
    for seed in [*range(100, 106), *SEEDS[:6]]:
        of_room = assets.for_room(seed)
        build_room(seed, of_room)
        used[seed < 1000] |= set(of_room.credits)
    assert used[True] and used[False] and not used[True] & used[False]
    for kind in ("model", "texture", "print"):
        assert all(any(line.startswith(kind) for line in lines) for lines in used.values()), kind


def test_walls_of_one_material_get_one_texture_and_pictures_a_print(assets, everywhere):
    textures = prints = pictures = 0
    for seed in SEEDS[:10]:
        of: dict[str, set] = {"wall": set(), "picture": set()}
        for p in build_room(seed, assets.for_room(seed)).objects:
            name = CLASS_NAMES[p.class_id] if p.class_id < len(CLASS_NAMES) else ""
            of.setdefault(name, set()).update(m.texture.name for m in p.mesh.materials if m.texture)
            pictures += name == "picture"
        plaster = {name for name in of["wall"] if name.startswith("Plaster")}
        assert len(plaster) <= 6, "one for all walls of a material; flats have up to three rooms of two"
        textures += bool(plaster)
        prints += any(name.startswith("print") for name in of["picture"])
        assert not any(name.startswith("print") for name in of["wall"])
    assert textures >= 2 and prints >= 1, f"{pictures} pictures"


def test_a_texture_lies_upright_as_one_sees_it():
    pixels = np.array([[(250, 0, 0), (0, 250, 0)], [(0, 0, 250), (250, 250, 0)]], np.uint8)  # top row first
    texture = Texture("t", pixels)
    picture = Material((1.0, 1.0, 1.0), texture=texture, corner=(-0.5, 0, 0.2), repeat=(1, 1, 0.5))
    b = MeshBuilder()
    b.block((-0.5, -0.1, 0.2), (0.5, 0.0, 0.7), b.material(picture))
    for yaw in (0.0, 1.2):
        placed = Placed(b.build(), 0, -1, np.array([3.0, 2.0, 1.0]), yaw)
        scene = Scene(Room(0, "", (9, 9, 3), (placed,), (), ()))
        spots = [(-0.25, 0.6), (0.25, 0.6), (-0.25, 0.3), (0.25, 0.3)]  # seen from the front, -y
        origins = np.array([placed.at((x, -2.0, z)) for x, z in spots], np.float32)
        ray = (placed.at((0, 1, 0)) - placed.at((0, 0, 0))).astype(np.float32)
        rays = np.tile(ray, (4, 1))
        triangle, distance, _ = scene.cast(origins, rays)
        albedo, _ = scene.surface(triangle, origins + rays * distance[:, None])
        np.testing.assert_allclose(albedo, pixels.reshape(-1, 3) / 255.0, atol=1e-6)


def test_rooms_name_what_they_were_made_with(models, textures, prints, assets, everywhere, tmp_path):
    seed = 1002  # a bedroom
    out = tmp_path / "rooms"
    folders = ["--models", str(models), "--textures", str(textures), "--prints", str(prints)]
    assert main(["simulate", "--rooms", "1", "--seed", str(seed), *folders, "--out", str(out)]) == 0
    path = out / f"{seed:06d}.npz"
    with np.load(path) as data:
        assert tuple(data["models"]) == credits_of(assets, seed)
    assert len(load_sample(path)) > 1000
    text = (out / "ATTRIBUTION.txt").read_text()
    assert "by Ann Author; CC BY 4.0" in text and "; public domain" in text and "; CC0 1.0" in text
    (out / "ATTRIBUTION.txt").unlink()
    write_attribution(out)
    assert (out / "ATTRIBUTION.txt").read_text() == text, "from the rooms alone"


def credits_of(assets, seed):
    of_room = assets.for_room(seed)
    build_room(seed, of_room)
    return of_room.credits


def with_entry(**changes):
    def spoil(models):
        entries = json.loads((models / "manifest.json").read_text())
        entries[0] = {k: v for k, v in (entries[0] | changes).items() if v is not ...}
        (models / "manifest.json").write_text(json.dumps(entries))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda models: (models / "manifest.json").unlink(), "expected a JSON file that describes"),
        (lambda models: (models / "manifest.json").write_text("{"), "expected a JSON file that describes"),
        (lambda models: (models / "manifest.json").write_text("{}"), "expected a list of models"),
        (with_entry(licence=...), "'Chair 0' lacks licence"),
        (with_entry(creator=...), "'Chair 0' lacks creator"),
        (with_entry(scannet_class="throne"), "scannet_class 'throne'; expected one of wall"),
        (with_entry(size_m=[45, 45, 90]), "expected width, depth and height in m"),
        (with_entry(file="none.npz"), "none.npz does not exist"),
    ],
)  # fmt: skip
def test_a_broken_manifest_is_told(models, spoil, said):
    spoil(models)
    with pytest.raises(DataError, match=said):
        Assets.open([models])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"faces": np.array([(0, 1, 9)] * 4)}, "faces that index the vertices"),
        ({"colors": np.zeros((2, 3), np.uint8)}, "a colour for each"),
        ({"vertices": np.eye(5, 3, dtype=np.float32)}, "its manifest says"),
    ],
)
def test_a_broken_model_is_told(models, arrays, said):
    size = KINDS["chair"][1]
    save_model(models / "Chair0.npz", size, **arrays)
    model = next(m for m in Assets.open([models]).models["chair"] if m.name == "Chair 0")
    with pytest.raises(DataError, match=said):
        model.read()
    (models / "Chair0.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="expected an .npz file with vertices"):
        model.read()


def test_broken_folders_of_images_are_told(textures, prints, capsys, tmp_path):
    (textures / "manifest.json").write_text(json.dumps({"licence": "x", "suggested_use": {"sky": []}}))
    with pytest.raises(DataError, match="lists of subfolders for some of wall, floor"):
        Assets.open(textures=textures)
    (prints / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="lacks licence"):
        Assets.open(prints=prints)
    options = ["simulate", "--rooms", "1", "--prints", str(tmp_path / "none"), "--out", str(tmp_path / "o")]
    assert main(options) == 1
    assert "manifest.json" in capsys.readouterr().err


def test_dense_models_lose_what_no_camera_sees(models):
    """Half a million triangles of a scan would take longer to cast at than all the room."""
    angle = np.linspace(0, 2 * np.pi, 400)
    ring = np.stack([np.cos(angle) * 0.225, np.sin(angle) * 0.25], axis=-1)
    z = np.linspace(0, 0.9, 80)
    points = np.concatenate([np.repeat(ring[None], 80, 0), np.repeat(z[:, None, None], 400, 1)], axis=-1)
    b = MeshBuilder()
    b.grid(points, b.material(Material((0, 0, 0))))
    mesh = b.build()
    save_model(
        models / "Chair0.npz", KINDS["chair"][1], vertices=mesh.vertices, faces=mesh.faces,
        colors=np.random.default_rng(0).integers(0, 255, mesh.faces.shape, np.uint8),
    )  # fmt: skip
    model = next(m for m in Assets.open([models]).models["chair"] if m.name == "Chair 0")
    small = model.read()
    assert len(small.materials) <= 110 and len(small.faces) < 0.95 * len(mesh.faces)
    np.testing.assert_allclose(small.size, mesh.size, atol=0.006)
