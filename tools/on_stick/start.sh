#!/bin/sh
# Find a Python that this stick has packages for, and have start.py do the rest: sh start.sh
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
for version in @PYTHONS@; do
    for name in "python$version" "/Library/Frameworks/Python.framework/Versions/$version/bin/python3" "/opt/homebrew/bin/python$version" \
                "$HOME/.local/bin/python$version" python3 python; do
        found=$(command -v "$name") || continue
        # a Mac without developer tools has a python3 there that is none, and opens a window when it is asked
        case "$(uname)$found" in Darwin/usr/bin/*) continue ;; esac
        if [ "$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
            exec "$found" -B "$here/start.py" "$@"
        fi
    done
done
echo "No Python was found that fits this stick." >&2
cat "$here/get-python.txt" >&2
exit 1
