"""python -m helpers.predict CLIP…: see helpers.predict.predictor."""

import sys

from helpers.predict import predictor

sys.exit(predictor.main())
