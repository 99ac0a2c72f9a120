"""python -m helpers.evaluation RUNS: see helpers.evaluation.metrics."""

import sys

from helpers.evaluation import metrics

sys.exit(metrics.main())
