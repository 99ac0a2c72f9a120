#!/usr/bin/env bash
# Notebooks 03 (small) and 06 in a stand-in for Colab's TPU runtime, which has no TensorFlow, OpenCV, dlib or
# face_recognition: their set-up cell installs what is missing and must change nothing that is there.
#
#   [PYTHON=python3.13] tests/tpu_runtime.sh FOLDER     FOLDER is new; 1.7 GB, minutes, needs the internet
set -euo pipefail
suite=$(cd "$(dirname "$0")/.." && pwd)
${PYTHON:-python3.13} -m venv "$1"
cd "$1"
bin/pip install --quiet jax==0.7.2 keras==3.13.2 numpy==2.1.3 librosa==0.11.0 scipy==1.16.3 scikit-learn==1.6.1 \
  pandas==2.2.3 matplotlib==3.10.0 protobuf==7.35.* numba==0.67.* llvmlite==0.49.* pillow==12.3.* setuptools==75.2.0 \
  nbclient==0.10.4 ipykernel
bin/pip freeze > before.txt
export PYTHONPATH=$suite
bin/python -m helpers.notebooks run --out out --set DATASET=synthetic --set ACTORS=4 --set N_FOLDS=2 --set RUN_FOLDS=1 \
  --set EPOCHS=1 --set GRU_LAYERS=1 --set GRU_UNITS=8 --set TABLE_ROWS=1 "$suite/notebooks/03_audio_subsystem.ipynb"
bin/python -m helpers.notebooks run --out out "$suite/notebooks/06_your_own_clip.ipynb"
bin/pip freeze > after.txt
echo "changed or removed by the set-up cell:"
! grep -vxFf after.txt before.txt
