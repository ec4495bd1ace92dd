from walkdown.pipeline.keys import cache_key, heatmap_key, image_key


def test_a_cached_prediction_is_found_by_image_model_and_preparation() -> None:
    keys = {
        cache_key("c", "m", "p"),
        cache_key("d", "m", "p"),
        cache_key("c", "n", "p"),
        cache_key("c", "m", "q"),
        cache_key("cm", "", "p"),
        cache_key("c", "m", "p", view="v"),
    }
    assert len(keys) == 6
    assert cache_key("c", "m", "p") in keys


def test_heat_maps_are_one_for_each_prediction_and_lie_by_their_image() -> None:
    assert heatmap_key("abcd", "ef01") == "heatmaps/ab/ef01.png"


def test_images_lie_by_their_content() -> None:
    assert image_key("abcd") == "images/ab/abcd"
