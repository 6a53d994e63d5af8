"""Bundles: what is saved comes back to the last digit, and what was altered is refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_bundle import TAXONOMY, everything_usual, tiny_bundle, tiny_info, tiny_network

from nmevision.errors import BundleError
from nmevision.files import sha256_of
from nmevision.networks import bundle as bundle_module
from nmevision.networks.bundle import Bundle, open_bundle, save_bundle

IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
ARRAYS = {"weights.safetensors", "novelty.safetensors", "network.onnx"}
USUAL = everything_usual(tiny_network())


@pytest.fixture
def saved(tmp_path: Path) -> Bundle:
    return tiny_bundle(tmp_path / "models" / "tiny")


def edit(folder: Path, change: Any) -> None:
    """Change bundle.json through a function of its content."""
    content = json.loads((folder / "bundle.json").read_text())
    change(content)
    (folder / "bundle.json").write_text(json.dumps(content))


class TestRoundTrip:
    @pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "test_convnext"])
    def test_the_logits_are_the_same(self, tmp_path: Path, backbone: str) -> None:
        saved = tiny_bundle(tmp_path / "m", backbone, seed=3)
        expected = tiny_network(backbone, seed=3).outputs(IMAGES)["diagnosis"]
        assert torch.equal(saved.network().outputs(IMAGES)["diagnosis"], expected)
        again = open_bundle(tmp_path / "m")
        assert torch.equal(again.network().outputs(IMAGES)["diagnosis"], expected)
        assert not again.network().training

    def test_the_record_is_the_same(self, saved: Bundle) -> None:
        again = open_bundle(saved.folder)
        assert again.info == saved.info
        assert again.hash == saved.hash == sha256_of(saved.folder / "bundle.json")
        assert again.info.taxonomy == TAXONOMY
        assert again.info.temperature == 1.5

    def test_the_batch_statistics_travel(self, tmp_path: Path) -> None:
        network = tiny_network()
        network.train()
        network(IMAGES + 2)
        network.eval()
        saved = save_bundle(tmp_path / "m", network, tiny_info(), [], everything_usual(network))
        assert torch.equal(saved.network().outputs(IMAGES)["diagnosis"], network.outputs(IMAGES)["diagnosis"])

    def test_what_was_seen_is_kept_short(self, tmp_path: Path) -> None:
        digests = ["a" * 64, "b" * 64, "a" * 64]
        saved = tiny_bundle(tmp_path / "m", seen=digests)
        assert saved.seen == {"a" * 16, "b" * 16}

    def test_the_folder_holds_these_files_and_no_other_path(self, saved: Bundle) -> None:
        names = {path.name for path in saved.folder.iterdir()}
        assert names == {"bundle.json", "README.md", "seen.txt", *ARRAYS}
        assert [path.name for path in saved.folder.parent.iterdir()] == ["tiny"]
        for path in saved.folder.iterdir():
            assert path.stat().st_mode & 0o044 == 0o044  # others may read a result
            if path.name not in ARRAYS:
                assert str(saved.folder.parent) not in path.read_text()
                assert str(Path.home()) not in path.read_text().split()


class TestSaving:
    def test_a_model_is_never_overwritten(self, saved: Bundle) -> None:
        before = saved.hash
        with pytest.raises(BundleError, match="exists already; choose another name"):
            save_bundle(saved.folder, tiny_network(seed=9), tiny_info(), [], USUAL)
        assert open_bundle(saved.folder).hash == before

    @pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
    def test_interrupted_it_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
    ) -> None:
        def fail(_: Any) -> str:
            raise error

        monkeypatch.setattr(bundle_module, "card_of", fail)
        with pytest.raises(type(error)):
            tiny_bundle(tmp_path / "models" / "m")
        assert list((tmp_path / "models").iterdir()) == []

    def test_a_network_that_is_not_the_one_named_is_noticed(self, tmp_path: Path) -> None:
        info = tiny_info()
        info["network"] = info["network"] | {"backbone": "test_vit"}
        with pytest.raises(BundleError, match="does not fit test_vit"):
            save_bundle(tmp_path / "m", tiny_network("test_resnet"), info, [], USUAL)
        assert list(tmp_path.iterdir()) == []

    def test_an_incomplete_record_is_refused(self, tmp_path: Path) -> None:
        info = tiny_info(temperature=0)
        del info["modality"]
        with pytest.raises(BundleError, match=r"(?s)2 problems.*modality: missing.*temperature: found 0"):
            save_bundle(tmp_path / "m", tiny_network(), info, [], USUAL)
        assert list(tmp_path.iterdir()) == []


class TestOpening:
    def test_not_a_bundle(self, tmp_path: Path) -> None:
        for folder in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(BundleError, match=r"is no bundle: it has no bundle\.json"):
                open_bundle(folder)

    @pytest.mark.parametrize("name", ["weights.safetensors", "seen.txt", "network.onnx"])
    def test_one_byte_changed(self, saved: Bundle, name: str) -> None:
        data = bytearray((saved.folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (saved.folder / name).write_bytes(data)
        with pytest.raises(BundleError, match=rf"{name}: its SHA-256 is not the one in bundle\.json"):
            open_bundle(saved.folder)

    @pytest.mark.parametrize("name", ["weights.safetensors", "seen.txt", "network.onnx"])
    def test_a_file_missing(self, saved: Bundle, name: str) -> None:
        (saved.folder / name).unlink()
        with pytest.raises(BundleError, match=f"{name} is missing; copy the whole folder again"):
            open_bundle(saved.folder)

    def test_the_card_may_be_edited(self, saved: Bundle) -> None:
        (saved.folder / "README.md").write_text("my notes")
        assert open_bundle(saved.folder).hash == saved.hash

    def test_an_unknown_key(self, saved: Bundle) -> None:
        edit(saved.folder, lambda content: content.update(temprature=2))
        with pytest.raises(BundleError, match=r"temprature: unknown key \(did you mean 'temperature'\?\)"):
            open_bundle(saved.folder)

    @pytest.mark.parametrize("number", [1, 2, 4, 0, None, "3"])
    def test_another_format(self, saved: Bundle, number: object) -> None:
        edit(saved.folder, lambda content: content.update(format=number, nmevision="9.9"))
        with pytest.raises(
            BundleError, match=r"bundle format .*, written by nmevision 9\.9; this version reads"
        ):
            open_bundle(saved.folder)

    @pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "sub/x"])
    def test_a_path_that_leads_out(self, saved: Bundle, name: str) -> None:
        edit(saved.folder, lambda content: content["files"].update({name: "0" * 64}))
        with pytest.raises(BundleError, match="is no plain file name; the bundle cannot be trusted"):
            open_bundle(saved.folder)

    @pytest.mark.parametrize("name", ["weights.safetensors", "seen.txt", "network.onnx"])
    def test_a_file_that_is_not_vouched_for(self, saved: Bundle, name: str) -> None:
        edit(saved.folder, lambda content: content["files"].pop(name))
        with pytest.raises(BundleError, match=f"names no {name}|goes with {name}"):
            open_bundle(saved.folder)

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
    def test_no_json_record(self, saved: Bundle, text: str) -> None:
        (saved.folder / "bundle.json").write_text(text)
        with pytest.raises(BundleError, match=r"bundle\.json"):
            open_bundle(saved.folder)

    def test_a_taxonomy_with_other_outputs_than_the_network(self, saved: Bundle) -> None:
        edit(saved.folder, lambda content: content["taxonomy"]["diagnoses"].pop())
        with pytest.raises(BundleError, match="3 outputs, the taxonomy 2 diagnoses"):
            open_bundle(saved.folder)


class TestNetwork:
    def test_weights_of_another_network(self, saved: Bundle) -> None:
        state = tiny_network("test_vit").state_dict()
        save_file(
            {key: value.contiguous() for key, value in state.items()}, saved.folder / "weights.safetensors"
        )
        digest = sha256_of(saved.folder / "weights.safetensors")
        edit(saved.folder, lambda content: content["files"].update({"weights.safetensors": digest}))
        with pytest.raises(
            BundleError, match=r"does not fit test_resnet as this timm builds it \(written with timm 0\)"
        ):
            open_bundle(saved.folder).network()

    def test_weights_that_are_no_safetensors(self, saved: Bundle) -> None:
        (saved.folder / "weights.safetensors").write_bytes(b"not at all")
        digest = sha256_of(saved.folder / "weights.safetensors")
        edit(saved.folder, lambda content: content["files"].update({"weights.safetensors": digest}))
        with pytest.raises(BundleError, match=r"weights\.safetensors"):
            open_bundle(saved.folder).network()

    def test_a_backbone_this_timm_does_not_have(self, saved: Bundle) -> None:
        edit(saved.folder, lambda content: content["network"].update(backbone="resnet_of_tomorrow"))
        with pytest.raises(BundleError, match="resnet_of_tomorrow"):
            open_bundle(saved.folder).network()

    def test_the_file_holds_tensors_only(self, saved: Bundle) -> None:
        assert set(load_file(saved.folder / "weights.safetensors")) == set(tiny_network().state_dict())


class TestCard:
    def test_it_says_what_the_model_is_not(self, saved: Bundle) -> None:
        card = (saved.folder / "README.md").read_text()
        assert "\n---\n\n# tiny\n\nFor research. Not a medical device" in card
        assert "H&E cannot tell NME from zinc deficiency, pellagra" in card
        assert "phantom" not in card.casefold()
        assert "| train | nme | 3 | 5 |" in card
        assert "flatter the model and are no result" in card
        assert "Configurations tried on this manifest so far: 2." in card

    def test_phantoms_are_named_first(self, tmp_path: Path) -> None:
        saved = tiny_bundle(tmp_path / "m", phantom=True, modality="clinical")
        card = (saved.folder / "README.md").read_text()
        assert "**Trained on phantoms.**" in card.split("## ")[0]
        assert "H&E" not in card
