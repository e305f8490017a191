"""The GPU baseline: the network that was trained, on a graphics processor, as fast as its frameworks make it.

What it holds an edge device's figures against. Needs NumPy, Keras and one framework that sees a GPU; ONNX Runtime for a
bundle's .onnx files. Every framework runs in a process of its own (worker.py): Keras's backend is fixed when it is
imported, and a framework that is imported first may take all of the GPU's memory.
"""
