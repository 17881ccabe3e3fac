"""Each metric as a folder that `evaluate.load` takes, offline: `evaluate.load(metric_path("fvd"))`.

A folder holds the metric as a plain function and as an `evaluate.Metric`. The loader reads imports line by line, and
takes the first class of a metric that a file names: so imports are one a line, and the base class comes by its module.
"""
