from walkdown.pipeline.keys import cache_key, heatmap_key, image_key


def test_a_cached_prediction_is_found_by_image_model_and_preparation() -> None:
    keys = {
        cache_key("c", "m", "p"),
        cache_key("d", "m", "p"),
        cache_key("c", "n", "p"),
        cache_key("c", "m", "q"),
        cache_key("cm", "", "p"),
    }
    assert len(keys) == 5
    assert cache_key("c", "m", "p") in keys


def test_heat_maps_are_one_for_each_prediction_and_lie_by_their_image() -> None:
    key = heatmap_key("abcd", "m", "p")
    assert key == f"heatmaps/ab/{cache_key('abcd', 'm', 'p')}.png"
    assert key != heatmap_key("abcd", "n", "p")


def test_images_lie_by_their_content() -> None:
    assert image_key("abcd") == "images/ab/abcd"
