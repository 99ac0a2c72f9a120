"""python -m helpers.data fetch|verify|list: see helpers.data.manifest."""

import sys

from helpers.data import manifest

sys.exit(manifest.main())
