"""What is in a model file, whoever made it; `reading.inspect_model` is the way in."""
