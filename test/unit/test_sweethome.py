"""Models of .sh3f archives, on tiny ones the tests make themselves."""

from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from ssen_ros.errors import DataError
from ssen_ros.simulation.sweethome import read_archives

# A wedge, 2 wide (x), 1 high (y), 4 deep (z); its low edge, red, is in front (+z). Quads and triangles,
# indices with and without texture and normal, from the start and from the end.
WEDGE = """\
mtllib wedge mat.mtl
v -1 0 2
v 1 0 2
v 1 0 -2
v -1 0 -2
vt 0.2 0.5
vt 0.8 0.5
usemtl back
v -1 1 -2
v 1 1 -2
f 3/2/1 4/2/1 5/-1/1 6/2/1
usemtl front paint
f 1/1 2/1 -1/1 -2/1
f 1 5 4
f 2 3 6
usemtl back
f 1/1 4/1 3/1 2/1
"""
MATERIALS = "newmtl front paint\nKd 0.9 0.1 0.1\nd 0.25\n\nnewmtl back\nKd 0 0 0\nmap_Kd wood.png\n"


def write_sh3f(path, collection, entries):
    """`entries`: [{key of the catalogue: value}]; all of one model."""
    lines = ["# a catalogue", f"id={collection}", "name=Tiny", "license=as it says"]
    for number, entry in enumerate(entries, 1):
        defaults = {"model": "/tiny/wedge.obj", "category": "Kitchen", "creator": "Ann Author"}
        lines += [f"{key}#{number}={value}" for key, value in (defaults | entry).items()]
    texture = BytesIO()
    blue_orange = np.full((2, 1, 3), (51, 102, 204)), np.full((2, 1, 3), (204, 102, 51))
    Image.fromarray(np.hstack(blue_orange).astype(np.uint8)).save(texture, "png")
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


def models_of(folder):
    return {model.id: model for model in read_archives(folder)}


def test_catalogues_of_known_licence_and_names_of_known_class(folder):
    models = models_of(folder)
    assert sorted(models) == [*(f"S#chair{i}" for i in range(4)), "S#turned"]
    model = models["S#chair1"]
    assert model.size == (0.45, 0.48, 0.85) and model.class_name == "chair"
    assert model.credit == "model S#chair1: Chair, by Ann Author; CC BY 3.0"


def test_a_model_is_turned_to_our_axes_and_its_textures_are_baked(folder):
    models = models_of(folder)
    mesh = models["S#chair0"].read()
    np.testing.assert_allclose(mesh.lower, (-0.225, -0.225, 0), atol=1e-6)
    np.testing.assert_allclose(mesh.upper, (0.225, 0.225, 0.8), atol=1e-6)
    assert len(mesh.faces) == 8
    at_front = mesh.vertices[mesh.vertices[:, 1] < 0.0]
    assert len(at_front) == 2 and (at_front[:, 2] == 0.0).all(), "the low edge looks to -y, z is up"
    kind = [mesh.materials[i] for i in mesh.material]
    assert kind[2].color == pytest.approx((0.9, 0.1, 0.1), abs=0.01) and kind[2].dropout == 0.75
    assert kind[0].color == pytest.approx((0.8, 0.4, 0.2), abs=0.01), "where the texture is orange"
    assert kind[6].color == pytest.approx((0.2, 0.4, 0.8), abs=0.01), "where it is blue"
    turned = models["S#turned"].read()
    assert (turned.vertices[turned.vertices[:, 0] > 0.5][:, 2] == 0.0).all(), "modelRotation: front to +x"


def test_what_is_wrong_is_said(folder, tmp_path):
    (folder / "Broken.sh3f").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"Broken\.sh3f: expected a zip archive"):
        read_archives(folder)
    (folder / "Broken.sh3f").unlink()
    (folder / "Scopia.sh3f").unlink()
    with pytest.raises(DataError, match="no .sh3f archive of SweetHome3D#BlendSwap-CC-0-Models"):
        read_archives(folder)
    entries = [entry("Chair", "S#a", 45, 45, 80, model="/a.obj")]
    write_sh3f(folder / "Scopia.sh3f", "SweetHome3D#ScopiaModels", entries)
    with pytest.raises(DataError, match=r"Scopia\.sh3f: a\.obj is no readable OBJ model"):
        read_archives(folder)[0].read()
