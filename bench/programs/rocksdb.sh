# SPDX-License-Identifier: BSD-3-Clause
# rocksdb's db_bench: fillseq, fillrandom, readrandom over what that left, fillsync.
. "${0%/*}/lib.sh"

cd "$WORK"

bench() {
	local num=$1 benchmark=$2
	shift 2
	begin
	db_bench --db="$DIR/db" --wal_dir="$DIR/db" --num="$num" --seed=7 --threads=1 --value_size=100 \
		--key_size=16 --compression_type=none --max_background_jobs=2 --write_buffer_size=4000000 \
		--benchmarks="$benchmark" "$@" >"$WORK/bench.log" 2>&1 ||
		{ tail "$WORK/bench.log" >&2; fail "db_bench $benchmark"; }
	finish
	! grep -iE 'corrupt|IO error' "$WORK/bench.log" >&2 || fail "db_bench $benchmark"
	done_of "$num" calls
}

case $1 in
fillseq) bench 200000 fillseq ;;
fillrandom) bench 200000 fillrandom ;;
readrandom) bench 200000 readrandom --use_existing_db=1 ;;
fillsync) bench $((5000 / PARTS)) fillrandom --sync=1 ;;
clear) rm -rf "$DIR/db" ;;
esac
