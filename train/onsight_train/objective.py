"""What a training makes small, the loss, and what it reports beside it, the accuracy. Plain Keras ops: any backend."""

from __future__ import annotations

from typing import Any

from onsight_train.frameworks import load_keras
from onsight_train.recipes import Recipe


def make_loss(recipe: Recipe, classes: int, teacher: bool = False) -> Any:
    """The `keras.losses.Loss` of a recipe, for a network whose output is probabilities.

    Targets are what `augment.Batches` makes: (N, classes), each row a distribution times the picture's weight; with a
    teacher (N, 2*classes), whose second half are the teacher's probabilities. Targets without that second half, as
    validation has, are compared with the labels alone even where there is a teacher.

    Args:
        recipe: label smoothing, distillation, class weights.
        classes: number of classes.
        teacher: whether targets carry a teacher's answers.

    Returns:
        `keras.losses.CategoricalCrossentropy` itself where that is all there is to it.
    """
    keras: Any = load_keras()
    ops = keras.ops
    # Keras spreads 1, not the picture's weight, over the classes
    weighted = recipe.class_weights and recipe.label_smoothing > 0
    if not (weighted or (teacher and recipe.distill)):
        return keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    smoothing, share, heat = recipe.label_smoothing, recipe.distill, recipe.temperature

    def soften(probabilities: Any) -> Any:
        # the softmax of logits / T, from probabilities: they are logits less a constant once their logarithm is taken
        logs = ops.log(ops.clip(probabilities, keras.config.epsilon(), 1.0)) / heat
        return logs - ops.logsumexp(logs, axis=-1, keepdims=True)

    class Objective(keras.losses.Loss):  # type: ignore[misc]
        """Cross-entropy, joined with a teacher's answers after Hinton, Vinyals and Dean 2015."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            hard = y_true[:, :classes]
            weight = ops.sum(hard, axis=-1, keepdims=True)
            hard = hard * (1 - smoothing) + weight * (smoothing / classes)
            loss = keras.losses.categorical_crossentropy(hard, y_pred)
            if y_true.shape[-1] == classes:
                return loss
            teacher_logs, student_logs = soften(y_true[:, classes:]), soften(y_pred)
            apart = ops.sum(ops.exp(teacher_logs) * (teacher_logs - student_logs), axis=-1)
            # softening divides gradients by T squared; so both parts keep their proportion at any T
            return (1 - share) * loss + share * heat**2 * ops.squeeze(weight, axis=-1) * apart

    return Objective(name="objective")


def make_accuracy(classes: int) -> Any:
    """The `keras.metrics.Metric` called `accuracy`: how often the likeliest class is the label.

    For blended pictures the label is the one with the larger share. Targets as in `make_loss`: a teacher's half and
    the weights of pictures are passed over.
    """
    keras = load_keras()
    ops = keras.ops

    def right(y_true: Any, y_pred: Any) -> Any:
        same = ops.equal(ops.argmax(y_true[:, :classes], axis=-1), ops.argmax(y_pred, axis=-1))
        return ops.cast(same, "float32")

    return keras.metrics.MeanMetricWrapper(right, name="accuracy")
