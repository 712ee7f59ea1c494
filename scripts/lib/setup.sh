# Sourced by scripts/serve, scripts/test and scripts/check: makes .venv and keeps it in step with
# the pinned requirements. Needs nothing but a Python >= 3.11 with venv and pip.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1

die() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    exit 1
}

find_python() {
    local name
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# ensure_venv FILE: .venv has what FILE pins; a stamp of the files' contents makes the second start quick.
ensure_venv() {
    local file=$1 stamp want python
    stamp=.venv/.installed-${file%.txt}
    want=$(cat requirements*.txt | cksum)
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
        return
    fi
    if [ ! -x .venv/bin/python ]; then
        python=$(find_python) || die "Python 3.11 or newer is needed (none found on PATH; PYTHON=... names one)"
        printf 'Making .venv with %s\n' "$("$python" --version)" >&2
        "$python" -m venv .venv || die "cannot make .venv (is the venv module installed, is the disk full?)"
    fi
    printf 'Installing %s (%s packages; torch is the large one)\n' "$file" "$(grep -hcE '^[A-Za-z]' requirements.txt)" >&2
    .venv/bin/python -m pip install --disable-pip-version-check --no-input -r "$file" >&2 ||
        die "installing $file failed: see pip's message above"
    printf '%s\n' "$want" >"$stamp"
}
