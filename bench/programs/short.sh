# SPDX-License-Identifier: BSD-3-Clause
# Processes that live for a millisecond: cat of a page, cat of 1 MiB, a file made by the shell.
. "${0%/*}/lib.sh"

times=200

case $1 in
prepare)
	head -c 1M /dev/urandom >large
	head -c 4k large >small
	;;
cat-4k | cat-1m)
	file=small
	[ "$1" = cat-4k ] || file=large
	for ((i = 0; i < times; i++)); do
		/bin/cat $file >/dev/null
	done
	done_of $times processes
	;;
cp-1m)
	for ((i = 0; i < times; i++)); do
		/bin/cp large copy
	done
	done_of $times processes
	;;
append)
	for ((i = 0; i < times * 10; i++)); do
		echo "line $i" >>log
	done
	done_of $((times * 10)) redirections
	;;
clear) rm -f copy log ;;
esac
