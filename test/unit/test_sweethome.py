from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from ssen_ros.cli import main
from ssen_ros.datasets.splits import HELD_OUT_SEEDS
from ssen_ros.errors import DataError
from ssen_ros.io.samples import load_sample
from ssen_ros.labels import CLASS_NAMES
from ssen_ros.simulation import ModelLibrary, build_room
from ssen_ros.simulation.sweethome import write_attribution

CHAIR = CLASS_NAMES.index("chair")
SEEDS = range(1000, 1012)

# A wedge, 2 wide (x), 1 high (y), 4 deep (z); its low edge, red, is in front (+z). Quads and triangles,
# indices with and without texture and normal, from the start and from the end.
WEDGE = """\
mtllib wedge mat.mtl
v -1 0 2
v 1 0 2
v 1 0 -2
v -1 0 -2
vt 0 0
usemtl back
v -1 1 -2
v 1 1 -2
f 3//1 4//1 5//1 6//1
usemtl front paint
f 1/1 2/1 -1/1 -2/1
f 1 5 4
f 2 3 6
usemtl back
f 1 4 3 2
"""
MATERIALS = "newmtl front paint\nKd 0.9 0.1 0.1\nd 0.25\n\nnewmtl back\nKd 0 0 0\nmap_Kd wood.png\n"


def write_sh3f(path, collection, entries):
    """`entries`: [{key of the catalogue: value}]; all of one model."""
    lines = ["# a catalogue", f"id={collection}", "name=Tiny", "license=as it says"]
    for number, entry in enumerate(entries, 1):
        defaults = {"model": "/tiny/wedge.obj", "category": "Kitchen", "creator": "Ann Author"}
        lines += [f"{key}#{number}={value}" for key, value in (defaults | entry).items()]
    texture = BytesIO()
    Image.fromarray(np.full((2, 2, 3), (51, 102, 204), np.uint8)).save(texture, "png")
    with ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", "\n".join(lines).encode("latin-1"))
        archive.writestr("tiny/wedge.obj", WEDGE)
        archive.writestr("tiny/wedge mat.mtl", MATERIALS)
        archive.writestr("tiny/wood.png", texture.getvalue())


def entry(name, model_id, w, d, h, **more):
    return {"id": model_id, "name": name, "width": w, "depth": d, "height": h} | more


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "sh3f"
    folder.mkdir()
    chairs = [entry("Chair", f"S#chair{i}", 45, 45 + 3 * i, 80 + 5 * i) for i in range(4)]
    others = [entry("Chair", "S#turned", 300, 300, 300, modelRotation="0 0 1 0 1 0 -1 0 0"),
              entry("Pi\\u00f1ata", "S#none", 50, 50, 50)]  # fmt: skip
    write_sh3f(folder / "Scopia.sh3f", "SweetHome3D#ScopiaModels", chairs + others)
    write_sh3f(folder / "Other.sh3f", "SweetHome3D#OtherModels", [entry("Chair", "X#chair", 45, 45, 80)])
    return folder


@pytest.fixture
def library(folder):
    return ModelLibrary.open(folder)


def test_catalogues_of_known_licence_and_names_of_known_class(library):
    assert list(library.models) == ["chair"]
    assert [m.id for m in library.models["chair"]] == [*(f"S#chair{i}" for i in range(4)), "S#turned"]
    model = library.models["chair"][1]
    assert model.size == (0.45, 0.48, 0.85) and model.creator == "Ann Author" and model.licence == "CC BY 3.0"


def test_a_model_is_turned_to_our_axes(library):
    mesh = library._mesh(library.models["chair"][0])
    np.testing.assert_array_equal(mesh.vertices.min(axis=0), 0.0)
    np.testing.assert_array_equal(mesh.vertices.max(axis=0), 1.0)
    assert len(mesh.faces) == 8
    at_front = mesh.vertices[mesh.vertices[:, 1] < 0.5]
    assert len(at_front) == 2 and (at_front[:, 2] == 0.0).all(), "the low edge looks to -y, z is up"
    kind = [mesh.materials[i] for i in mesh.material]
    assert kind[2].color == pytest.approx((0.9, 0.1, 0.1)) and kind[2].dropout == 0.75
    assert kind[0].color == pytest.approx((0.2, 0.4, 0.8)), "the mean of its texture"
    turned = library._mesh(library.models["chair"][4])
    assert (turned.vertices[turned.vertices[:, 0] > 0.5][:, 2] == 0.0).all(), "modelRotation: front to +x"


def boxes(room):
    return np.array([[*p.mesh.lower, *p.mesh.upper] for p in room.objects])


def test_models_stand_where_and_how_large_the_furniture_was(library):
    exchanged = chairs = 0
    for seed in SEEDS:
        room = build_room(seed)
        furnished, used = library.furnish(room)
        np.testing.assert_allclose(boxes(furnished), boxes(room), atol=1e-5)
        for before, after in zip(room.objects, furnished.objects):
            chairs += before.class_id == CHAIR
            if after.mesh is not before.mesh:
                assert before.class_id == CHAIR and len(after.mesh.faces) == 8
                exchanged += 1
            assert replace(after, mesh=before.mesh) == before
        assert set(used) <= {f"S#chair{i}" for i in range(4)}, "the one of 3 m fits no chair"
    assert 0.1 * chairs < exchanged < 0.9 * chairs


def test_the_same_room_gets_the_same_models_and_held_out_rooms_none(folder, library):
    room = build_room(SEEDS[4])
    for again in (library, ModelLibrary.open(folder)):
        first, second = library.furnish(room), again.furnish(build_room(SEEDS[4]))
        assert first[1] == second[1]
        for a, b in zip(first[0].objects, second[0].objects):
            np.testing.assert_array_equal(a.mesh.vertices, b.mesh.vertices)
    held_out = build_room(HELD_OUT_SEEDS[0])
    assert library.furnish(held_out) == (held_out, ())


def test_generated_rooms_name_their_models(folder, library, tmp_path):
    seed = next(s for s in SEEDS if library.furnish(build_room(s))[1])
    options = ["--rooms", "1", "--seed", str(seed), "--models", str(folder), "--out", str(tmp_path / "rooms")]
    assert main(["simulate", *options]) == 0
    path = tmp_path / "rooms" / f"{seed:06d}.npz"
    used = library.furnish(build_room(seed))[1]
    with np.load(path) as data:
        assert tuple(data["models"]) == used
    assert len(load_sample(path)) > 1000
    text = (tmp_path / "rooms" / "ATTRIBUTION.txt").read_text()
    assert all(f"{name}: Chair, by Ann Author; CC BY 3.0" in text for name in used)
    assert text.count("Ann Author") == len(used)
    (path.parent / "ATTRIBUTION.txt").unlink()
    write_attribution(path.parent, library)
    assert (path.parent / "ATTRIBUTION.txt").read_text() == text, "from the rooms alone"


def test_what_is_wrong_is_said(folder, tmp_path, capsys):
    assert main(["simulate", "--rooms", "1", "--models", str(tmp_path), "--out", str(tmp_path / "o")]) == 1
    assert "no .sh3f archive of SweetHome3D#BlendSwap-CC-0-Models" in capsys.readouterr().err
    (folder / "Broken.sh3f").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"Broken\.sh3f: expected a zip archive"):
        ModelLibrary.open(folder)
    (folder / "Broken.sh3f").unlink()
    write_sh3f(
        folder / "Scopia.sh3f",
        "SweetHome3D#ScopiaModels",
        [entry("Chair", "S#a", 45, 45, 80, model="/a.obj")],
    )
    library = ModelLibrary.open(folder)
    with pytest.raises(DataError, match=r"Scopia\.sh3f: a\.obj is no readable OBJ model"):
        library._mesh(library.models["chair"][0])
