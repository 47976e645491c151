# SPDX-License-Identifier: BSD-3-Clause
# stress-ng: its file-system stressors with --verify, four at a time on one directory.
. "${0%/*}/lib.sh"

# Not among them: inotify and dnotify (watches of a pool are refused), io-uring (this one's
# STATX fails on tmpfs), and those that work elsewhere: bind-mount, binderfs, fanotify, procfs.
stressors=(${STRESSORS:-$(cat "$SCRIPTS/stressors")})
seconds=$((EFFORT > 1 ? 20 : 1))
[ "$EFFORT" != 0 ] || stressors=(dentry hdd link xattr iomix flock getdent sendfile)
cd "$WORK"
bad=

# stress STRESSOR...: what it says is in log. Exit code 7 is not about files: a stressor was
# stopped while it counted, on any file system, and its count is not to be trusted.
stress() {
	local code tries
	for tries in 1 2 3; do
		code=0
		stress-ng --temp-path "$DIR" --no-rand-seed --verify --timeout $seconds --oom-avoid --hdd-bytes 8m \
			--iomix-bytes 8m --fallocate-bytes 16m --seek-size 1m --readahead-bytes 8m --revio-bytes 8m \
			$(printf -- '--%s 1 ' "$@") >"$WORK/log" 2>&1 || code=$?
		[ $code = 7 ] || break
	done
	return $code
}

for ((i = 0; i < ${#stressors[@]}; i += 4)); do
	four=("${stressors[@]:i:4}")
	code=0
	stress "${four[@]}" || code=$?
	# Some say that something failed and end well all the same.
	if [ $code != 0 ] || grep -qE ' (fail|error):' "$WORK/log"; then
		bad="$bad (${four[*]}: exit code $code)"
		grep -vE 'dispatching|setting to|successful run' "$WORK/log" | head -n 9 >&2 || true
	fi
done
[ -z "$bad" ] || fail "stressors:$bad"
cd "$DIR"
# chattr that is stopped while its file is immutable can not remove it, where files can be that.
for left in tmp-stress-ng-chattr-*; do
	[ ! -e "$left" ] || { chattr -R -f -a -i "$left" || true; rm -rf "$left"; }
done
ls -A
did ${#stressors[@]} stressors
