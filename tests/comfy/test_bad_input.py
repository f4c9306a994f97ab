"""Mistakes an artist makes: a sentence on the node, and a server that lives on."""

from __future__ import annotations

import pytest
from graphs import node, term, whole, with_changes, with_reference, with_system


def frames_of(graph, length=None):
    graph = with_changes(graph, encoded={"video": ["frames", 0]}, mux={"video": ["frames", 0]})
    graph["parts"] = node("/GetVideoComponents", video=["video", 0])
    graph["frames"] = (
        node("/ImageFromBatch", image=["parts", 0], batch_index=0, length=length)
        if length
        else node("/ImageFromBatch", image=["parts", 0], batch_index=0, length=50)
    )
    return graph


def one_frame():
    return frames_of(whole(), length=1)


def frame_rate_zero():
    return with_changes(frames_of(whole()), encoded={"fps": 0.0})


def sound_without_picture():
    return whole(video="sound_only.mp4")


def mask_of_another_length():
    graph = whole()
    graph["black"] = node("/SolidMask", value=0.0, width=64, height=48)
    graph["image"] = node("/MaskToImage", mask=["black", 0])
    graph["seven"] = node("/RepeatImageBatch", image=["image", 0], amount=7)
    graph["mask"] = node("/ImageToMask", image=["seven", 0], channel="red")
    return with_changes(graph, encoded={"mask": ["mask", 0]})


def window_past_the_end():
    return with_changes(whole(), encoded={"start": 9.0})


def latent_of_a_picture():
    graph = whole()
    graph["sample"] = node("/EmptyLatentImage", width=64, height=64, batch_size=1)
    return graph


def features_at_the_wrong_input():
    return with_changes(whole(), conditioning={"video": ["read", 0]})


def latent_of_another_length():
    graph = whole()
    graph["empty"] = node("EmptyLatent", model=["model", 0], seconds=4.0, takes=1)
    return with_changes(graph, sample={"latent": ["empty", 0]})


def generator_as_a_video_encoder():
    return with_changes(whole(), encoder={"name": "random_mini.safetensors"})


def codec_of_another_model():
    return with_changes(whole(), codec={"name": "mel_picture_codec"})


def weights_that_are_not_here():
    return with_changes(whole(), codec={"name": "mmaudio_codec_16k"})


def several_takes_to_mux():
    return whole(takes=2)


def take_that_is_not_there():
    graph = whole()
    graph["takes"] = node("Takes", audio=["decode", 0], pick=5)
    return with_changes(graph, mux={"audio": ["takes", 0]})


def silent_reference():
    return with_reference(whole(), "silent.wav")


def video_without_sound_as_reference():
    graph = whole()
    graph["parts"] = node("/GetVideoComponents", video=["video", 0])
    return with_reference(graph, ["parts", 1])


def words_for_a_model_without_any():
    return with_system(whole(), "mdsgen_mini")


def weights_that_miss_one():
    graph = whole()
    graph["term"] = term(4.5)
    graph["guider"] = node("CombineGuidance", model=["model", 0], terms=["term", 0], rest="refuse")
    return with_changes(graph, sample={"guider": ["guider", 0]})


@pytest.mark.parametrize(
    "graph, words",
    [
        (one_frame, "one frame"),
        (frame_rate_zero, "set fps"),
        (sound_without_picture, "no picture"),
        (mask_of_another_length, "mask has 7 frames"),
        (window_past_the_end, "start earlier"),
        (latent_of_a_picture, "not one of sound"),
        (features_at_the_wrong_input, "connect them to text"),
        (latent_of_another_length, "latent has"),
        (generator_as_a_video_encoder, "not a file that this node can load"),
        (codec_of_another_model, "choose foley_mini_codec in Load Foley Codec"),
        (weights_that_are_not_here, "switch on download"),
        (several_takes_to_mux, "pick one with Foley Takes"),
        (take_that_is_not_there, "only 1"),
        (silent_reference, "silent"),
        (video_without_sound_as_reference, "no sound track"),
        (words_for_a_model_without_any, "leave the text unconnected"),
        (weights_that_miss_one, "sum to 4.5"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_mistake_is_one_sentence_on_the_node(server, graph, words):
    run = server.run(graph())
    assert words in run.error, run.error or run.refusal or "it ran"
    assert "Traceback" not in run.error and "\n" not in run.error
    assert len(run.error) < 500


@pytest.mark.parametrize(
    "name, inputs",
    [
        ("sample", {"steps": -1}),
        ("sample", {"seed": -1}),
        ("encoded", {"seconds": -1.0}),
        ("encoded", {"timing": "soonest"}),
        ("model", {"name": "no_such_model"}),
        ("decode", {"samples": ["conditioning", 0]}),
    ],
)
def test_a_value_out_of_range_is_refused_before_the_run(server, name, inputs):
    run = server.run(with_changes(whole(), **{name: inputs}))
    assert name in run.refused["node_errors"], run.refused


def test_a_short_stereo_reference_works_and_says_what_is_missing(server):
    run = server.run(with_reference(whole(), "short_stereo.wav"))
    assert run.ok, run.error or run.refusal
    assert any("0.10 s long" in text for text in run.texts)


def test_words_without_meaning_are_named_on_the_node(server):
    run = server.run(whole(prompt="xyzzy metal"))
    assert run.ok and any("xyzzy" in text for text in run.texts)


def test_the_server_still_runs(server):
    assert server.run(whole(seed=77)).ok
