# SPDX-License-Identifier: BSD-3-Clause
# rocksdb's db_bench: its benchmarks in several forms of input and output, and the contents after each.
. "${0%/*}/lib.sh"

num=$((EFFORT > 1 ? 500000 : EFFORT ? 20000 : 2000))
cd "$WORK"

bench() {
	local db=$DIR/$1
	shift
	db_bench --db="$db" --wal_dir="$db" --num=$num --seed=7 --threads=1 --value_size=200 --sync=0 \
		--write_buffer_size=1000000 --target_file_size_base=1000000 --max_background_jobs=2 \
		--compression_type=none --key_size=16 "$@" >"$WORK/bench.log" 2>&1 ||
		{ tail "$WORK/bench.log" >&2; fail "db_bench $*"; }
	! grep -iE 'corrupt|IO error' "$WORK/bench.log" >&2 || fail "db_bench $*"
}

# What is in it, read by another program, which checks all sums on the way.
contents() {
	other ldb --db="$DIR/$1" checkconsistency 2>&1
	ldb --db="$DIR/$1" scan --hex --no_value >"$DIR/$1.keys" 2>"$WORK/scan" || { tail "$WORK/scan" >&2; fail "ldb scan $1"; }
	sort -c "$DIR/$1.keys"
	wc -l <"$DIR/$1.keys"
	rm -r "${DIR:?}/$1"
}

n=0
form() {
	local name=$1
	shift
	bench "$name" --benchmarks=fillseq,overwrite,readrandom,readseq,compact,readrandom "$@"
	bench "$name" --use_existing_db=1 --benchmarks=seekrandom,updaterandom,deleteseq,verifychecksum --deletes=$((num / 3)) "$@"
	contents "$name"
	n=$((n + 10))
}
form plain
[ "$EFFORT" = 0 ] || [ "$SHARED_MAPS" != yes ] || form mmap --mmap_read=1 --mmap_write=1
[ "$EFFORT" = 0 ] || form direct --use_direct_reads=1 --use_direct_io_for_flush_and_compaction=1
bench threads --benchmarks=fillrandom,readwhilewriting --threads=3 --num=$((num / 4)) --sync=1
rm -r "$DIR/threads"
did $((n + 2)) benchmarks
