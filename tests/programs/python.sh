# SPDX-License-Identifier: BSD-3-Clause
# python3: venv, sqlite3, mmap, tempfile, shutil and more of its library.
. "${0%/*}/lib.sh"

pip=(--without-pip)
[ "$EFFORT" -lt 2 ] || pip=()
python3 -m venv "${pip[@]}" venv
./venv/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix)'
(. venv/bin/activate && python3 -c 'import os, sys; print(os.path.relpath(sys.prefix))')
mkdir -p venv/lib/python3/site-packages package
cat >package/__init__.py <<'END'
from .part import answer
END
echo 'def answer(): return 42' >package/part.py
python3 -c 'import package; print(package.answer(), package.__cached__ is not None)'
python3 -m compileall -q package
python3 -m zipapp -o app.pyz -m 'part:answer' package
python3 app.pyz
rm -r venv app.pyz
find . -name __pycache__ -prune -exec rm -r {} +
python3 "$SCRIPTS/library.py" 2>&1 | tee "$WORK/tests"
did "$(grep -c '^test_' "$WORK/tests")" tests of its library
did 3 programs in the pool
