"""Graphs that others made, run as models: a runtime, a frame, and a task that reads what comes out.

A runtime (onnxruntime, OpenVINO) opens the file and says what it takes and gives. A frame makes a
photograph into its input; a task turns its outputs into a prediction. Only runtimes know whose
format a graph is in, and what a card leaves out is read from the graph when it is opened.
"""
