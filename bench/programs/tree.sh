# SPDX-License-Identifier: BSD-3-Clause
# tar, grep, find, cp, du and rm on a tree of many small files.
. "${0%/*}/lib.sh"

files=4000

case $1 in
prepare)
	plain bash -c "SOURCE='$SOURCE'; $(declare -f a_tree); mkdir '$WORK/tree' && a_tree '$WORK/tree' $files"
	tar -C "$WORK" -cf "$WORK/tree.tar" tree
	rm -r "$WORK/tree"
	tar -xf "$WORK/tree.tar"
	;;
tar-x)
	mkdir out
	tar -C out -xf "$WORK/tree.tar"
	done_of $files files
	;;
tar-c)
	tar -cf out.tar tree
	done_of $files files
	;;
grep)
	! grep -r 'nothing like it' tree || fail "it is there"
	done_of $files files
	;;
find)
	[ "$(find tree -type f -size +0 -newermt 2001-01-01 | wc -l)" = $files ] || fail "not all are found"
	done_of $files files
	;;
cp)
	cp -r tree copy
	done_of $files files
	;;
rm)
	rm -r copy
	done_of $files files
	;;
clear) rm -rf out out.tar copy ;;
esac
