"""The script that onsight's start-up is held against: python bare_predict.py MODEL.tflite LABELS.txt PICTURE.

It imports nothing of onsight, checks nothing, and takes a uint8 model only.
"""

import sys

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Print the best class's label and score."""
    model, labels, picture = sys.argv[1:]
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    _, height, width, _ = given["shape"]
    image = cv2.imread(picture)
    assert image is not None, picture
    small = cv2.cvtColor(cv2.resize(image, (int(width), int(height))), cv2.COLOR_BGR2RGB)
    interpreter.set_tensor(given["index"], small[np.newaxis].astype(given["dtype"]))
    interpreter.invoke()
    scores = interpreter.get_tensor(answer["index"])[0]
    with open(labels, encoding="utf-8") as lines:  # noqa: PTH123  (what a bare script does)
        names = lines.read().splitlines()
    print(names[int(scores.argmax())], scores.max())


if __name__ == "__main__":
    main()
