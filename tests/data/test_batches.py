from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support import peer_networks
from benchmarks.support.machine import interleaved_times_s, medians
from benchmarks.training_step import make_input, make_step
from lwq_tune.data.batches import Augmentation, Normalizer, crop_padding, n_training_batches, training_batches
from lwq_tune.data.images import ImageSet
from lwq_tune.data.split import check_split, n_validation_images, split_indices
from lwq_tune.errors import DatasetError


def numbered(n_images: int) -> ImageSet:
    images = torch.arange(n_images, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 32, 32)
    return ImageSet(images.contiguous(), torch.arange(n_images))


def crop_and_flip(images: torch.Tensor, generator: torch.Generator, *, flip: bool) -> torch.Tensor:
    padding = crop_padding(*images.shape[2:])
    drawn = Augmentation.draw("crop_flip" if flip else "crop", len(images), padding, generator, images.device)
    assert drawn is not None
    return drawn.apply(images)


@given(n_images=st.integers(2, 50), batch_size=st.integers(2, 60))
def test_every_image_comes_once_per_epoch_with_its_label(n_images: int, batch_size: int) -> None:
    batches = list(training_batches(numbered(n_images), batch_size, "none", torch.Generator().manual_seed(3)))
    assert len(batches) == n_training_batches(n_images, batch_size)
    labels = torch.cat([labels for _, labels in batches])
    images = torch.cat([images[:, 0, 0, 0] for images, _ in batches])
    left_out = 1 if n_images % batch_size == 1 else 0
    assert len(labels.unique()) == len(labels) == n_images - left_out
    assert torch.equal(images.long(), labels)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("shape", "padding"), [((3, 32, 32), 4), ((1, 28, 28), 3), ((3, 24, 40), 3), ((1, 7, 9), 0)])
def test_a_crop_is_one_window_of_the_padded_image_or_its_mirror_image(
    flip: bool, shape: tuple[int, int, int], padding: int
) -> None:
    images = torch.randint(1, 256, (5, *shape), dtype=torch.uint8)
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    cropped = crop_and_flip(images, torch.Generator().manual_seed(0), flip=flip)
    places, (_, height, width) = range(2 * padding + 1), shape
    for image, source in zip(cropped, padded, strict=True):
        windows = [source[:, r : r + height, c : c + width] for r in places for c in places]
        if flip:
            windows += [window.flip(2) for window in windows]
        assert sum(torch.equal(image, window) for window in windows) == 1


def test_crops_reach_every_offset_and_flips_half_the_images() -> None:
    generator = torch.Generator().manual_seed(0)
    ramp = torch.arange(32, dtype=torch.float32).view(1, 1, 1, 32).expand(2000, 3, 32, 32)
    columns = crop_and_flip(ramp, generator, flip=False)[:, 0, 16, 16].unique()
    assert columns.tolist() == list(range(12, 21))
    mirrored = crop_and_flip(ramp, generator, flip=True)[:, 0, 16, :]
    is_falling = mirrored[:, 17] < mirrored[:, 16]
    assert 0.45 < is_falling.float().mean() < 0.55
    assert crop_and_flip(ramp, generator, flip=True)[:, 0, 16, 16].unique().tolist() == list(range(11, 21))


def test_augmentation_is_a_matter_of_the_generator_alone() -> None:
    data = ImageSet(torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8), torch.arange(20))

    def run(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.cat([images for images, _ in training_batches(data, 8, "crop_flip", generator)])

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_normalised_images_have_zero_mean_and_unit_variance(n_channels: int) -> None:
    images = torch.randint(0, 256, (50, n_channels, 32, 30), dtype=torch.uint8)
    mean, std = images.double().mean((0, 2, 3)) / 255, images.double().std((0, 2, 3)) / 255
    out = Normalizer(mean.float(), std.float(), torch.device("cpu"))(images)
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(n_channels), atol=1e-4)
    assert torch.allclose(out.std((0, 2, 3)), torch.ones(n_channels), atol=1e-4)
    assert out.is_contiguous(memory_format=torch.channels_last)


@given(seed=st.integers(0, 5), fraction=st.floats(0.05, 0.5))
def test_the_split_is_disjoint_complete_and_even_over_classes(seed: int, fraction: float) -> None:
    labels = torch.arange(5).repeat(40)[torch.randperm(200, generator=torch.Generator().manual_seed(9))]
    train, val = split_indices(labels, fraction, seed)
    assert sorted(train.tolist() + val.tolist()) == list(range(200))
    assert torch.bincount(labels[val], minlength=5).tolist() == [round(40 * fraction)] * 5
    again = split_indices(labels, fraction, seed)
    assert torch.equal(again[1], val)


def test_the_split_is_drawn_class_by_class_as_runs_of_earlier_versions_drew_it() -> None:
    labels = torch.randint(0, 4, (60,), generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(7)
    expected = []
    for label in range(4):
        members = [index for index, other in enumerate(labels.tolist()) if other == label]
        order = torch.randperm(len(members), generator=generator).tolist()
        expected += [members[place] for place in order[: round(0.2 * len(members))]]
    assert split_indices(labels, 0.2, 7)[1].tolist() == sorted(expected)


def test_the_split_depends_on_its_seed() -> None:
    labels = torch.arange(2).repeat(100)
    assert not torch.equal(split_indices(labels, 0.1, 0)[1], split_indices(labels, 0.1, 1)[1])


@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=8), fraction=st.floats(0.01, 0.5))
def test_each_class_keeps_a_training_image_and_holds_one_out_where_it_has_two(
    counts: list[int], fraction: float
) -> None:
    if max(counts) == 1:
        counts = [*counts, 2]
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    train, val = split_indices(labels, fraction, seed=3)
    held_out = torch.bincount(labels[val], minlength=len(counts)).tolist()
    kept = torch.bincount(labels[train], minlength=len(counts)).tolist()
    assert all(k >= 1 and (h >= 1) == (n > 1) for n, h, k in zip(counts, held_out, kept, strict=True))
    assert all(h == max(round(fraction * n), 1) for n, h in zip(counts, held_out, strict=True) if n > 1)
    assert sum(held_out) == sum(n_validation_images(n, fraction) for n in counts)


def test_labels_that_number_the_images_are_refused_before_and_while_splitting() -> None:
    for split in (lambda: split_indices(torch.arange(4), 0.1, 0), lambda: check_split([1] * 4, 0.1)):
        with pytest.raises(DatasetError, match="needs two training images .*, none of 4 has"):
            split()


def test_a_share_that_is_not_the_one_asked_for_is_told_with_its_reason() -> None:
    warning = check_split([5] * 200, 0.1)
    assert warning is not None
    assert "holds 200 of 1,000 training images (20.0%) at validation_fraction 0.1" in warning
    assert check_split([5] * 200, 0.2) is None
    assert "1 of 3 classes have a single image" in (check_split([100, 100, 1], 0.1) or "")


@pytest.mark.slow
def test_drawing_a_batch_takes_less_time_than_the_training_step_on_it() -> None:
    device = torch.device("cpu")
    variants = {
        "input": make_input(16, device),
        "step": make_step(peer_networks.ours((2, 3, 4)), "eager", "fp32", 16, device),
    }
    times_s = medians(interleaved_times_s(variants, 3, lambda: None))
    assert 0 < times_s["input"] < times_s["step"]
